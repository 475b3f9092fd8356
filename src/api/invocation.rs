//! `Invocation`: one run on one node.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::RunStatus;

/// What runs on which node. Made by the Command controller; making it is the permission to send it.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, KubeSchema)]
#[kube(
    group = "keelson.dev",
    version = "v1alpha1",
    kind = "Invocation",
    namespaced,
    status = "InvocationStatus",
    doc = "One run of a Command on one node: status, exit code and output of each step.",
    shortname = "inv",
    category = "keelson",
    selectable = ".spec.commandName",
    selectable = ".spec.nodeName",
    selectable = ".status.status",
    printcolumn(name = "Host", type_ = "string", json_path = ".spec.hostname"),
    printcolumn(name = "Command", type_ = "string", json_path = ".spec.commandName"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.statusDetails"),
    printcolumn(name = "Exit", type_ = "integer", json_path = ".status.responseCode"),
    printcolumn(name = "Seconds", type_ = "string", json_path = ".status.durationSeconds"),
    printcolumn(name = "Node", type_ = "string", json_path = ".spec.nodeName", priority = 1),
    printcolumn(name = "Output", type_ = "string", json_path = ".status.outputKey", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = Rule::new("self.commandUid == oldSelf.commandUid && self.nodeUid == oldSelf.nodeUid && self.commandName == oldSelf.commandName && self.nodeName == oldSelf.nodeName && self.document == oldSelf.document && self.deliveryTimeoutSeconds == oldSelf.deliveryTimeoutSeconds && self.executionTimeoutSeconds == oldSelf.executionTimeoutSeconds && self.failFast == oldSelf.failFast && self.strictScripts == oldSelf.strictScripts").message("an Invocation is immutable but for spec.cancel"),
    validation = Rule::new("has(self.calledDocuments) == has(oldSelf.calledDocuments) && (!has(self.calledDocuments) || self.calledDocuments == oldSelf.calledDocuments)").message("spec.calledDocuments is immutable"),
    validation = Rule::new("!oldSelf.cancel || self.cancel").message("spec.cancel cannot be taken back")
)]
#[serde(rename_all = "camelCase")]
pub struct InvocationSpec {
    /// The Command.
    #[schemars(length(max = 253))]
    pub command_name: String,
    /// Its uid, which is the command id scripts see.
    #[schemars(length(max = 64))]
    pub command_uid: String,
    /// The ManagedNode.
    #[schemars(length(max = 253))]
    pub node_name: String,
    /// Its uid.
    #[schemars(length(max = 64))]
    pub node_uid: String,
    /// The node's host name when it was made, for people.
    #[schemars(length(max = 253))]
    pub hostname: String,
    /// The exact document version.
    pub document: DocumentReference,
    /// The documents that it runs or downloads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub called_documents: Vec<CalledDocument>,
    /// The first step that fails ends the run.
    #[serde(default)]
    pub fail_fast: bool,
    /// Shell scripts run with `set -euo pipefail`.
    #[serde(default)]
    pub strict_scripts: bool,
    /// How long after its creation the node may accept it; 0 means that it is already too late.
    #[schemars(range(min = 0, max = 2_592_000))]
    pub delivery_timeout_seconds: i64,
    /// How long the node may run it, all steps together.
    #[schemars(range(min = 0, max = 2_592_000_000_i64))]
    pub execution_timeout_seconds: i64,
    /// Kills the run.
    #[serde(default)]
    pub cancel: bool,
}

/// A version of a document, by the revision that holds it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DocumentReference {
    /// The document's name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Its version number.
    #[schemars(length(max = 10))]
    pub version: String,
    /// SHA-256 of its canonical JSON.
    #[schemars(length(max = 64))]
    pub hash: String,
    /// The `ControllerRevision` with its content.
    #[schemars(length(max = 253))]
    pub revision: String,
    /// The namespace of the revision: this one, or the library's.
    #[schemars(length(max = 63))]
    pub namespace: String,
}

/// A document that another one runs or downloads: how it is asked for, and what that meant at the start.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CalledDocument {
    /// Its name, in lower case.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The version as it is asked for: `$DEFAULT`, `$LATEST`, a number or a version's name.
    #[schemars(length(max = 128))]
    pub version: String,
    /// The exact version.
    pub document: DocumentReference,
}

/// What is known of an Invocation.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("!(oldSelf.status in ['Success', 'Failed', 'TimedOut', 'Cancelled']) || (self.status == oldSelf.status && self.statusDetails == oldSelf.statusDetails)").message("a terminal status never changes; what comes later belongs in lateResult")
)]
#[serde(rename_all = "camelCase")]
pub struct InvocationStatus {
    /// Where the run stands.
    pub status: RunStatus,
    /// The same in detail, in AWS's words.
    #[schemars(length(max = 64))]
    pub status_details: String,
    /// The exit code: of the first step that failed, else of the last that ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_code: Option<i32>,
    /// Why, where no step says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When the node began, by its own clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_start_time: Option<Time>,
    /// When it ended, by its own clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_end_time: Option<Time>,
    /// How long it ran, in seconds, such as `0.034`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<String>,
    /// The steps, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepResult>,
    /// Where in the archive the whole output is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_key: Option<String>,
    /// Some output is still on the node because the archive could not take it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub output_pending: bool,
    /// A result that came after the status had become terminal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_result: Option<LateResult>,
}

/// One step's result.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepResult {
    /// The step's name.
    pub name: String,
    /// Its plugin.
    pub action: String,
    /// How it ended.
    pub status: String,
    /// Its exit code.
    pub response_code: i32,
    /// The beginning of its stdout and stderr, at most 2,500 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// When it began, by the node's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it ended, by the node's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
    /// Bytes of stdout, all of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stdout_bytes: u64,
    /// SHA-256 of the whole stdout.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stdout_sha256: String,
    /// Bytes of stderr, all of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stderr_bytes: u64,
    /// SHA-256 of the whole stderr.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr_sha256: String,
    /// Where in the archive its whole output is; absent where it printed nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output_key: String,
}

/// A result that came too late to count.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LateResult {
    /// How it ended after all.
    pub status_details: String,
    /// Its exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_code: Option<i32>,
    /// When it came.
    pub received_time: Time,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the shape serde asks for
fn is_zero(value: &u64) -> bool {
    *value == 0
}
