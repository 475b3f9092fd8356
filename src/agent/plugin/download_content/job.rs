//! What all sources share while they fetch: where to, how long, and how to run a program for it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::files::FileError;
use crate::plugin::StepContext;
use crate::run_directory::RunDirectory;
use crate::worker::{End, StepOutput, run_process};

/// The most that is kept of what a program writes.
const OUTPUT_LIMIT: u64 = 64 * 1024;

/// Why a download did not come to its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// It failed, for this reason.
    Failed(String),
    /// The run was cancelled.
    Cancelled,
    /// It took longer than so many seconds.
    TimedOut(u64),
}

impl From<FileError> for Stop {
    fn from(error: FileError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What a program that ended has written.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub status: ExitStatus,
    /// The beginning of its standard output.
    pub stdout: String,
    /// The beginning of its standard error.
    pub stderr: String,
}

/// One download.
#[derive(Debug)]
pub struct Job<'a> {
    context: &'a StepContext<'a>,
    staging: &'a Path,
    timeout: Duration,
    deadline: Instant,
}

impl<'a> Job<'a> {
    /// A download into `staging` that begins now.
    pub fn new(context: &'a StepContext<'a>, staging: &'a Path, timeout: Duration) -> Self {
        Self { context, staging, timeout, deadline: Instant::now() + timeout }
    }

    /// The step it is for.
    pub fn context(&self) -> &StepContext<'a> {
        self.context
    }

    /// A path of this name in the staging folder.
    pub fn staged(&self, name: &str) -> PathBuf {
        self.staging.join(name)
    }

    /// Runs a program to its end in a process group of its own, which a cancel or the end of the step's time kills.
    /// `what` says what it is for, should it not start.
    pub fn run(&self, command: &mut Command, what: &str) -> Result<Ran, Stop> {
        // Files of its own: what the program says is not yet what the step says.
        let files = RunDirectory::new(self.staged("output"));
        let mut output = StepOutput::open(&files, 0, OUTPUT_LIMIT, None);
        let left = self.deadline.saturating_duration_since(Instant::now());
        let ended = run_process(command, &mut output, self.context.control, left);
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
        let ran = match ended {
            Ok(End::Exited(status)) => {
                Ok(Ran { status, stdout: text(output.stdout.head()), stderr: text(output.stderr.head()) })
            }
            Ok(End::Cancelled) => Err(Stop::Cancelled),
            Ok(End::TimedOut) => Err(Stop::TimedOut(self.timeout.as_secs())),
            Err(error) => Err(Stop::Failed(format!("cannot start {what}: {error}"))),
        };
        // The next program begins with empty files.
        let _ = std::fs::remove_dir_all(files.path());
        ran
    }
}
