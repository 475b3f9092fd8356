//! The trial of a new program: it stays if its daemon connects to a gateway and stays connected, else the previous
//! one comes back.
//!
//! Whoever watches a trial may die. Then `recover` takes over, which waits for that as a service of its own. When both
//! are gone, as after a reboot, `recover --at-start` puts the previous program back before the daemon starts.

use std::time::Duration;

use super::installation::{Installation, Trial};
use super::service::Service;
use crate::files::FileError;

/// How often the daemon is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// A daemon that is to be replaced is connected within this: gateways may have just been replaced themselves.
const BEFORE_LIMIT: Duration = Duration::from_secs(60);
/// A new daemon is connected within this.
const CONNECT_LIMIT: Duration = Duration::from_secs(120);
/// And stays so for this long.
const STEADY: Duration = Duration::from_secs(3);
/// A new daemon that does not run at all for this long will not.
const DOWN_LIMIT: Duration = Duration::from_secs(20);
/// The previous daemon is connected again within this.
const BACK_LIMIT: Duration = Duration::from_secs(60);

/// Why a program was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// Nothing was changed.
    #[error("the agent was not updated: {0}")]
    NotBegun(String),
    /// The new program did not work, and the previous one does.
    #[error("{to} does not work here ({reason}): the previous version runs again, {from}")]
    PutBack {
        /// The version that failed.
        to: String,
        /// The version that runs.
        from: String,
        /// What was wrong.
        reason: String,
    },
    /// The new program did not work, and it is not known whether the previous one does.
    #[error(
        "{to} does not work here ({reason}), and the previous version, {from}, is not connected: {trouble}"
    )]
    Lost {
        /// The version that failed.
        to: String,
        /// The version before.
        from: String,
        /// What was wrong with the new one.
        reason: String,
        /// What is wrong now.
        trouble: String,
    },
}

/// Replaces the installed program by the staged one and sees whether that works.
///
/// # Errors
/// When it does not; the previous program is installed then.
pub fn run(installation: &Installation, service: &impl Service, trial: &Trial) -> Result<(), TrialError> {
    let Some(before) = connected(service, BEFORE_LIMIT, &|_, _| true) else {
        let reason = "its daemon is not connected to a gateway, so a new one could not show that it works: \
                      see `keelson-agent status`, and mend that first";
        return Err(TrialError::NotBegun(reason.to_owned()));
    };
    begin(installation, service, trial)?;
    match watch(service, trial, before) {
        Ok(()) => {
            // It works. If the record stays, the service that waits for this process tries again.
            let _ = installation.end();
            Ok(())
        }
        Err(reason) => Err(put_back(installation, service, trial, reason)),
    }
}

fn begin(installation: &Installation, service: &impl Service, trial: &Trial) -> Result<(), TrialError> {
    installation.begin(trial).map_err(|error| TrialError::NotBegun(error.to_string()))?;
    let swapped = || -> Result<(), String> {
        service.guard(&installation.previous(), installation.program()).map_err(|error| error.to_string())?;
        installation.swap().map_err(|error| error.to_string())
    };
    swapped().map_err(|reason| {
        // The daemon has not been started anew: it is as if nothing had been.
        let undone = installation.put_back().and_then(|()| installation.end());
        TrialError::NotBegun(match undone {
            Ok(()) => reason,
            Err(error) => format!("{reason}; {error}"),
        })
    })
}

/// Starts the installed program and waits until it works. `before` is the process that must be gone.
fn watch(service: &impl Service, trial: &Trial, before: u32) -> Result<(), String> {
    service.restart().map_err(|error| error.to_string())?;
    match connected(service, CONNECT_LIMIT, &|pid, version| pid != before && version == trial.to) {
        Some(_) => Ok(()),
        None if service.daemon().is_none() => Err("its daemon does not stay up".to_owned()),
        None => Err(format!("its daemon was not connected within {} s", CONNECT_LIMIT.as_secs())),
    }
}

/// The process of a daemon that is connected, and stays so for a moment; nothing if there is none in time.
fn connected(service: &impl Service, limit: Duration, is_meant: &dyn Fn(u32, &str) -> bool) -> Option<u32> {
    let (mut waited, mut down, mut steady) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut process = 0;
    while waited < limit && down < DOWN_LIMIT {
        let daemon = service.daemon();
        down = if daemon.is_none() { down + LOOK } else { Duration::ZERO };
        let meant = daemon.filter(|daemon| daemon.connected && is_meant(daemon.pid, &daemon.version));
        match meant {
            Some(daemon) if daemon.pid == process => steady += LOOK,
            other => {
                process = other.map_or(0, |daemon| daemon.pid);
                steady = Duration::ZERO;
            }
        }
        if process != 0 && steady >= STEADY {
            return Some(process);
        }
        service.pause(LOOK);
        waited += LOOK;
    }
    None
}

/// Installs the previous program again. The record goes last: until then others would finish this.
fn put_back(
    installation: &Installation,
    service: &impl Service,
    trial: &Trial,
    reason: String,
) -> TrialError {
    let failed = service.daemon().map_or(0, |daemon| daemon.pid);
    let restored = || -> Result<(), String> {
        installation.put_back().map_err(|error| error.to_string())?;
        service.restart().map_err(|error| error.to_string())?;
        installation.end().map_err(|error| error.to_string())
    };
    let (to, from) = (trial.to.clone(), trial.from.clone());
    let trouble = match restored() {
        Ok(())
            if connected(service, BACK_LIMIT, &|pid, version| pid != failed && version == from).is_some() =>
        {
            return TrialError::PutBack { to, from, reason };
        }
        Ok(()) => "it was started again, and keeps trying".to_owned(),
        Err(error) => error,
    };
    TrialError::Lost { to, from, reason, trouble }
}

/// Why a trial that nobody watched could not be ended.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The files.
    #[error(transparent)]
    File(#[from] FileError),
    /// The new program does not work.
    #[error(transparent)]
    Trial(#[from] TrialError),
}

/// Ends a trial whose watcher has died: waits once more whether the new program works. True if it stays.
pub fn recover(installation: &Installation, service: &impl Service) -> Result<Option<bool>, RecoverError> {
    let Some(trial) = installation.trial()? else { return Ok(None) };
    let installed = service.version_of(installation.program());
    if installed.is_ok_and(|version| version.to_string() == trial.from) {
        // The watcher died before it had replaced the program, or after it had put the previous one back.
        if connected(service, BACK_LIMIT, &|_, version| version == trial.from).is_none() {
            return Err(put_back(installation, service, &trial, "its trial was cut short".to_owned()).into());
        }
        installation.end()?;
        return Ok(Some(false));
    }
    if connected(service, CONNECT_LIMIT, &|_, version| version == trial.to).is_some() {
        installation.end()?;
        return Ok(Some(true));
    }
    let reason = "its trial was cut short, and its daemon does not connect".to_owned();
    Err(put_back(installation, service, &trial, reason).into())
}

/// Ends a trial that nobody watches with the previous program, before the daemon starts. False if there is none.
pub fn give_up(installation: &Installation) -> Result<bool, FileError> {
    if installation.trial()?.is_none() {
        return Ok(false);
    }
    installation.put_back()?;
    installation.end()?;
    Ok(true)
}

#[cfg(test)]
mod tests;
