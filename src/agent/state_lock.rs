//! One agent for each state folder.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::files::FileError;

/// `status` holds the lock for a moment while it asks, so one refusal is no answer.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// Why this process may not work on the state folder.
#[derive(Debug, thiserror::Error)]
pub enum StateLockError {
    /// It cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another agent uses it.
    #[error("another keelson-agent runs on {0:?}")]
    Held(String),
}

/// The right to work on a state folder, as long as it lives.
#[derive(Debug)]
pub struct StateLock(#[allow(dead_code, reason = "held for its lock")] File);

/// Takes the state folder for this process; makes it if there is none.
pub fn take(state: &Path) -> Result<StateLock, StateLockError> {
    let created = DirBuilder::new().recursive(true).mode(0o700).create(state);
    created.map_err(|error| FileError::new("create", state, error))?;
    let path = state.join("agent.lock");
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = opened.map_err(|error| FileError::new("open", &path, error))?;
    for _ in 0..ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return Ok(StateLock(file)),
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            Err(TryLockError::Error(error)) => return Err(FileError::new("lock", &path, error).into()),
        }
    }
    Err(StateLockError::Held(state.display().to_string()))
}

/// Whether an agent runs on the state folder. Asks with a shared lock, so that asking twice at once is no answer.
pub fn is_held(state: &Path) -> bool {
    let Ok(file) = File::open(state.join("agent.lock")) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_agent_at_a_time_works_on_a_state_folder() {
        let state = tempfile::tempdir().unwrap();
        assert!(!is_held(state.path()));
        let lock = take(state.path()).unwrap();
        assert!(is_held(state.path()));
        assert!(take(state.path()).unwrap_err().to_string().starts_with("another keelson-agent runs"));
        drop(lock);
        assert!(!is_held(state.path()));
    }
}
