//! One process of a step, in a process group of its own: its output is copied until it and whatever holds its
//! output are gone, its time is up, or the run is cancelled. One thread waits for all of it in `poll`.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};

use super::control::Control;
use super::output::StepOutput;
use crate::run_directory::Stream;

/// What is read from a pipe at a time: half of what a pipe holds by default.
const READ_BYTES: usize = 32 * 1024;
/// How long a killed process may take to die before it is left behind, stuck in the kernel.
const KILL_GRACE: Duration = Duration::from_secs(5);
/// How often a kernel without process descriptors (before 5.3) is asked whether the process lives.
const TICK: Duration = Duration::from_millis(20);
/// After a kill: enough reads for all that the largest pipe can hold, and an end to what others still write.
const DRAIN_READS: usize = 64;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, with this status, and nothing holds its output any more.
    Exited(ExitStatus),
    /// Its time was up, or that of a child which held its output; its group was killed.
    TimedOut,
    /// The run was cancelled; its group was killed.
    Cancelled,
}

/// Runs `command` to its end, with nothing to read from standard input.
///
/// # Errors
/// When it cannot be started, or cannot be watched any longer, in which case its group was killed.
pub fn run(
    command: &mut Command,
    output: &mut StepOutput,
    control: &Control<'_>,
    timeout: Duration,
) -> io::Result<End> {
    let deadline = Instant::now() + timeout;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut process = Process::new(command.spawn()?);
    let watched = process.watch(output, control, deadline);
    if let Ok(Watched::Gone) = watched {
        return process.child.wait().map(End::Exited);
    }
    process.kill(output, control);
    // A process that not even a kill ends is left to whoever inherits it.
    let _ = process.child.try_wait();
    watched.map(|why| if why == Watched::Cancelled { End::Cancelled } else { End::TimedOut })
}

/// Why watching ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watched {
    Gone,
    TimedOut,
    Cancelled,
}

/// What `poll` may find to be ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Control,
    Leader,
    Pipe(Stream),
}

/// The process that leads the group and its pipes. It is not reaped before the end, so that its number, which
/// is the group's, stays its own.
#[derive(Debug)]
struct Process {
    child: Child,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    leader: Option<OwnedFd>,
    buffer: Vec<u8>,
}

impl Process {
    fn new(mut child: Child) -> Self {
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        Self { child, stdout, stderr, leader: None, buffer: vec![0; READ_BYTES] }
    }

    /// Copies output until there is none to come and the leader is gone. As long as a pipe is open the leader
    /// does not matter.
    fn watch(
        &mut self,
        output: &mut StepOutput,
        control: &Control<'_>,
        deadline: Instant,
    ) -> io::Result<Watched> {
        loop {
            if self.is_silent() && self.has_exited() {
                return Ok(Watched::Gone);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Watched::TimedOut);
            }
            let wait = if self.is_silent() { self.watch_leader(left) } else { left };
            let ready = self.wait(control, wait)?;
            if ready.contains(&Source::Control) && control.receive() {
                return Ok(Watched::Cancelled);
            }
            self.copy(output, &ready);
        }
    }

    /// Kills the group at once and copies what it had written. Whoever has left the group lives on, unheard.
    fn kill(&mut self, output: &mut StepOutput, control: &Control<'_>) {
        // It fails where the whole group is gone already, which is as good.
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let give_up = Instant::now() + KILL_GRACE;
        while !self.has_exited() && Instant::now() < give_up {
            let wait = self.watch_leader(KILL_GRACE);
            let Ok(ready) = self.wait(control, wait) else { break };
            self.copy(output, &ready);
            if ready.contains(&Source::Control) {
                control.receive();
            }
        }
        for _ in 0..DRAIN_READS {
            match self.wait(control, Duration::ZERO) {
                Ok(ready) if ready.iter().any(|source| matches!(source, Source::Pipe(_))) => {
                    self.copy(output, &ready);
                }
                _ => return,
            }
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn is_silent(&self) -> bool {
        self.stdout.is_none() && self.stderr.is_none()
    }

    fn has_exited(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        // An error says that there is nothing to wait for.
        waitid(WaitId::Pid(self.pid()), options).map_or(true, |status| status.is_some())
    }

    /// Has `poll` wake up when the leader is gone, and tells how long it may sleep: where the kernel cannot do
    /// that, only for a moment.
    fn watch_leader(&mut self, wait: Duration) -> Duration {
        if self.leader.is_none() {
            self.leader = pidfd_open(self.pid(), PidfdFlags::empty()).ok();
        }
        if self.leader.is_some() { wait } else { wait.min(TICK) }
    }

    /// Waits until something is ready, at most so long.
    fn wait(&self, control: &Control<'_>, wait: Duration) -> io::Result<Vec<Source>> {
        let sources = [
            (Source::Control, Some(control.as_fd())),
            (Source::Leader, self.leader.as_ref().map(AsFd::as_fd)),
            (Source::Pipe(Stream::Stdout), self.stdout.as_ref().map(AsFd::as_fd)),
            (Source::Pipe(Stream::Stderr), self.stderr.as_ref().map(AsFd::as_fd)),
        ];
        let (sources, mut descriptors): (Vec<_>, Vec<_>) = sources
            .into_iter()
            .filter_map(|(source, descriptor)| {
                Some((source, PollFd::from_borrowed_fd(descriptor?, PollFlags::IN)))
            })
            .unzip();
        match poll(&mut descriptors, Timespec::try_from(wait).ok().as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = sources.into_iter().zip(&descriptors).filter(|(_, polled)| !polled.revents().is_empty());
        Ok(ready.map(|(source, _)| source).collect())
    }

    /// Reads once from each pipe that is ready, and closes those at their end.
    fn copy(&mut self, output: &mut StepOutput, ready: &[Source]) {
        if ready.contains(&Source::Pipe(Stream::Stdout)) {
            copy_once(&mut self.stdout, &mut self.buffer, output, Stream::Stdout);
        }
        if ready.contains(&Source::Pipe(Stream::Stderr)) {
            copy_once(&mut self.stderr, &mut self.buffer, output, Stream::Stderr);
        }
    }
}

fn copy_once(pipe: &mut Option<impl Read>, buffer: &mut [u8], output: &mut StepOutput, stream: Stream) {
    match pipe.as_mut().map(|open| open.read(buffer)) {
        Some(Ok(count)) if count > 0 => {
            output.stream(stream).append(buffer.get(..count).unwrap_or_default());
        }
        Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
        _ => *pipe = None,
    }
}
