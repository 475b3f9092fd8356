//! `Association`: desired state on a schedule.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CommandCounts, Parameters, RunStatus, Target};

/// Which document is applied to which nodes, and when.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, KubeSchema)]
#[kube(
    group = "keelson.dev",
    version = "v1alpha1",
    kind = "Association",
    namespaced,
    status = "AssociationStatus",
    doc = "Keeps a Document applied to the nodes that match: at once, on a schedule, and for each node that newly matches.",
    shortname = "assoc",
    category = "keelson",
    selectable = ".spec.documentName",
    printcolumn(name = "Document", type_ = "string", json_path = ".spec.documentName"),
    printcolumn(
        name = "Compliant",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Compliant')].status"
    ),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.overview.status"),
    printcolumn(name = "Nodes", type_ = "integer", json_path = ".status.overview.targetCount"),
    printcolumn(name = "Failed", type_ = "integer", json_path = ".status.overview.failedCount"),
    printcolumn(name = "Last-Run", type_ = "date", json_path = ".status.lastExecutionTime"),
    printcolumn(name = "Next-Run", type_ = "string", json_path = ".status.nextExecutionTime"),
    printcolumn(name = "Schedule", type_ = "string", json_path = ".spec.scheduleExpression", priority = 1),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    ),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspend", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = Rule::new("(has(self.targets) && size(self.targets) > 0) || has(self.labelSelector)").message("give spec.targets (for every node: key InstanceIds, values ['*']) or spec.labelSelector"),
    validation = Rule::new("!self.applyOnlyAtCronInterval || (has(self.scheduleExpression) && self.scheduleExpression.startsWith('cron('))").message("spec.applyOnlyAtCronInterval needs a cron(...) spec.scheduleExpression")
)]
#[serde(rename_all = "camelCase")]
pub struct AssociationSpec {
    /// Name of a Document of this namespace, or of the library; case does not matter.
    #[schemars(length(min = 1, max = 253))]
    pub document_name: String,
    /// `$DEFAULT`, `$LATEST`, a number or a version's name. When what it means changes, the Association runs.
    #[serde(default = "crate::command::default_version")]
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
    #[schemars(schema_with = "crate::command::parameters")]
    pub parameters: Parameters,
    /// Which nodes: all entries must match.
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
    /// `rate(30 minutes)`, `cron(0 2 ? * SUN *)` or `at(2026-12-01T02:00:00)`, in UTC. Without one it runs at its
    /// creation, at each change, and for each node that newly matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^(rate|cron|at)\(.*\)$"))]
    pub schedule_expression: Option<String>,
    /// Run at the times of the cron expression only, not at creation, on changes or for new nodes.
    #[serde(default)]
    pub apply_only_at_cron_interval: bool,
    /// How many nodes run it at once: a number, or a percentage of the targets (rounded down, at least 1).
    #[serde(default = "crate::command::max_concurrency")]
    #[schemars(regex(pattern = r"^([1-9][0-9]{0,6}|[1-9][0-9]%|[1-9]%|100%)$"))]
    pub max_concurrency: String,
    /// How many errors are tolerated in a run, a number or a percentage.
    #[serde(default = "max_errors")]
    #[schemars(regex(pattern = r"^([1-9][0-9]{0,6}|0|[1-9][0-9]%|[0-9]%|100%)$"))]
    pub max_errors: String,
    /// How bad it is when a node is not compliant.
    #[serde(default)]
    pub compliance_severity: ComplianceSeverity,
    /// Stops new runs; what runs goes on.
    #[serde(default)]
    pub suspend: bool,
}

fn max_errors() -> String {
    "100%".into()
}

/// AWS's severities of an association.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ComplianceSeverity {
    /// Act now.
    Critical,
    /// Act soon.
    High,
    /// Act when there is time.
    Medium,
    /// Know about it.
    Low,
    /// Nothing said.
    #[default]
    Unspecified,
}

/// Whether a node is in the desired state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum ComplianceStatus {
    /// It is.
    #[serde(rename = "COMPLIANT")]
    Compliant,
    /// It is not, or nothing is known yet.
    #[serde(rename = "NON_COMPLIANT")]
    NonCompliant,
}

/// What is known of an Association.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssociationStatus {
    /// The generation this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: accepted, and the last run stayed within maxErrors. `Compliant`: every node is. `Stalled`: the
    /// spec cannot be followed, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The nodes at a glance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overview: Option<AssociationOverview>,
    /// The nodes by compliance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compliance: Option<AssociationCompliance>,
    /// Up to 20 nodes that failed, with the beginning of what they said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failing_nodes: Vec<FailingNode>,
    /// When it last ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_execution_time: Option<Time>,
    /// When it runs next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_execution_time: Option<Time>,
    /// The newest tick of the schedule that has been dealt with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_tick: Option<Time>,
    /// The Command that is running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_command: Option<String>,
    /// The Command that ran last, and how it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_command: Option<LastCommand>,
    /// The document version that is applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_version: Option<String>,
    /// A hash of document content, parameters, targets and schedule as last applied; a run follows a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied_hash: Option<String>,
    /// The last `keelson.dev/reconcile-at` that was acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}

/// AWS's overview status of an association.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum OverviewStatus {
    /// A run is owed and nothing has failed.
    #[default]
    Pending,
    /// Every node ended well.
    Success,
    /// At least one node did not.
    Failed,
}

/// The nodes at a glance; the counts add up to `targetCount`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssociationOverview {
    /// The worst of them.
    pub status: OverviewStatus,
    /// Nodes that match now.
    pub target_count: u32,
    /// Last run ended well.
    pub success_count: u32,
    /// Last run failed or timed out.
    pub failed_count: u32,
    /// Not run yet, or a run is owed since they were away.
    pub pending_count: u32,
}

/// The nodes by compliance.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssociationCompliance {
    /// `COMPLIANT` when every node is.
    pub status: ComplianceStatus,
    /// From the spec.
    pub severity: ComplianceSeverity,
    /// Nodes that are.
    pub compliant_count: u32,
    /// Nodes that are not.
    pub non_compliant_count: u32,
}

/// A node that failed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailingNode {
    /// ManagedNode name.
    pub node: String,
    /// Its host name.
    pub hostname: String,
    /// The Invocation that failed.
    pub invocation: String,
    /// In AWS's words.
    pub status_details: String,
    /// Exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_code: Option<i32>,
    /// The first lines of its stderr, or why it failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// The Command that ran last.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastCommand {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub status: RunStatus,
    /// In detail.
    pub status_details: String,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Its nodes by where they ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<CommandCounts>,
}
