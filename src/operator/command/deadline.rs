//! When the controller ends an Invocation in its executor's stead. Pure: it sees ages, never a clock.

use std::time::Duration;

use keelson_api::RunStatus;
use keelson_core::status::StatusDetails;

use super::plan::NodeState;
use crate::index::InvocationRecord;

/// How long a node that is away is waited for once a cancel was asked for; the grace comes on top.
const CANCEL_PATIENCE: Duration = Duration::from_secs(60);

/// How long ago things happened to an Invocation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Elapsed {
    /// It was made so long ago.
    pub created: Duration,
    /// It was first seen to be accepted by the node so long ago; zero where it is not.
    pub accepted: Duration,
    /// A cancel was first seen to be asked for so long ago; zero where it is not.
    pub cancelled: Duration,
}

/// How an Invocation ends without a word from its executor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// In AWS's words.
    pub details: StatusDetails,
    /// Why, for people.
    pub message: String,
}

/// What follows from the ages of an unfinished Invocation.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It ends now.
    Ends(Ending),
    /// It is its executor's, and looked at again after so long at the latest.
    Goes(Duration),
}

/// Decides for an unfinished Invocation. `grace` is what an executor may take longer than a deadline says.
pub fn judge(record: &InvocationRecord, elapsed: Elapsed, node: NodeState, grace: Duration) -> Verdict {
    let checks =
        [gone(record, node), cancelled(record, elapsed, node, grace), overdue(record, elapsed, grace)];
    let mut next = Duration::MAX;
    for check in checks {
        match check {
            Verdict::Ends(ending) => return Verdict::Ends(ending),
            Verdict::Goes(wait) => next = next.min(wait),
        }
    }
    Verdict::Goes(next)
}

/// A node that is no more can accept nothing and tell nothing: its certificate is refused.
fn gone(record: &InvocationRecord, node: NodeState) -> Verdict {
    match node {
        NodeState::Online | NodeState::Offline(_) => Verdict::Goes(Duration::MAX),
        NodeState::Gone if is_accepted(record) => ends(
            StatusDetails::Failed,
            "the ManagedNode was deleted while it ran this; how it ended is not known".into(),
        ),
        NodeState::Gone => {
            ends(StatusDetails::Undeliverable, "the ManagedNode was deleted before it accepted this".into())
        }
    }
}

/// Nobody can tell a node that is away to stop.
fn cancelled(record: &InvocationRecord, elapsed: Elapsed, node: NodeState, grace: Duration) -> Verdict {
    if !record.cancel || !matches!(node, NodeState::Offline(_)) {
        return Verdict::Goes(Duration::MAX);
    }
    let message = if is_accepted(record) {
        "cancelled, but the node could not be reached to stop it: it may still be running, or may have ended"
    } else {
        "cancelled before the node was known to have accepted it; the node could not be reached and may have run it"
    };
    after(elapsed.cancelled, CANCEL_PATIENCE.saturating_add(grace), || Ending {
        details: StatusDetails::Cancelled,
        message: message.into(),
    })
}

fn overdue(record: &InvocationRecord, elapsed: Elapsed, grace: Duration) -> Verdict {
    let delivery = seconds(record.delivery_timeout_seconds);
    let execution = seconds(record.execution_timeout_seconds);
    if is_accepted(record) {
        // A process that has just started saw the acceptance just now. It cannot have come later than the delivery
        // timeout, which bounds how often a restart may begin the wait anew.
        let latest = elapsed.created.saturating_sub(delivery.saturating_add(grace));
        return after(elapsed.accepted.max(latest), execution.saturating_add(grace), || Ending {
            details: StatusDetails::ExecutionTimedOut,
            message: format!(
                "the node accepted it and told no result within its execution timeout of {} s",
                record.execution_timeout_seconds
            ),
        });
    }
    // With a timeout of zero no executor ever sends it: it was made to show that it never was.
    let grace = if delivery.is_zero() { Duration::ZERO } else { grace };
    after(elapsed.created, delivery.saturating_add(grace), || {
        never_delivered(record.delivery_timeout_seconds)
    })
}

/// The end of what a node did not accept in time.
pub fn never_delivered(timeout_seconds: i64) -> Ending {
    let message = if timeout_seconds == 0 {
        "the node was offline for the Command's whole timeout (spec.timeoutSeconds); it was never sent".into()
    } else {
        format!("the node did not accept it within {timeout_seconds} s (spec.timeoutSeconds of the Command)")
    };
    Ending { details: StatusDetails::DeliveryTimedOut, message }
}

fn is_accepted(record: &InvocationRecord) -> bool {
    matches!(record.status, Some(RunStatus::InProgress | RunStatus::Cancelling))
}

fn seconds(value: i64) -> Duration {
    Duration::from_secs(u64::try_from(value).unwrap_or(0))
}

fn ends(details: StatusDetails, message: String) -> Verdict {
    Verdict::Ends(Ending { details, message })
}

fn after(elapsed: Duration, deadline: Duration, ending: impl FnOnce() -> Ending) -> Verdict {
    match deadline.checked_sub(elapsed) {
        Some(left) if !left.is_zero() => Verdict::Goes(left),
        _ => Verdict::Ends(ending()),
    }
}
