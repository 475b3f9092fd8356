//! What a step can do on this node: one module a plugin.

use keelson_core::status::StepStatus;
use keelson_document::{Document, Ended, Platform, Support, plugins};
use serde_json::Value;

use crate::run_directory::{Order, RunDirectory};
use crate::worker::{Control, StepOutput};

mod run_shell_script;

/// Where a step runs.
#[derive(Debug, Clone, Copy)]
pub struct StepContext<'a> {
    /// The run's folder.
    pub directory: &'a RunDirectory,
    /// What the daemon ordered.
    pub order: &'a Order,
    /// The document of the order.
    pub document: &'a Document,
    /// Tells of a cancel.
    pub control: &'a Control<'a>,
    /// The step's index in the document.
    pub index: u32,
    /// The step's name.
    pub name: &'a str,
}

/// What a step with this plugin is decided by: whether AWS's agent has it on Linux, so that a document for several
/// platforms skips the same steps here as there. One that this agent lacks fails when it runs; to skip it would
/// leave a gap that nobody sees.
pub fn support(action: &str) -> Support {
    if !plugins::is_known(action) {
        Support::Unknown
    } else if plugins::platforms(action).contains(&Platform::Linux) {
        Support::Handled
    } else {
        Support::NoHandler
    }
}

/// Runs a step's plugin to its end. What it wrote, and why it failed, is in `output`.
pub fn run(action: &str, inputs: &Value, context: &StepContext<'_>, output: &mut StepOutput) -> Ended {
    match action {
        plugins::RUN_SHELL_SCRIPT => run_shell_script::run(inputs, context, output),
        lacking => {
            let reason = format!(
                "plugin {lacking} is not supported by this version of keelson-agent: update it, or run its steps by aws:runShellScript"
            );
            failed(1, &reason, output)
        }
    }
}

/// A failure with the reason at the end of standard error.
fn failed(code: i32, reason: &str, output: &mut StepOutput) -> Ended {
    output.stderr.note(reason);
    Ended { status: StepStatus::Failed, code }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_decided_by_where_aws_has_their_plugin() {
        assert_eq!(support("aws:runShellScript"), Support::Handled);
        assert_eq!(support("aws:downloadContent"), Support::Handled);
        assert_eq!(support("aws:psModule"), Support::NoHandler);
        assert_eq!(support("Port"), Support::NoHandler);
        assert_eq!(support("aws:noSuchPlugin"), Support::Unknown);
    }
}
