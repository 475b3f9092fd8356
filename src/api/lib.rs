//! The kinds of group `keelson.dev`, version `v1alpha1`: what users write and what controllers answer.
//!
//! One file a kind. The doc comments become the descriptions in `crds/`, which is what `kubectl explain`
//! shows, so they are written for users. Nothing here talks to a cluster.

#![allow(clippy::duplicated_attributes)] // several printcolumn(type_ = …) of one kind, which is kube's form

mod activation;
mod association;
mod command;
pub mod condition;
mod document;
mod invocation;
mod managed_node;
mod schema;
mod target;

pub use activation::{Activation, ActivationSpec, ActivationStatus};
pub use association::{
    Association, AssociationCompliance, AssociationOverview, AssociationSpec, AssociationStatus,
    ComplianceSeverity, ComplianceStatus, FailingNode, LastCommand, OverviewStatus,
};
pub use command::{Command, CommandCounts, CommandSpec, CommandStatus, OfflineNodes, RunStatus};
pub use document::{
    Document, DocumentFormat, DocumentParameter, DocumentSpec, DocumentStatus, DocumentType, DocumentVersion,
};
pub use invocation::{
    CalledDocument, DocumentReference, Invocation, InvocationSpec, InvocationStatus, LateResult, StepResult,
};
pub use managed_node::{
    AgentStatus, ManagedNode, ManagedNodeSpec, ManagedNodeStatus, NodeAssociation, PingStatus, RefreshRequest,
};
pub use target::{Parameters, Target};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;

/// The API group of every kind.
pub const GROUP: &str = "keelson.dev";
/// The version of every kind.
pub const VERSION: &str = "v1alpha1";

/// Label on an Invocation: the name of its Command.
pub const COMMAND_LABEL: &str = "keelson.dev/command";
/// Label on a Command and its Invocations: the name of the Association that made it.
pub const ASSOCIATION_LABEL: &str = "keelson.dev/association";
/// Label on an Invocation: the name of its ManagedNode.
pub const NODE_LABEL: &str = "keelson.dev/node";
/// Label on what belongs to an Activation: its name.
pub const ACTIVATION_LABEL: &str = "keelson.dev/activation";
/// Label on the revisions of a Document: its uid.
pub const DOCUMENT_LABEL: &str = "keelson.dev/document";
/// Annotation on a revision: SHA-256 of its canonical JSON.
pub const HASH_ANNOTATION: &str = "keelson.dev/hash";
/// Annotation on a revision: the type of its document; without it, Command.
pub const DOCUMENT_TYPE_ANNOTATION: &str = "keelson.dev/document-type";
/// Annotation on a revision: the name of the version, if it has one.
pub const VERSION_NAME_ANNOTATION: &str = "keelson.dev/version-name";
/// Annotation on a revision in use: who uses it, for people. While it is there the version is not to be deleted.
pub const USED_BY_ANNOTATION: &str = "keelson.dev/used-by";
/// Prefix of the labels that mirror a node's tags.
pub const TAG_LABEL_PREFIX: &str = "tag.keelson.dev/";
/// Annotation that asks for a run now; any new value is one request. A Command carries the value it answers.
pub const RECONCILE_ANNOTATION: &str = "keelson.dev/reconcile-at";
/// Annotation on an Association's Command: why it was made, such as `Tick`, `CatchUp` or `Refresh`.
pub const CAUSE_ANNOTATION: &str = "keelson.dev/cause";
/// Annotation on an Association's Command: the newest tick of the schedule that it answers.
pub const TICK_ANNOTATION: &str = "keelson.dev/tick";
/// Annotation on an Association's Command: the hash of what it applies.
pub const APPLIED_HASH_ANNOTATION: &str = "keelson.dev/applied-hash";

/// Every definition, in the order they are installed.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    let mut definitions = vec![
        Document::crd(),
        Association::crd(),
        Command::crd(),
        Invocation::crd(),
        ManagedNode::crd(),
        Activation::crd(),
    ];
    definitions.iter_mut().for_each(schema::drop_unknown_formats);
    definitions
}
