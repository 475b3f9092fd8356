//! How many nodes of a Command stand where, and what the whole Command comes to.

use serde::{Deserialize, Serialize};

use super::StatusDetails;

/// The nodes of a Command by status. Every target is in exactly one of the counts, so they always add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// Nodes that the Command is for.
    pub targets: u32,
    /// Not sent yet.
    pub pending: u32,
    /// Sent, or running.
    pub in_progress: u32,
    /// Ended well.
    pub success: u32,
    /// Ran and failed.
    pub failed: u32,
    /// Reached the node and did not end in time.
    pub execution_timed_out: u32,
    /// Did not reach the node in time.
    pub delivery_timed_out: u32,
    /// Stopped by a user.
    pub cancelled: u32,
    /// Not sent because of the limit of errors.
    pub terminated: u32,
    /// The node does not exist or does not answer.
    pub undeliverable: u32,
    /// Not for the node's platform.
    pub invalid_platform: u32,
    /// Not allowed on the node.
    pub access_denied: u32,
}

impl Counts {
    /// Counts `targets` nodes of which `known` have a status and the others are pending.
    ///
    /// A status that only a Command can have is no node's, so it leaves its node pending. Should more statuses
    /// come than there are targets, the surplus is left out.
    pub fn tally(targets: u32, known: impl IntoIterator<Item = StatusDetails>) -> Self {
        let mut counts = Self { targets, pending: targets, ..Self::default() };
        for details in known {
            counts.transition(StatusDetails::Pending, details);
        }
        counts
    }

    /// Moves one node from a status to another. Says `false`, and changes nothing, where no node has the first
    /// or a node cannot have one of the two.
    pub fn transition(&mut self, from: StatusDetails, to: StatusDetails) -> bool {
        if self.slot(to).is_none() {
            return false;
        }
        match self.slot(from) {
            Some(count) if *count > 0 => *count -= 1,
            _ => return false,
        }
        if let Some(count) = self.slot(to) {
            *count += 1;
        }
        true
    }

    /// The sum of all counts; equal to `targets`, whatever happens.
    pub fn total_accounted(&self) -> u32 {
        self.pending.saturating_add(self.in_progress).saturating_add(self.completed())
    }

    /// Nodes whose status will not change any more.
    pub fn completed(&self) -> u32 {
        [
            self.success,
            self.failed,
            self.execution_timed_out,
            self.delivery_timed_out,
            self.cancelled,
            self.terminated,
            self.undeliverable,
            self.invalid_platform,
            self.access_denied,
        ]
        .into_iter()
        .fold(0, u32::saturating_add)
    }

    /// Nodes that count against `maxErrors`.
    pub fn errors(&self) -> u32 {
        self.failed.saturating_add(self.execution_timed_out)
    }

    /// Whether every node has ended.
    pub fn is_finished(&self) -> bool {
        self.completed() >= self.targets
    }

    fn slot(&mut self, details: StatusDetails) -> Option<&mut u32> {
        match details {
            StatusDetails::Pending => Some(&mut self.pending),
            StatusDetails::InProgress => Some(&mut self.in_progress),
            StatusDetails::Success => Some(&mut self.success),
            StatusDetails::DeliveryTimedOut => Some(&mut self.delivery_timed_out),
            StatusDetails::ExecutionTimedOut => Some(&mut self.execution_timed_out),
            StatusDetails::Failed => Some(&mut self.failed),
            StatusDetails::Cancelled => Some(&mut self.cancelled),
            StatusDetails::Undeliverable => Some(&mut self.undeliverable),
            StatusDetails::Terminated => Some(&mut self.terminated),
            StatusDetails::InvalidPlatform => Some(&mut self.invalid_platform),
            StatusDetails::AccessDenied => Some(&mut self.access_denied),
            StatusDetails::Incomplete | StatusDetails::RateExceeded | StatusDetails::NoInstancesInTag => None,
        }
    }
}

/// What a finished Command comes to. `max_errors` is the resolved number, `cancelled` whether a user asked to
/// stop it.
///
/// A cancel that came when every node had already ended changes nothing. A Command that has not finished is
/// `Pending` or `InProgress`.
pub fn command_outcome(counts: &Counts, max_errors: u32, cancelled: bool) -> StatusDetails {
    if counts.targets == 0 {
        return StatusDetails::NoInstancesInTag;
    }
    if !counts.is_finished() {
        let untouched = counts.pending == counts.targets;
        return if untouched { StatusDetails::Pending } else { StatusDetails::InProgress };
    }
    if cancelled && counts.cancelled > 0 {
        StatusDetails::Cancelled
    } else if counts.errors() > max_errors || counts.undeliverable == counts.targets {
        StatusDetails::Failed
    } else if counts.success == counts.targets {
        StatusDetails::Success
    } else if counts.delivery_timed_out == counts.targets {
        StatusDetails::DeliveryTimedOut
    } else {
        StatusDetails::Incomplete
    }
}
