//! A child process with its output in a file, that can be killed and started again, and never outlives this one.

mod spawner;

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::time::{Instant, sleep};

use crate::usage;

/// How to start a process: what a [`Process`] needs to start it again.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    log: PathBuf,
}

impl Program {
    /// The executable at `path`, whose standard output and error are appended to the file `log`.
    pub fn new(path: impl Into<PathBuf>, log: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), arguments: Vec::new(), environment: Vec::new(), log: log.into() }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable beside those of this process.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The last lines of its log, for a message about a failure.
    pub fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().rev().take(15).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn spawn(&self) -> anyhow::Result<Child> {
        ensure!(self.path.is_file(), "failed to start {:?}: there is no such file", self.path);
        if let Some(folder) = self.log.parent() {
            fs::create_dir_all(folder)?;
        }
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("failed to open the log {:?}", self.log))?;
        let mut command = spawner::bound_to_this_process(&self.path);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        spawner::spawn(command).with_context(|| format!("failed to start {:?}", self.path))
    }
}

/// A running child process. Dropping it kills it and everything in its process group.
#[derive(Debug)]
pub struct Process {
    program: Program,
    child: Child,
}

impl Process {
    /// Starts `program`.
    pub fn start(program: Program) -> anyhow::Result<Self> {
        let child = program.spawn()?;
        Ok(Self { program, child })
    }

    /// Its process id, also once it has ended.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, or `None` while it runs.
    pub fn exit_status(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Fails with the end of its log when it has ended.
    pub fn ensure_running(&mut self) -> anyhow::Result<()> {
        let status = self.exit_status()?;
        ensure!(status.is_none(), "{:?} ended by itself: {}", self.program.path, self.log_tail());
        Ok(())
    }

    /// SIGKILL to the process alone, as a crash would end it: its children live on. Returns when it is gone.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, then SIGKILL when `grace` has passed. Returns how it ended.
    pub async fn terminate(&mut self, grace: Duration) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let deadline = Instant::now() + grace;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            sleep(Duration::from_millis(10)).await;
        }
        self.child.kill()?;
        Ok(self.child.wait()?)
    }

    /// Sends a signal; one to a process that has ended does nothing.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        if self.is_running() {
            kill_process(pid_of(&self.child)?, signal)?;
        }
        Ok(())
    }

    /// Kills it if it runs, and starts it again with the same arguments and log.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.kill()?;
        self.child = self.program.spawn()?;
        Ok(())
    }

    /// CPU time since its start, without children.
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        usage::cpu_time(self.pid())
    }

    /// Resident memory in bytes.
    pub fn rss(&self) -> anyhow::Result<u64> {
        usage::rss(self.pid())
    }

    /// Proportional memory in bytes.
    pub fn pss(&self) -> anyhow::Result<u64> {
        usage::pss(self.pid())
    }

    /// The file that holds its output, of all its starts.
    pub fn log_path(&self) -> &Path {
        &self.program.log
    }

    /// The last lines of its log, for a message about a failure.
    pub fn log_tail(&self) -> String {
        self.program.log_tail()
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        Ok(self.child.wait()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The group first: while the child is not reaped, its number cannot belong to anyone else.
        if let Ok(pid) = pid_of(&self.child) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.kill();
    }
}

fn pid_of(child: &Child) -> anyhow::Result<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a process id out of range")
}

#[cfg(test)]
mod tests;
