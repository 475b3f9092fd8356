//! Starts child processes so that they die with this process, even when it is killed.
//!
//! The kernel sends the parent-death signal when the *thread* that started the child ends, and the threads of tests
//! and of async runtimes end long before the process does. So one thread that never ends starts them all.

use std::{
    io,
    process::{Child, Command},
    sync::{LazyLock, Mutex, PoisonError, mpsc},
    thread,
};

struct Request {
    command: Command,
    answer: mpsc::Sender<io::Result<Child>>,
}

static SPAWNER: LazyLock<Mutex<mpsc::Sender<Request>>> = LazyLock::new(|| {
    let (sender, requests) = mpsc::channel::<Request>();
    thread::spawn(move || {
        for mut request in requests {
            // Whoever asked may have given up; the child is then killed by nobody but our own end.
            let _ = request.answer.send(request.command.spawn());
        }
    });
    Mutex::new(sender)
});

/// A command that runs `program` and gets SIGKILL when this process ends. Start it with [`spawn`].
pub fn bound_to_this_process(program: &std::path::Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Starts `command` from the thread that lives as long as this process.
pub fn spawn(command: Command) -> io::Result<Child> {
    let (answer, answered) = mpsc::channel();
    let request = Request { command, answer };
    let gone = || io::Error::other("the thread that starts processes is gone");
    SPAWNER.lock().unwrap_or_else(PoisonError::into_inner).send(request).map_err(|_| gone())?;
    answered.recv().map_err(|_| gone())?
}
