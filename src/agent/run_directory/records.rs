//! What the daemon and a worker write for each other into a run's folder, as JSON.

use keelson_core::status::StepStatus;
use serde::{Deserialize, Serialize};

/// What to run: written by the daemon, durable before the worker is started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Uid of the Command, which names the folder too.
    pub command_uid: String,
    /// Name of the Invocation.
    pub invocation: String,
    /// Name of this node, `mi-` and 17 hex digits.
    pub node: String,
    /// Its namespace.
    pub namespace: String,
    /// Document name, as the user wrote it.
    pub document_name: String,
    /// Resolved version.
    pub document_version: String,
    /// The document's JSON text.
    pub document: String,
    /// Typed parameter values with defaults filled in, by name.
    pub parameters: serde_json::Map<String, serde_json::Value>,
    /// os-release's `NAME`.
    pub platform_name: String,
    /// os-release's `VERSION_ID`.
    pub platform_version: String,
    /// The most bytes kept of each output stream of a step.
    pub output_cap_bytes: u64,
    /// The first step that fails ends the document.
    #[serde(default)]
    pub fail_fast: bool,
    /// Shell scripts run with `set -euo pipefail`.
    #[serde(default)]
    pub strict_scripts: bool,
    /// The documents of the cluster that this one names.
    #[serde(default)]
    pub called_documents: Vec<CalledDocument>,
}

/// A document of the cluster that the ordered one names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CalledDocument {
    /// Its name, in lower case.
    pub name: String,
    /// The version as it is asked for: `$DEFAULT`, `$LATEST`, a number or a version's name.
    pub version: String,
    /// The number that it means.
    pub document_version: String,
    /// The document's JSON text.
    pub document: String,
}

/// Written by the worker once it holds the lock: this order has been begun, in this boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerMark {
    /// Process id of the worker.
    pub pid: i32,
    /// Boot id of the kernel it runs under.
    pub boot_id: String,
}

/// How far a run has come: rewritten by the worker when a step starts and when it ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The steps that have ended, in order.
    pub steps: Vec<StepRecord>,
    /// The step that runs now.
    #[serde(default)]
    pub current: Option<CurrentStep>,
    /// Nothing more will happen, in this boot at least.
    pub finished: bool,
    /// Status of the document; `InProgress` until it has finished.
    pub status: StepStatus,
    /// Why, where no step says it.
    #[serde(default)]
    pub message: String,
    /// Wall clock in milliseconds since the epoch, for display.
    pub started_unix_ms: i64,
    /// The same, for the end.
    pub ended_unix_ms: i64,
    /// Monotonic length in milliseconds.
    pub duration_ms: u64,
}

/// The step that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CurrentStep {
    /// Its index in the document.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its plugin.
    pub action: String,
    /// Wall clock in milliseconds since the epoch, for display.
    pub started_unix_ms: i64,
}

/// How one step ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepRecord {
    /// Its index in the document, which names its output folder.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its plugin, such as `aws:runShellScript`.
    pub action: String,
    /// How it ended.
    pub status: StepStatus,
    /// Exit code.
    pub code: i32,
    /// Merged output, cut to AWS's 2,500.
    pub output: String,
    /// Cut to AWS's 24,000 bytes.
    pub standard_output: String,
    /// Cut to AWS's 24,000 bytes.
    pub standard_error: String,
    /// Wall clock in milliseconds since the epoch, for display.
    pub started_unix_ms: i64,
    /// The same, for the end.
    pub ended_unix_ms: i64,
    /// The whole of stdout, where the step wrote any.
    #[serde(default)]
    pub stdout: Option<StreamRecord>,
    /// The whole of stderr.
    #[serde(default)]
    pub stderr: Option<StreamRecord>,
    /// The Associations that are to run on this node again; all of them where no name is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_associations: Option<Vec<String>>,
}

/// One whole output stream of a step, as kept on the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamRecord {
    /// Bytes kept.
    pub bytes: u64,
    /// SHA-256 of them, lower-case hex.
    pub sha256: String,
    /// The cap was reached: later bytes were dropped.
    pub capped: bool,
}
