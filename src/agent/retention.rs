//! Removes the folders of runs that the control plane knows about: after a day, or sooner when they take too
//! much room. A run that was not acknowledged keeps its folder, whatever it takes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::journal::{Journal, JournalError, Retired, State};
use crate::runs::{Runs, remove_folder};

/// Ages are looked at this often.
const INTERVAL: Duration = Duration::from_secs(3600);

/// What stays.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a folder stays.
    pub age: Duration,
    /// How many bytes all folders together may take.
    pub bytes: u64,
}

/// Keeps to the limits, for ever.
pub async fn keep_tidy(runs: Arc<Runs>, limits: Limits) {
    let mut next = Instant::now();
    let mut retired_bytes = 0;
    loop {
        match tidy(&runs, limits).await {
            Ok(bytes) => retired_bytes = bytes,
            Err(error) => tracing::error!(%error, "cannot look for folders to remove"),
        }
        next = (next + INTERVAL).max(Instant::now());
        tracing::debug!(bytes = retired_bytes, "folders of reported runs");
        wait(&runs, limits.bytes.saturating_sub(retired_bytes), next).await;
    }
}

/// Waits until it is time, or until runs that were reported since may have used up the room.
async fn wait(runs: &Runs, room: u64, next: Instant) {
    let mut used = 0_u64;
    loop {
        tokio::select! {
            () = sleep_until(next) => return,
            bytes = runs.retired() => used = used.saturating_add(bytes),
        }
        if used > room {
            return;
        }
    }
}

async fn tidy(runs: &Arc<Runs>, limits: Limits) -> Result<u64, JournalError> {
    let (gone, left) = runs.with_journal(|journal| choose(journal, limits))?;
    for uid in gone {
        let path: PathBuf = runs.setting().directory(&uid).path().to_owned();
        // Apart from the daemon's thread: a script may have left any number of files.
        let removed = tokio::task::spawn_blocking(move || remove_folder(&path)).await.unwrap_or(false);
        if removed {
            runs.with_journal(|journal| journal.remove_folder(&uid))?;
        }
    }
    runs.with_journal(Journal::forget)?;
    Ok(left)
}

/// Which folders go, and how many bytes stay.
fn choose(journal: &Journal, limits: Limits) -> Result<(Vec<String>, u64), JournalError> {
    let lived = journal.lived();
    let retired = journal.entries()?.into_iter().filter_map(|(uid, entry)| match entry.state {
        State::Acknowledged(Some(retired)) => Some((uid, retired)),
        _ => None,
    });
    Ok(exceeding(retired.collect(), limits, lived))
}

/// The oldest go first. Output that is still pending is a reason to stay past the age, not past the room.
fn exceeding(mut folders: Vec<(String, Retired)>, limits: Limits, lived: Duration) -> (Vec<String>, u64) {
    folders.sort_by_key(|(_, retired)| retired.at);
    let mut total: u64 = folders.iter().map(|(_, retired)| retired.folder_bytes).sum();
    let mut gone = Vec::new();
    for (uid, retired) in folders {
        let old = lived.saturating_sub(retired.at) >= limits.age && !retired.output_pending;
        if old || total > limits.bytes {
            total = total.saturating_sub(retired.folder_bytes);
            gone.push(uid);
        }
    }
    (gone, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retired(uid: &str, at: u64, folder_bytes: u64, output_pending: bool) -> (String, Retired) {
        (uid.to_owned(), Retired { at: Duration::from_secs(at), folder_bytes, output_pending })
    }

    fn gone(folders: Vec<(String, Retired)>, bytes: u64) -> Vec<String> {
        let limits = Limits { age: Duration::from_secs(100), bytes };
        exceeding(folders, limits, Duration::from_secs(1_000)).0
    }

    #[test]
    fn folders_go_when_they_are_old_enough() {
        assert_eq!(gone(vec![retired("new", 901, 1, false), retired("old", 900, 1, false)], 10), ["old"]);
    }

    #[test]
    fn the_oldest_go_first_when_there_is_no_room() {
        let folders =
            vec![retired("b", 950, 4, false), retired("a", 940, 4, false), retired("c", 960, 4, false)];
        assert_eq!(gone(folders, 8), ["a"]);
    }

    #[test]
    fn pending_output_keeps_a_folder_past_its_age_but_not_past_the_room() {
        assert!(gone(vec![retired("a", 1, 4, true)], 4).is_empty());
        assert_eq!(gone(vec![retired("a", 1, 4, true)], 3), ["a"]);
    }
}
