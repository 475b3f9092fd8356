//! `Document`: an SSM document and its versions.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a Document holds and which version runs by default.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, KubeSchema)]
#[kube(
    group = "keelson.dev",
    version = "v1alpha1",
    kind = "Document",
    namespaced,
    status = "DocumentStatus",
    doc = "An SSM document. Each change of its content is a new immutable version that can still be run by its number.",
    shortname = "doc",
    category = "keelson",
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.documentType"),
    printcolumn(name = "Default", type_ = "string", json_path = ".status.defaultVersion"),
    printcolumn(name = "Latest", type_ = "string", json_path = ".status.latestVersion"),
    printcolumn(name = "Platforms", type_ = "string", json_path = ".status.platformTypes"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct DocumentSpec {
    /// The document itself: YAML in YAML (an object), or its text in JSON or YAML (a string). At most 1 MiB.
    #[schemars(schema_with = "any_object_or_text")]
    pub content: serde_json::Value,

    /// What kind of document it is.
    #[serde(default)]
    pub document_type: DocumentType,

    /// The version that `$DEFAULT` means: `$LATEST` (the default) or a number. A version that is pinned here
    /// keeps running while later content is tried out by its number.
    #[serde(default = "latest")]
    #[schemars(regex(pattern = r"^(\$LATEST|[1-9][0-9]{0,8})$"))]
    pub default_version: String,

    /// How many versions are kept beside those that are default, pinned by an Association or running.
    #[serde(default = "version_history_limit")]
    #[schemars(range(min = 1, max = 1000))]
    pub version_history_limit: i32,
}

fn latest() -> String {
    "$LATEST".into()
}

fn version_history_limit() -> i32 {
    20
}

/// The API server knows no type for "an object or a string" and takes no CEL rule where there is none: what is
/// neither is refused by the controller.
fn any_object_or_text(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
}

/// AWS's document types that run on nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum DocumentType {
    /// Steps that run on nodes.
    #[default]
    Command,
}

/// What is known of a Document.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DocumentStatus {
    /// The generation this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: the content is valid and its version is stored. `Stalled`: it is not, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The number of the newest version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_version: Option<String>,
    /// The number of the version that `$DEFAULT` means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_version: Option<String>,
    /// The versions that can be run, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["version".into()]))]
    pub versions: Vec<DocumentVersion>,
    /// The platforms the default version has steps for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platform_types: Vec<String>,
    /// The parameters of the default version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<DocumentParameter>,
}

/// One version.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DocumentVersion {
    /// Its number.
    pub version: String,
    /// SHA-256 of its canonical JSON, lower-case hex.
    pub hash: String,
    /// The `ControllerRevision` that holds its content.
    pub revision: String,
    /// When it was made.
    pub created_date: Time,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DocumentParameter {
    /// Its name.
    pub name: String,
    /// `String`, `StringList` and so on.
    #[serde(rename = "type")]
    pub type_: String,
    /// Its default as JSON text; absent where a value must be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_value: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
