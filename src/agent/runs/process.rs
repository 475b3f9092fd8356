//! Worker processes: started so that they outlive the daemon, and waited for whoever started them.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::run_directory::RunDirectory;

/// How often a process is looked at on kernels that cannot tell of its end (before 5.3).
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Runs `program worker DIR` and waits for its end, which says nothing: the folder does.
///
/// The worker leads a process group of its own and shares no pipe with the daemon, so that neither a signal to
/// the daemon's group nor the daemon's death reaches it.
pub async fn run_worker(program: &Path, directory: &RunDirectory) -> io::Result<()> {
    let complaints = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(directory.path().join(".keelson-worker.log"))?;
    let mut child = Command::new(program)
        .arg("worker")
        .arg(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(complaints)
        .process_group(0)
        .spawn()?;
    let pid = Pid::from_child(&child);
    wait_for_end(pid, || matches!(child.try_wait(), Ok(None))).await;
    child.wait().map(|_| ())
}

/// Waits for the end of a worker that another daemon started.
pub async fn wait_for_worker(pid: i32, directory: &RunDirectory) {
    let Some(pid) = Pid::from_raw(pid) else { return };
    wait_for_end(pid, || directory.has_worker().unwrap_or(false)).await;
}

async fn wait_for_end(pid: Pid, mut lives: impl FnMut() -> bool) {
    #[allow(
        deprecated,
        reason = "sound for a descriptor that is owned; its replacement would need unsafe code"
    )]
    let watched: io::Result<AsyncFd<OwnedFd>> = pidfd_open(pid, PidfdFlags::empty())
        .map_err(Into::into)
        .and_then(|process| AsyncFd::with_interest(process, Interest::READABLE));
    // Asked after the process is held: a number that went to another process meanwhile is not waited for.
    if !lives() {
        return;
    }
    match watched {
        Ok(process) => {
            let _ended = process.readable().await;
        }
        Err(_) => {
            while lives() {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        }
    }
}
