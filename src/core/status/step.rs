//! How the steps of a document end, and what the document makes of them.

use serde::{Deserialize, Serialize};

/// What became of one step of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StepStatus {
    /// Its turn has not come.
    NotStarted,
    /// It runs.
    InProgress,
    /// It ran and exited 0.
    Success,
    /// It asks for a reboot, after which it runs again.
    SuccessAndReboot,
    /// Passed, with a reboot to follow; kept because AWS's merge order names it.
    PassedAndReboot,
    /// A precondition or an earlier step's exit kept it from running.
    Skipped,
    /// It ran and failed, or could not be run.
    Failed,
    /// A user cancelled it.
    Cancelled,
    /// It ran longer than it may.
    TimedOut,
}

super::named!(StepStatus: NotStarted, InProgress, Success, SuccessAndReboot, PassedAndReboot, Skipped, Failed,
    Cancelled, TimedOut);

impl StepStatus {
    /// The status of a step that consists of two parts: the worse of both, in AWS's order.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    /// Whether the step will not change any more. A step that asked for a reboot runs again, so it will.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Success | Self::Skipped | Self::Failed | Self::Cancelled | Self::TimedOut)
    }

    fn rank(self) -> u8 {
        match self {
            Self::Skipped => 0,
            Self::Success => 1,
            Self::SuccessAndReboot => 2,
            Self::PassedAndReboot => 3,
            Self::NotStarted => 4,
            Self::InProgress => 5,
            Self::Failed => 6,
            Self::Cancelled => 7,
            Self::TimedOut => 8,
        }
    }
}

/// The status of a document whose steps stand so: a wish to reboot wins over a failure, a failure over a
/// timeout, a timeout over a cancel; without them it succeeded if each step did or was skipped.
///
/// A document without steps has succeeded.
pub fn document_status(steps: impl Iterator<Item = StepStatus>) -> StepStatus {
    let mut unfinished = false;
    let mut worst = StepStatus::Success;
    for step in steps {
        unfinished |= !matches!(step, StepStatus::Success | StepStatus::Skipped);
        if precedence(step) > precedence(worst) {
            worst = step;
        }
    }
    if unfinished && worst == StepStatus::Success { StepStatus::InProgress } else { worst }
}

/// The statuses that decide a document alone, the strongest with the highest number.
fn precedence(step: StepStatus) -> u8 {
    match step {
        StepStatus::SuccessAndReboot => 4,
        StepStatus::Failed => 3,
        StepStatus::TimedOut => 2,
        StepStatus::Cancelled => 1,
        _ => 0,
    }
}
