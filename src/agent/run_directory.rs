//! The folder of one run: everything the daemon and the worker process tell each other goes through files in
//! it, so that either may die and the other one still knows where it stands.
//!
//! | file | writer | says |
//! |---|---|---|
//! | `.keelson-order.json` | daemon | what to run |
//! | `.keelson-control` | daemon | FIFO; a byte `c` wakes the worker to cancel |
//! | `.keelson-cancel` | daemon | the run is cancelled, also for a worker that starts later |
//! | `.keelson-lock` | worker | held as long as the worker lives |
//! | `.keelson-worker.json` | worker | the run was begun, in which boot |
//! | `.keelson-progress.json` | worker | steps that ended, and the one that runs |
//! | `.keelson-output/<step>/{stdout,stderr}` | worker | whole output |
//! | `.keelson-called-<steps>.json` | worker | how far a document got that a step runs and that waits for a reboot |
//! | `.keelson-upload.json` | daemon | how much of the output the archive has |

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::files::{self, Durability, FileError};

mod records;

pub use records::{CalledDocument, CurrentStep, Order, Progress, StepRecord, StreamRecord, WorkerMark};

/// The byte that cancels a run when it is read from the control FIFO.
pub const CANCEL_BYTE: u8 = b'c';

/// What went wrong with a run's folder.
#[derive(Debug, thiserror::Error)]
pub enum RunDirectoryError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is there and is not what its writer writes.
    #[error("cannot understand {}: {source}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// One of the two output streams of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// Name of the file that holds it.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Proof that this process is the run's worker; ends with the value or the process.
#[derive(Debug)]
pub struct WorkerLock(#[allow(dead_code, reason = "held for its lock")] File);

/// The folder of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDirectory {
    path: PathBuf,
}

impl RunDirectory {
    /// The folder at `path`, whether or not it exists.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is; also the orchestration root of the document.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the folder, the FIFO and the order in it. Doing it again is harmless. It does not wait for the disk:
    /// the journal has the order.
    pub fn prepare(&self, order: &Order) -> Result<(), RunDirectoryError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
            .map_err(|error| FileError::new("create", &self.path, error))?;
        let control = self.control();
        match mknodat(CWD, &control, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(FileError::new("create", &control, error.into()).into()),
        }
        write_json(&self.order_file(), order, Durability::Atomic)
    }

    /// What to run, if it was ever written.
    pub fn order(&self) -> Result<Option<Order>, RunDirectoryError> {
        read_json(&self.order_file())
    }

    /// Takes the run for this process, before anything of it is started. Nothing is returned when another worker
    /// has it, or when one has begun it in this boot already: a run is begun once a boot. That it was begun has
    /// to survive a power cut, and does in the daemon's journal, so this does not wait for the disk.
    pub fn begin_work(&self, boot_id: &str) -> Result<Option<WorkerLock>, RunDirectoryError> {
        let Some(lock) = self.try_lock()? else { return Ok(None) };
        if self.worker()?.is_some_and(|mark| mark.boot_id == boot_id) {
            return Ok(None);
        }
        let mark = WorkerMark { pid: std::process::id().cast_signed(), boot_id: boot_id.to_owned() };
        write_json(&self.path.join(".keelson-worker.json"), &mark, Durability::Atomic)?;
        Ok(Some(lock))
    }

    /// Whether a worker lives.
    pub fn has_worker(&self) -> Result<bool, RunDirectoryError> {
        Ok(self.try_lock()?.is_none())
    }

    /// Who has begun the run, living or not.
    pub fn worker(&self) -> Result<Option<WorkerMark>, RunDirectoryError> {
        read_json(&self.path.join(".keelson-worker.json"))
    }

    /// How far the run has come; nothing before its first step.
    pub fn progress(&self) -> Result<Option<Progress>, RunDirectoryError> {
        read_json(&self.progress_file())
    }

    /// Replaces the progress. Durable is needed at the end of the run only: a lost start is found out by the
    /// worker's mark.
    pub fn write_progress(
        &self,
        progress: &Progress,
        durability: Durability,
    ) -> Result<(), RunDirectoryError> {
        write_json(&self.progress_file(), progress, durability)
    }

    /// Asks the worker to cancel, now or when it starts.
    pub fn cancel(&self) -> Result<(), RunDirectoryError> {
        files::replace(&self.cancel_file(), b"", Durability::Durable)?;
        let control = self.control();
        let opened =
            OpenOptions::new().write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(&control);
        match opened.and_then(|mut fifo| fifo.write_all(&[CANCEL_BYTE])) {
            // Nobody reads it (no worker yet, or none any more), or it is full of the same request.
            Err(error) if is_no_reader(&error) || error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            other => other.map_err(|error| FileError::new("write", &control, error).into()),
        }
    }

    /// Whether the run was asked to cancel.
    pub fn is_cancelled(&self) -> bool {
        self.cancel_file().exists()
    }

    /// The control FIFO for the worker. Opened for reading and writing, so that a read waits for the daemon
    /// instead of finding the end when there is none.
    pub fn open_control(&self) -> Result<File, RunDirectoryError> {
        let path = self.control();
        let opened = OpenOptions::new().read(true).write(true).open(&path);
        opened.map_err(|error| FileError::new("open", &path, error).into())
    }

    /// Where a stream of a step is kept whole.
    pub fn output(&self, step: u32, stream: Stream) -> PathBuf {
        self.path.join(".keelson-output").join(step.to_string()).join(stream.file_name())
    }

    /// Every stream that has a file, by step and stream.
    pub fn outputs(&self) -> Result<Vec<(u32, Stream)>, RunDirectoryError> {
        let folder = self.path.join(".keelson-output");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(FileError::new("list", &folder, error).into()),
        };
        let steps = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        let mut found: Vec<_> = steps
            .flat_map(|step| [(step, Stream::Stdout), (step, Stream::Stderr)])
            .filter(|&(step, stream)| self.output(step, stream).exists())
            .collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Where the daemon keeps how much of the output the archive has.
    pub fn upload_file(&self) -> PathBuf {
        self.path.join(".keelson-upload.json")
    }

    fn order_file(&self) -> PathBuf {
        self.path.join(".keelson-order.json")
    }

    fn progress_file(&self) -> PathBuf {
        self.path.join(".keelson-progress.json")
    }

    fn cancel_file(&self) -> PathBuf {
        self.path.join(".keelson-cancel")
    }

    fn control(&self) -> PathBuf {
        self.path.join(".keelson-control")
    }

    fn try_lock(&self) -> Result<Option<WorkerLock>, RunDirectoryError> {
        let path = self.path.join(".keelson-lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(|error| FileError::new("open", &path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(WorkerLock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(FileError::new("lock", &path, error).into()),
        }
    }
}

fn is_no_reader(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error())
}

fn write_json(path: &Path, value: &impl Serialize, durability: Durability) -> Result<(), RunDirectoryError> {
    let text = serde_json::to_vec(value)
        .map_err(|source| RunDirectoryError::Malformed { path: path.to_owned(), source })?;
    Ok(files::replace(path, &text, durability)?)
}

/// Reads JSON, or nothing where there is no file.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, RunDirectoryError> {
    let Some(text) = files::read(path)? else { return Ok(None) };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|source| RunDirectoryError::Malformed { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
