//! Updating the agent, by `keelson-agent update` or a document: gets a new program, puts it in the place of the
//! installed one, and has the previous one come back if it does not work.
//!
//! - `source`, `fetch`: where the new program comes from. `policy`: whether it is wanted.
//! - `installation`: the files. `service`: the daemon. `trial`: what happens between them.
//!
//! To get the program takes a runtime and may be given up at any time; the rest takes neither and goes to its end.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use semver::Version;

use crate::args::{FetchArguments, RecoverArguments, UpdateArguments};
use crate::files::FileError;

mod fetch;
mod installation;
mod policy;
mod service;
mod source;
mod trial;

use fetch::FetchError;
use installation::{Installation, Trial};
use policy::{Decision, Declined, decide};
use service::{Service, ServiceError, Systemd};
use trial::{RecoverError, TrialError};

pub use policy::Wanted;
pub use source::{Source, SourceError};

/// Why the agent is not updated.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// Somebody is at it.
    #[error("another update of this agent is under way")]
    UnderWay,
    /// The source is none.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// There is no new program.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The new program is not to be installed.
    #[error(transparent)]
    Declined(#[from] Declined),
    /// The machine did not do what was asked of it.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The new program does not work.
    #[error(transparent)]
    Trial(#[from] TrialError),
    /// An earlier update could not be brought to its end.
    #[error("an earlier update was cut short, and cannot be brought to its end: {0}")]
    Earlier(#[from] RecoverError),
    /// The files.
    #[error(transparent)]
    File(#[from] FileError),
}

/// What came of an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// This version is installed already.
    Current(Version),
    /// The agent was replaced, and works.
    Updated {
        /// The version before.
        from: Version,
        /// The version now.
        to: Version,
    },
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Current(version) => write!(formatter, "keelson-agent {version} is installed already"),
            Self::Updated { from, to } if from == to => {
                write!(formatter, "keelson-agent {to} is installed again and connected")
            }
            Self::Updated { from, to } => {
                write!(formatter, "keelson-agent {from} is updated to {to}, which is connected")
            }
        }
    }
}

/// An update under way; there is one at a time.
#[derive(Debug)]
pub struct Update {
    state: PathBuf,
    installation: Installation,
    service: Systemd,
    installed: Version,
    _lock: File,
}

impl Update {
    /// Begins an update of the agent with this state folder, once an earlier one that was cut short has ended.
    pub fn begin(state: &Path) -> Result<Self, UpdateError> {
        let (installation, service) = (Installation::of(&Systemd::program()?), Systemd::new(state));
        let lock = try_lock(state)?.ok_or(UpdateError::UnderWay)?;
        match trial::recover(&installation, &service) {
            // Either way that one has ended, and there is a program to update.
            Ok(_) | Err(RecoverError::Trial(TrialError::PutBack { .. })) => {}
            Err(error) => return Err(error.into()),
        }
        let installed = service.version_of(installation.program())?;
        installation.discard_staged()?;
        Ok(Self { state: state.to_owned(), installation, service, installed, _lock: lock })
    }

    /// The version that is installed.
    pub fn installed(&self) -> &Version {
        &self.installed
    }

    /// The installed program, which can fetch the new one.
    pub fn program(&self) -> &Path {
        self.installation.program()
    }

    /// Where the new program is to be put.
    pub fn staged(&self) -> PathBuf {
        self.installation.staged()
    }

    /// Installs the new program, if there is one and it is wanted. Takes minutes where it does not work.
    pub fn install(&self, wanted: &Wanted) -> Result<Outcome, UpdateError> {
        let (installation, service) = (&self.installation, &self.service);
        if !installation.staged().exists() {
            return Ok(Outcome::Current(self.installed.clone()));
        }
        // Asked of the program itself, whatever it was announced as: it has to run here.
        installation.seal_staged()?;
        let to = service.version_of(&installation.staged())?;
        if decide(&self.installed, &to, wanted)? == Decision::Current {
            return Ok(Outcome::Current(to));
        }
        let from = self.installed.clone();
        let trial = Trial { from: from.to_string(), to: to.to_string(), state: self.state.clone() };
        trial::run(installation, service, &trial)?;
        Ok(Outcome::Updated { from, to })
    }
}

impl Drop for Update {
    /// A program that was not installed, or not fetched whole, is not left behind; if it is, the next update removes it.
    fn drop(&mut self) {
        let _ = self.installation.discard_staged();
    }
}

/// The right to change what is installed, as long as the file is open; nothing while somebody else has it.
fn try_lock(state: &Path) -> Result<Option<File>, FileError> {
    let lock = lock_file(state)?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(FileError::new("lock", state, error)),
    }
}

fn lock_file(state: &Path) -> Result<File, FileError> {
    let created = DirBuilder::new().recursive(true).mode(0o700).create(state);
    created.map_err(|error| FileError::new("create", state, error))?;
    let path = state.join("update.lock");
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    opened.map_err(|error| FileError::new("open", &path, error))
}

/// `keelson-agent update`
pub fn update(state: &Path, arguments: &UpdateArguments) -> anyhow::Result<Outcome> {
    let state = std::path::absolute(state)?;
    let source = Source::parse(arguments.source.as_deref().unwrap_or_default())?;
    let wanted = Wanted { version: None, allow_downgrade: arguments.allow_downgrade, force: arguments.force };
    let update = Update::begin(&state)?;
    let staged = update.staged();
    let fetched = fetch::fetch(&state, &source, &staged, update.installed(), &wanted);
    crate::block_on(fetched)??;
    Ok(update.install(&wanted)?)
}

/// `keelson-agent fetch-agent`, the part of an update that a worker has a process of its own do. Prints what a
/// step's output is to say.
pub fn fetch_agent(state: &Path, arguments: &FetchArguments) -> anyhow::Result<()> {
    let source = Source::parse(arguments.source.as_deref().unwrap_or_default())?;
    let wanted = Wanted {
        version: arguments.target_version.clone(),
        allow_downgrade: arguments.allow_downgrade,
        force: false,
    };
    let fetched = fetch::fetch(state, &source, &arguments.to, &arguments.installed, &wanted);
    if let Some(version) = crate::block_on(fetched)?? {
        println!("the gateway has keelson-agent {version}");
    }
    Ok(())
}

/// `keelson-agent recover`: ends an update whose watcher died. Waits for a watcher that lives; at the daemon's start
/// it leaves the update to that one, who waits for the daemon.
pub fn recover(arguments: &RecoverArguments) -> anyhow::Result<()> {
    let installation = Installation::of(&arguments.program);
    let Some(trial) = installation.trial()? else { return Ok(()) };
    if arguments.at_start {
        let lock = try_lock(&trial.state)?;
        if lock.is_some() && trial::give_up(&installation)? {
            eprintln!("keelson-agent: an update was cut short: the previous version is back");
        }
        return Ok(());
    }
    let lock = lock_file(&trial.state)?;
    lock.lock()?;
    match trial::recover(&installation, &Systemd::new(&trial.state))? {
        Some(true) => eprintln!("keelson-agent: an update was cut short: {} works", trial.to),
        Some(false) => eprintln!("keelson-agent: an update was cut short: {} runs", trial.from),
        None => {}
    }
    Ok(())
}
