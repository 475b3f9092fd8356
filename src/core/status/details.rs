//! The status of an Invocation or a Command, coarse (`Status`) and exact (`StatusDetails`).

use serde::{Deserialize, Serialize};

use super::StepStatus;

/// AWS's coarse status of an Invocation or a Command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum InvocationStatus {
    /// Not sent yet.
    Pending,
    /// Sent, or running.
    InProgress,
    /// Ended well.
    Success,
    /// Ended because a user or a limit stopped it.
    Cancelled,
    /// Ended badly.
    Failed,
    /// Ended because a time limit passed.
    TimedOut,
    /// A user asked to stop it and the node has not answered.
    Cancelling,
}

super::named!(InvocationStatus: Pending, InProgress, Success, Cancelled, Failed, TimedOut, Cancelling);

/// AWS's exact status. The last three belong to Commands only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StatusDetails {
    /// Not sent yet.
    Pending,
    /// Sent, or running.
    InProgress,
    /// Ended well.
    Success,
    /// The node was not reached in time; nothing ran.
    DeliveryTimedOut,
    /// It reached the node and did not end in time.
    ExecutionTimedOut,
    /// It ran and failed.
    Failed,
    /// A user cancelled it.
    Cancelled,
    /// The node does not exist or does not answer.
    Undeliverable,
    /// Not sent because the Command had passed its limit of errors.
    Terminated,
    /// The document is not for this node's platform.
    InvalidPlatform,
    /// The node may not run it.
    AccessDenied,
    /// Every node was tried, some without success, yet fewer failed than the limit allows.
    Incomplete,
    /// The account's limit of Commands was reached.
    RateExceeded,
    /// No node matches the targets.
    NoInstancesInTag,
}

super::named!(StatusDetails: Pending, InProgress, Success, DeliveryTimedOut, ExecutionTimedOut, Failed, Cancelled,
    Undeliverable, Terminated, InvalidPlatform, AccessDenied, Incomplete, RateExceeded, NoInstancesInTag);

impl StatusDetails {
    /// The coarse status that goes with it. As on AWS, a Command without nodes is a success.
    pub fn status(self) -> InvocationStatus {
        match self {
            Self::Pending => InvocationStatus::Pending,
            Self::InProgress => InvocationStatus::InProgress,
            Self::Success | Self::NoInstancesInTag => InvocationStatus::Success,
            Self::DeliveryTimedOut | Self::ExecutionTimedOut => InvocationStatus::TimedOut,
            Self::Cancelled | Self::Terminated => InvocationStatus::Cancelled,
            Self::Failed
            | Self::Undeliverable
            | Self::InvalidPlatform
            | Self::AccessDenied
            | Self::Incomplete
            | Self::RateExceeded => InvocationStatus::Failed,
        }
    }

    /// Whether it will never change any more.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Pending | Self::InProgress)
    }

    /// Whether it counts against `maxErrors`: only what ran on a node and did not end well in time.
    pub fn counts_as_error(self) -> bool {
        matches!(self, Self::Failed | Self::ExecutionTimedOut)
    }
}

impl From<StepStatus> for StatusDetails {
    /// The exact status of an Invocation whose document stands so. A document that waits for a reboot is in
    /// progress: its last step runs again.
    fn from(document: StepStatus) -> Self {
        match document {
            StepStatus::NotStarted => Self::Pending,
            StepStatus::InProgress | StepStatus::SuccessAndReboot | StepStatus::PassedAndReboot => {
                Self::InProgress
            }
            StepStatus::Success | StepStatus::Skipped => Self::Success,
            StepStatus::Failed => Self::Failed,
            StepStatus::Cancelled => Self::Cancelled,
            StepStatus::TimedOut => Self::ExecutionTimedOut,
        }
    }
}
