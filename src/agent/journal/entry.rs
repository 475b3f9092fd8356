//! One run in the journal.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It will run, or runs.
    Accepted,
    /// It has ended and the control plane has not said that it knows.
    Finished,
    /// The control plane knows. Empty once the run's folder is gone.
    Acknowledged(Option<Retired>),
    /// It was accepted, waited for too long and never ran; with the reason. The control plane has not said that it
    /// knows.
    Refused(String),
    /// The same, and the control plane knows.
    RefusalAcknowledged(String),
}

/// What an acknowledged run has left on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// Since when, as [`Journal::lived`](super::Journal::lived) counts.
    pub at: Duration,
    /// Size of the run's folder.
    pub folder_bytes: u64,
    /// The archive has not got all of its output.
    pub output_pending: bool,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Name of the Invocation.
    pub invocation: String,
    /// How far it has come.
    pub state: State,
    /// When it was accepted, as [`Journal::lived`](super::Journal::lived) counts.
    pub accepted_at: Duration,
    /// The same by the wall clock, to start what waits in the order it came.
    pub accepted_unix_ms: i64,
    /// The boot it was accepted in.
    pub boot_id: String,
    /// The time since that boot after which it may not be started.
    pub start_before: Duration,
    /// The last boot in which it was, or was about to be, begun. Written durably before a worker is started, so
    /// that after a power cut nothing is begun that may have been begun before.
    pub begun_in: Option<String>,
    /// How long it had when it came.
    pub expires_in_ms: u64,
}

impl Entry {
    /// Whether it may still be started: in the boot it was accepted in, by that boot's own clock. After a reboot
    /// only the wall clock tells how long the machine was down; one that went back tells nothing, so it is
    /// too late then.
    pub fn may_start(&self, boot_id: &str, since_boot: Duration, unix_ms: i64) -> bool {
        if self.boot_id == boot_id {
            return since_boot < self.start_before;
        }
        u64::try_from(unix_ms.saturating_sub(self.accepted_unix_ms))
            .is_ok_and(|waited| waited < self.expires_in_ms)
    }
}
