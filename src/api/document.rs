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
    printcolumn(name = "Platforms", type_ = "string", json_path = ".status.platforms"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "Version-Name",
        type_ = "string",
        json_path = ".status.defaultVersionName",
        priority = 1
    ),
    printcolumn(name = "Schema", type_ = "string", json_path = ".status.schemaVersion", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = Rule::new("self.documentType == oldSelf.documentType").message("spec.documentType is immutable, since it says how every version is read: make another Document")
)]
#[serde(rename_all = "camelCase")]
pub struct DocumentSpec {
    /// The document itself: YAML in YAML (an object), or its text in JSON or YAML (a string). At most 256 KiB.
    #[schemars(schema_with = "any_object_or_text")]
    pub content: serde_json::Value,

    /// What kind of document it is. Those of type Command can be run by Commands and Associations; those of the other
    /// types are checked as far as their form is known, and kept in versions.
    #[serde(default)]
    pub document_type: DocumentType,

    /// A name for the version that this content is, such as `release-7`: letters, digits, `_`, `-` and `.`, not
    /// digits alone. It names that version as long as there is that version, so other content needs another name, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = Rule::new("self.matches('^[a-zA-Z0-9_.-]+$') && !self.matches('^[0-9]+$')").message("a version's name has 1 to 128 letters, digits, '_', '-' and '.', and is not digits alone, which are a version's number: write v7 instead of 7"))]
    pub version_name: Option<String>,

    /// The version that `$DEFAULT` means: `$LATEST` (the default), a number, or a version's name. A version that is
    /// pinned here keeps running while later content is tried out by its number.
    #[serde(default = "latest")]
    #[schemars(
        length(max = 128),
        regex(pattern = r"^(\$LATEST|[1-9][0-9]{0,8}|[a-zA-Z0-9_.-]*[a-zA-Z_.-][a-zA-Z0-9_.-]*)$")
    )]
    pub default_version: String,

    /// The first step that fails ends a run; the steps after it are skipped, but for a last one that is a
    /// finallyStep. AWS goes on with the next step. Commands and Associations may say otherwise.
    #[serde(default)]
    pub fail_fast: bool,

    /// Shell scripts run with `set -euo pipefail`, by the node's bash. AWS looks at the last command of a script
    /// only. Commands and Associations may say otherwise.
    #[serde(default)]
    pub strict_scripts: bool,

    /// How many versions are kept: of more, the oldest ones go that are neither default, newest, used by an
    /// Association nor running.
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

/// AWS's types of documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum DocumentType {
    /// Steps that run on nodes, by Commands and Associations.
    #[default]
    Command,
    /// A runbook of steps that call services and other documents.
    Automation,
    /// A runbook that a change request runs.
    #[serde(rename = "Automation.ChangeTemplate")]
    AutomationChangeTemplate,
    /// Settings and commands of interactive sessions.
    Session,
    /// What inventory is collected from nodes.
    Policy,
    /// Software to install, with its files by platform.
    Package,
    /// Configuration of an application.
    ApplicationConfiguration,
    /// A schema that configuration of an application must match.
    ApplicationConfigurationSchema,
    /// How fast configuration is rolled out.
    DeploymentStrategy,
    /// When changes are allowed, in iCalendar form.
    ChangeCalendar,
    /// A template of a stack of AWS resources.
    CloudFormation,
    /// A template of a conformance pack.
    ConformancePackTemplate,
    /// A quick setup.
    QuickSetup,
    /// An analysis of an incident.
    ProblemAnalysis,
    /// A template of an analysis of an incident.
    ProblemAnalysisTemplate,
    /// Who has to approve access.
    ManualApprovalPolicy,
    /// Who is given access without being asked for.
    AutoApprovalPolicy,
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
    /// The name of that version, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_version_name: Option<String>,
    /// `spec.documentType`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_type: Option<DocumentType>,
    /// How `spec.content` is written: `JSON`, which an object is too, `YAML` or `TEXT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_format: Option<DocumentFormat>,
    /// The schema version of the default version, such as `2.2`, where its type has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<String>,
    /// The versions there are, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["version".into()]))]
    pub versions: Vec<DocumentVersion>,
    /// The platforms the default version has steps for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platform_types: Vec<String>,
    /// The same in one text, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platforms: Option<String>,
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
    /// Its name, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_name: Option<String>,
    /// SHA-256 of its canonical JSON, lower-case hex.
    pub hash: String,
    /// The `ControllerRevision` that holds its content.
    pub revision: String,
    /// When it was made.
    pub created_date: Time,
}

/// How the content of a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum DocumentFormat {
    /// JSON text, or an object.
    Json,
    /// YAML text.
    Yaml,
    /// Other text.
    Text,
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
