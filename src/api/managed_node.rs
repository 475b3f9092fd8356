//! `ManagedNode`: a server.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ComplianceSeverity, ComplianceStatus};

/// What a user may say of a server. Made by the gateway when the server enrols.
#[derive(CustomResource, Clone, Debug, Default, Deserialize, Serialize, KubeSchema)]
#[kube(
    group = "keelson.dev",
    version = "v1alpha1",
    kind = "ManagedNode",
    namespaced,
    status = "ManagedNodeStatus",
    doc = "A server that Keelson manages. Deleting it ends the server's access.",
    shortname = "mnode",
    category = "keelson",
    selectable = ".status.agent.pingStatus",
    selectable = ".status.agent.hostname",
    printcolumn(name = "Host", type_ = "string", json_path = ".status.agent.hostname"),
    printcolumn(name = "Ping", type_ = "string", json_path = ".status.agent.pingStatus"),
    printcolumn(name = "Platform", type_ = "string", json_path = ".status.agent.platformName"),
    printcolumn(name = "Address", type_ = "string", json_path = ".status.agent.ipAddress"),
    printcolumn(name = "Compliance", type_ = "string", json_path = ".status.compliance"),
    printcolumn(
        name = "Version",
        type_ = "string",
        json_path = ".status.agent.platformVersion",
        priority = 1
    ),
    printcolumn(name = "Arch", type_ = "string", json_path = ".status.agent.architecture", priority = 1),
    printcolumn(name = "Agent", type_ = "string", json_path = ".status.agent.agentVersion", priority = 1),
    printcolumn(name = "Gateway", type_ = "string", json_path = ".status.agent.gateway", priority = 1),
    printcolumn(name = "Since", type_ = "date", json_path = ".status.agent.pingStatusTime", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ManagedNodeSpec {
    /// Tags that Commands and Associations select by, seeded by the Activation. Each that is a valid label is
    /// mirrored as `tag.keelson.dev/KEY`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 50))]
    pub tags: BTreeMap<String, String>,
    /// The Activation it enrolled with.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub activation: String,
    /// SHA-256 of the public key of the server's certificate; no other key is this node.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new("oldSelf == '' || self == oldSelf").message("the key of a node never changes: unenrol it and enrol again"))]
    pub key_fingerprint: String,
    /// Remove the node when it has not been seen for this long, such as `720h`; never when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^([0-9]+(h|m|s))+$"))]
    pub forget_after: Option<String>,
}

/// What is known of a server. Each part has one writer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagedNodeStatus {
    /// `Ready`: the agent is connected. `DuplicateIdentity` while two machines use one key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The agent and its connection; written by the gateway that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentStatus>,
    /// What each Association last made of this node; written on change only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub associations: Vec<NodeAssociation>,
    /// `COMPLIANT` when every Association is, else `NON_COMPLIANT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compliance: Option<ComplianceStatus>,
}

/// Whether the agent is connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum PingStatus {
    /// It is.
    Online,
    /// It was.
    #[default]
    ConnectionLost,
}

/// The agent and its connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentStatus {
    /// Whether it is connected.
    pub ping_status: PingStatus,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ping_status_time: Option<Time>,
    /// The gateway replica that holds, or last held, its stream.
    pub gateway: String,
    /// Grows with every connection; only the newest may write.
    pub epoch: i64,
    /// Host name.
    #[serde(default)]
    pub hostname: String,
    /// `Linux`.
    #[serde(default)]
    pub platform_type: String,
    /// Distribution.
    #[serde(default)]
    pub platform_name: String,
    /// Its version.
    #[serde(default)]
    pub platform_version: String,
    /// `x86_64` or `aarch64`.
    #[serde(default)]
    pub architecture: String,
    /// Kernel release.
    #[serde(default)]
    pub kernel: String,
    /// The address it reaches the gateway from.
    #[serde(default)]
    pub ip_address: String,
    /// Version of `keelson-agent`.
    #[serde(default)]
    pub agent_version: String,
    /// A hash of the machine id.
    #[serde(default)]
    pub machine_id: String,
    /// Changes with every boot.
    #[serde(default)]
    pub boot_id: String,
    /// The boot before; one that comes back means two machines with one key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub previous_boot_id: String,
    /// Associations that are to run on this node again, as runs on it have asked by aws:refreshAssociation. Each
    /// counts for a day; its Association knows which it has answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refresh_requests: Vec<RefreshRequest>,
}

/// That an Association is to run on a node again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshRequest {
    /// The Association, or `*` for all that are for the node.
    pub name: String,
    /// When it was asked for.
    pub request_time: Time,
    /// Uid of the Command whose run asked.
    pub command: String,
    /// The Association that made this Command. A run never asks for its own Association.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub asked_by: String,
}

/// What an Association last made of a node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeAssociation {
    /// The Association.
    pub name: String,
    /// AWS's association status: `Pending` (a run is owed), `Success`, `Failed` or `TimedOut`.
    pub status: String,
    /// The same in detail: how the node's last Invocation ended, or `Missed` where it was away when the others ran.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status_details: String,
    /// `COMPLIANT` or `NON_COMPLIANT`.
    pub compliance: ComplianceStatus,
    /// The Association's severity.
    pub severity: ComplianceSeverity,
    /// The document version it was applied with.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub document_version: String,
    /// The Command that changed this entry.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// When the entry changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// The newest of the node's `refreshRequests` that a run has answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_time: Option<Time>,
}
