//! Results as JSON. Fields are added, never renamed or taken away.

use keelson_api::{Command, CommandCounts, Invocation, InvocationStatus, RunStatus};
use kube::ResourceExt as _;
use serde::Serialize;

use super::{host, status, without_invocation};

/// A Command and its nodes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandResults {
    command: String,
    namespace: String,
    document_name: String,
    document_version: Option<String>,
    status: RunStatus,
    status_details: Option<String>,
    message: Option<String>,
    target_count: u32,
    /// Targets that nothing was made for: unreachable by name, or left out after too many errors or a cancel.
    without_invocation: u32,
    counts: Option<CommandCounts>,
    invocations: Vec<NodeResult>,
}

/// One node: its names, and all of its Invocation's status.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeResult {
    name: String,
    node: String,
    hostname: String,
    #[serde(flatten)]
    status: InvocationStatus,
}

impl CommandResults {
    /// Of this Command and its Invocations.
    pub fn new(command: &Command, invocations: &[Invocation]) -> Self {
        let now = command.status.clone().unwrap_or_default();
        let results = invocations.iter().map(|invocation| NodeResult {
            name: invocation.name_any(),
            node: invocation.spec.node_name.clone(),
            hostname: host(invocation).to_owned(),
            status: status(invocation),
        });
        Self {
            command: command.name_any(),
            namespace: command.namespace().unwrap_or_default(),
            document_name: command.spec.document_name.clone(),
            document_version: now.document_version,
            status: now.status.unwrap_or_default(),
            status_details: now.status_details,
            message: now.message,
            target_count: now.target_count.unwrap_or_default(),
            without_invocation: without_invocation(command, invocations.len()),
            counts: now.counts,
            invocations: results.collect(),
        }
    }

    /// As text, with a newline at its end.
    pub fn to_text(&self) -> String {
        // Every key is a string, so that there is no way to fail; an empty object is no JSON of ours.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}
