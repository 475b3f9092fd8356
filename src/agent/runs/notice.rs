//! What the control plane is to be told about runs, and the messages that say it.

use keelson_protocol::v1::agent_message::Message;
use keelson_protocol::v1::{Accepted, AgentMessage, Refused, RunResult};

pub use keelson_protocol::v1::RefusalReason;

/// Something to say. Small, so that many may wait; a result is read from the journal when its turn comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The dispatch is in the journal.
    Accepted {
        /// Uid of the Command.
        command_uid: String,
        /// Name of the Invocation.
        invocation: String,
    },
    /// The dispatch will never run.
    Refused {
        /// Uid of the Command.
        command_uid: String,
        /// Name of the Invocation.
        invocation: String,
        /// What kind of reason.
        reason: RefusalReason,
        /// Why, for people.
        message: String,
    },
    /// The run has ended.
    Finished {
        /// Uid of the Command.
        command_uid: String,
        /// The archive has not got all output.
        output_pending: bool,
    },
}

/// The message that says `notice`; `result` gives a run's result. Nothing if there is no result to tell.
pub fn message(notice: Notice, result: impl FnOnce(&str) -> Option<RunResult>) -> Option<AgentMessage> {
    let message = match notice {
        Notice::Accepted { command_uid, invocation } => {
            Message::Accepted(Accepted { command_uid, invocation })
        }
        Notice::Refused { command_uid, invocation, reason, message } => {
            Message::Refused(Refused { command_uid, invocation, reason: reason.into(), message })
        }
        Notice::Finished { command_uid, output_pending } => {
            Message::Result(RunResult { output_pending, ..result(&command_uid)? })
        }
    };
    Some(AgentMessage { message: Some(message) })
}
