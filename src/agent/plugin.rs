//! What a step can do on this node: one module a plugin.
//!
//! A plugin is a function from interpolated inputs and a [`StepContext`] to how the step ended. It writes to the
//! [`StepOutput`] that it is given, and looks at [`StepContext::control`] while it waits for anything.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use keelson_core::status::StepStatus;
use keelson_document::{Document, Ended, Platform, Support, plugins};
use serde_json::{Map, Value};

use crate::run_directory::{Order, RunDirectory};
use crate::worker::{Control, StepOutput};

mod called_document;
mod download_content;
mod program;
mod properties;
mod refresh_association;
mod run_document;
mod run_power_shell_script;
mod run_shell_script;
mod script;
mod unsupported;
mod update_ssm_agent;

pub use download_content::fetch::{main as fetch, open as open_url};

/// Where downloaded content lies, below the orchestration root.
const DOWNLOADS: &str = "downloads";
/// Code of a step that the agent stopped: cancelled, or out of time.
const STOPPED: i32 = 137;

/// Where a step runs.
#[derive(Debug, Clone, Copy)]
pub struct StepContext<'a> {
    /// The run's folder.
    pub directory: &'a RunDirectory,
    /// What the daemon ordered.
    pub order: &'a Order,
    /// The document whose step it is: the order's, or one that a step of it runs.
    pub document: &'a Document,
    /// The values of that document's parameters.
    pub values: &'a Map<String, Value>,
    /// Tells of a cancel.
    pub control: &'a Control<'a>,
    /// The orchestration root of the document: the folders of its steps and its downloads are in it.
    pub root: &'a Path,
    /// The step's index in the document.
    pub index: u32,
    /// The step's name.
    pub name: &'a str,
    /// Which element of the step's inputs this is, where they are a list; otherwise 0.
    pub element: usize,
    /// How the document came to be run.
    pub place: Place<'a>,
}

/// Where a document stands among those that run each other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place<'a> {
    /// How many documents are around it: none around the order's.
    pub depth: usize,
    /// The steps that lead to it, as a part of a file's name; empty for the order's.
    pub steps: &'a str,
}

impl StepContext<'_> {
    /// The folder of the document's downloads, whether or not it exists.
    pub fn downloads(&self) -> PathBuf {
        self.root.join(DOWNLOADS)
    }
}

/// The document of a JSON text that somebody checked before: the gateway, or this worker before a reboot.
pub fn document_from_json(json: &str) -> Result<Document, String> {
    let value =
        serde_json::from_str(json).map_err(|error| format!("the document is not valid JSON: {error}"))?;
    keelson_document::from_value(value).map_err(|errors| errors.to_string())
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

/// Runs a step's plugin to its end. What it wrote, and why it failed, is in `output`. A plugin that panics fails
/// its step and nothing else.
pub fn run(action: &str, inputs: &Value, context: &StepContext<'_>, output: &mut StepOutput) -> Ended {
    let ran = catch_unwind(AssertUnwindSafe(|| properties::run(action, inputs, context, output)));
    ran.unwrap_or_else(|reason| crashed(reason.as_ref(), output))
}

/// Runs a plugin with one object of inputs.
fn run_once(action: &str, inputs: &Value, context: &StepContext<'_>, output: &mut StepOutput) -> Ended {
    match action {
        plugins::DOWNLOAD_CONTENT => download_content::run(inputs, context, output),
        plugins::RUN_SHELL_SCRIPT => run_shell_script::run(inputs, context, output),
        plugins::RUN_DOCUMENT => run_document::run(inputs, context, output),
        plugins::RUN_POWER_SHELL_SCRIPT => run_power_shell_script::run(inputs, context, output),
        plugins::REFRESH_ASSOCIATION => refresh_association::run(inputs, output),
        plugins::UPDATE_SSM_AGENT => update_ssm_agent::run(inputs, context, output),
        lacking => unsupported::run(lacking, output),
    }
}

/// A failure with the reason at the end of standard error.
fn failed(code: i32, reason: &str, output: &mut StepOutput) -> Ended {
    output.stderr.note(reason);
    Ended { status: StepStatus::Failed, code }
}

fn crashed(reason: &(dyn Any + Send), output: &mut StepOutput) -> Ended {
    let text = reason.downcast_ref::<&str>().copied();
    let message = text.or_else(|| reason.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown");
    output.error = Some(format!("Plugin crashed with message {message}!"));
    Ended { status: StepStatus::Failed, code: 1 }
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

    #[test]
    #[allow(clippy::panic, reason = "the panic is what is tested")]
    fn a_plugin_that_panics_fails_its_step_with_its_message() {
        let folder = tempfile::tempdir().unwrap();
        let mut output = StepOutput::open(&RunDirectory::new(folder.path()), 0, 100, None);
        let reason = catch_unwind(|| panic!("index {} out of range", 7)).unwrap_err();
        let ended = crashed(reason.as_ref(), &mut output);
        assert_eq!(ended, Ended { status: StepStatus::Failed, code: 1 });
        assert_eq!(output.error.as_deref(), Some("Plugin crashed with message index 7 out of range!"));
    }
}
