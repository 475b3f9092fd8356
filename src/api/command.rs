//! `Command`: one run of a document over many nodes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CalledDocument, Parameters, Target};

/// What runs where. Only `cancel` may change, from false to true.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, KubeSchema)]
#[kube(
    group = "keelson.dev",
    version = "v1alpha1",
    kind = "Command",
    namespaced,
    status = "CommandStatus",
    doc = "One run of a Document over the nodes that match when it starts. It ends in exactly one terminal status. One that cannot run, where AWS would refuse the SendCommand, ends at once as Failed and says why.",
    validation = Rule::new("size(self.metadata.name) <= 63").message("metadata.name must be at most 63 characters: it is a label of the Command's Invocations"),
    shortname = "cmd",
    category = "keelson",
    selectable = ".spec.documentName",
    selectable = ".status.status",
    printcolumn(name = "Document", type_ = "string", json_path = ".spec.documentName"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.status"),
    printcolumn(name = "Targets", type_ = "integer", json_path = ".status.targetCount"),
    printcolumn(name = "Completed", type_ = "integer", json_path = ".status.completedCount"),
    printcolumn(name = "Errors", type_ = "integer", json_path = ".status.errorCount"),
    printcolumn(name = "Details", type_ = "string", json_path = ".status.statusDetails", priority = 1),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.documentVersion", priority = 1),
    printcolumn(name = "Ended", type_ = "date", json_path = ".status.completionTime", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = Rule::new("self.documentName == oldSelf.documentName && self.documentVersion == oldSelf.documentVersion && self.maxConcurrency == oldSelf.maxConcurrency && self.maxErrors == oldSelf.maxErrors && self.timeoutSeconds == oldSelf.timeoutSeconds && self.offlineNodes == oldSelf.offlineNodes").message("a Command is immutable but for spec.cancel and spec.ttlSecondsAfterFinished: create another one"),
    validation = Rule::new("has(self.parameters) == has(oldSelf.parameters) && (!has(self.parameters) || self.parameters == oldSelf.parameters)").message("spec.parameters is immutable: create another Command"),
    validation = Rule::new("has(self.targets) == has(oldSelf.targets) && (!has(self.targets) || self.targets == oldSelf.targets)").message("spec.targets is immutable: create another Command"),
    validation = Rule::new("has(self.exclude) == has(oldSelf.exclude) && (!has(self.exclude) || self.exclude == oldSelf.exclude)").message("spec.exclude is immutable: create another Command"),
    validation = Rule::new("has(self.labelSelector) == has(oldSelf.labelSelector) && (!has(self.labelSelector) || self.labelSelector == oldSelf.labelSelector)").message("spec.labelSelector is immutable: create another Command"),
    validation = Rule::new("has(self.failFast) == has(oldSelf.failFast) && (!has(self.failFast) || self.failFast == oldSelf.failFast)").message("spec.failFast is immutable: create another Command"),
    validation = Rule::new("has(self.strictScripts) == has(oldSelf.strictScripts) && (!has(self.strictScripts) || self.strictScripts == oldSelf.strictScripts)").message("spec.strictScripts is immutable: create another Command"),
    validation = Rule::new("!oldSelf.cancel || self.cancel").message("spec.cancel cannot be taken back: create another Command"),
    validation = Rule::new("(has(self.targets) && size(self.targets) > 0) || has(self.labelSelector)").message("give spec.targets (for every node: key InstanceIds, values ['*']) or spec.labelSelector")
)]
#[serde(rename_all = "camelCase")]
pub struct CommandSpec {
    /// Name of a Document of this namespace, or of the library; case does not matter.
    #[schemars(length(min = 1, max = 253))]
    pub document_name: String,
    /// `$DEFAULT`, `$LATEST`, a number or a version's name. It is resolved once, when the Command starts.
    #[serde(default = "default_version")]
    #[schemars(
        length(max = 128),
        regex(pattern = r"^(\$DEFAULT|\$LATEST|[1-9][0-9]{0,8}|[a-zA-Z0-9_.-]*[a-zA-Z_.-][a-zA-Z0-9_.-]*)$")
    )]
    pub document_version: String,
    /// Whether the first step that fails ends a run on its node; without it, what the Document says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_fast: Option<bool>,
    /// Whether shell scripts run with `set -euo pipefail`; without it, what the Document says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict_scripts: Option<bool>,
    /// Values of the document's parameters, each a list of strings.
    #[serde(default, skip_serializing_if = "Parameters::is_empty")]
    #[schemars(extend("maxProperties" = 200), schema_with = "parameters")]
    pub parameters: Parameters,
    /// Which nodes: all entries must match. Resolved once, when the Command starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub targets: Vec<Target>,
    /// Which nodes, by labels of their ManagedNodes; both must match where `targets` is given too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<LabelSelector>,
    /// Nodes to leave out: any entry that matches is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub exclude: Vec<Target>,
    /// How many nodes run it at once: a number, or a percentage of the targets (rounded down, at least 1).
    #[serde(default = "max_concurrency")]
    #[schemars(regex(pattern = r"^([1-9][0-9]{0,6}|[1-9][0-9]%|[1-9]%|100%)$"))]
    pub max_concurrency: String,
    /// How many errors are tolerated, a number or a percentage: nothing more is sent after one error more.
    #[serde(default = "max_errors")]
    #[schemars(regex(pattern = r"^([1-9][0-9]{0,6}|0|[1-9][0-9]%|[0-9]%|100%)$"))]
    pub max_errors: String,
    /// How long a node may take to accept it, in seconds; after that it is `DeliveryTimedOut`.
    #[serde(default = "timeout_seconds")]
    #[schemars(range(min = 30, max = 2_592_000))]
    pub timeout_seconds: i64,
    /// What happens to matching nodes that are not online when the Command starts.
    #[serde(default)]
    pub offline_nodes: OfflineNodes,
    /// Set it to stop sending and to kill what is running.
    #[serde(default)]
    pub cancel: bool,
    /// What it is for, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub comment: Option<String>,
    /// The Command and its Invocations are deleted this long after it has ended.
    #[serde(default = "ttl_seconds")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub ttl_seconds_after_finished: i64,
}

pub(crate) fn default_version() -> String {
    "$DEFAULT".into()
}

pub(crate) fn max_concurrency() -> String {
    "50".into()
}

fn max_errors() -> String {
    "0".into()
}

fn timeout_seconds() -> i64 {
    600
}

fn ttl_seconds() -> i64 {
    86_400
}

pub(crate) fn parameters(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 200,
        "additionalProperties": {
            "type": "array", "maxItems": 1000, "items": { "type": "string", "maxLength": 65536 }
        }
    })
}

/// What happens to nodes that are not online.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum OfflineNodes {
    /// They get it when they come online within `timeoutSeconds`, without holding a slot meanwhile.
    #[default]
    Wait,
    /// They are no targets.
    Skip,
}

/// AWS's status of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum RunStatus {
    /// Not started.
    #[default]
    Pending,
    /// Running.
    InProgress,
    /// Ended well.
    Success,
    /// Ended by a cancel.
    Cancelled,
    /// Ended badly.
    Failed,
    /// A deadline passed.
    TimedOut,
    /// A cancel is under way.
    Cancelling,
}

impl RunStatus {
    /// Whether it never changes again.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Success | Self::Cancelled | Self::Failed | Self::TimedOut)
    }
}

impl Command {
    /// Whether its status never changes again.
    pub fn has_ended(&self) -> bool {
        self.status.as_ref().and_then(|status| status.status).is_some_and(RunStatus::is_terminal)
    }
}

/// What is known of a Command.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("!has(oldSelf.status) || !(oldSelf.status in ['Success', 'Failed', 'TimedOut', 'Cancelled']) || (has(self.status) && self.status == oldSelf.status)").message("a terminal status never changes")
)]
#[serde(rename_all = "camelCase")]
pub struct CommandStatus {
    /// The generation this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Complete` or `Failed` once it has ended, as a Job; `Ready` mirrors them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Where the run stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<RunStatus>,
    /// The same in detail, in AWS's words, such as `DeliveryTimedOut` or `Incomplete`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_details: Option<String>,
    /// Why, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The version that `documentVersion` meant at the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_version: Option<String>,
    /// SHA-256 of that version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_hash: Option<String>,
    /// The documents that its document runs or downloads, as frozen at the start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub called_documents: Vec<CalledDocument>,
    /// The ConfigMaps that hold the frozen targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_lists: Vec<String>,
    /// When the targets were frozen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// How many nodes it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_count: Option<u32>,
    /// How many of them have ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_count: Option<u32>,
    /// How many of those count as errors: failed, or timed out while running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_count: Option<u32>,
    /// Every target once, by where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<CommandCounts>,
}

/// Targets by where they stand; the sum is `targetCount`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommandCounts {
    /// Not sent yet, or sent and not accepted.
    pub pending: u32,
    /// Accepted by the node.
    pub in_progress: u32,
    /// Ended well.
    pub success: u32,
    /// Ended badly.
    pub failed: u32,
    /// Never accepted in time.
    pub delivery_timed_out: u32,
    /// Accepted and not ended in time.
    pub execution_timed_out: u32,
    /// Cancelled before or while running.
    pub cancelled: u32,
    /// Never sent because there were too many errors.
    pub terminated: u32,
    /// Could not be sent.
    pub undeliverable: u32,
}
