//! What is kept of an Invocation.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use keelson_api::{CalledDocument, DocumentReference, Invocation, RunStatus};
use keelson_core::fleet::Assignment;
use kube::ResourceExt as _;

use crate::gateway::claims::NodeKey;

/// An Invocation without its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvocationRecord {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The state of the object that this record shows.
    pub resource_version: String,
    /// The Command.
    pub command_name: String,
    /// Its uid.
    pub command_uid: String,
    /// The `ManagedNode`.
    pub node_name: String,
    /// Its uid.
    pub node_uid: String,
    /// The exact document version.
    pub document: DocumentReference,
    /// The documents that it runs or downloads.
    pub called_documents: Vec<CalledDocument>,
    /// The first step that fails ends the run.
    pub fail_fast: bool,
    /// Shell scripts run with `set -euo pipefail`.
    pub strict_scripts: bool,
    /// When it was made, by the API server's clock.
    pub created: Timestamp,
    /// `None` before anybody wrote a status.
    pub status: Option<RunStatus>,
    cancel: bool,
    delivery_timeout: Duration,
}

impl From<&Invocation> for InvocationRecord {
    fn from(invocation: &Invocation) -> Self {
        let spec = &invocation.spec;
        Self {
            namespace: invocation.namespace().unwrap_or_default(),
            name: invocation.name_any(),
            uid: invocation.uid().unwrap_or_default(),
            resource_version: invocation.resource_version().unwrap_or_default(),
            command_name: spec.command_name.clone(),
            command_uid: spec.command_uid.clone(),
            node_name: spec.node_name.clone(),
            node_uid: spec.node_uid.clone(),
            document: spec.document.clone(),
            called_documents: spec.called_documents.clone(),
            fail_fast: spec.fail_fast,
            strict_scripts: spec.strict_scripts,
            created: invocation.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            status: invocation.status.as_ref().map(|status| status.status),
            cancel: spec.cancel,
            delivery_timeout: Duration::from_secs(u64::try_from(spec.delivery_timeout_seconds).unwrap_or(0)),
        }
    }
}

impl InvocationRecord {
    /// The node it is for.
    pub fn node(&self) -> NodeKey {
        NodeKey { namespace: self.namespace.clone(), name: self.node_name.clone() }
    }

    /// Whether it never changes again.
    pub fn is_terminal(&self) -> bool {
        self.status.is_some_and(RunStatus::is_terminal)
    }

    /// Whether the node has it, as far as its status says.
    pub fn is_in_progress(&self) -> bool {
        matches!(self.status, Some(RunStatus::InProgress | RunStatus::Cancelling))
    }

    /// As the gateway sees it at this age.
    pub fn assignment(&self, age: Duration) -> Assignment {
        Assignment {
            invocation: self.name.clone(),
            command_uid: self.command_uid.clone(),
            in_progress: self.is_in_progress(),
            cancel: self.cancel,
            expires_in: self.delivery_timeout.saturating_sub(age),
        }
    }

    /// Whether this is a later state of the same object. Resource versions of one kind are numbers that grow; one
    /// that is no number is taken for newer, as the watch will settle it.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        let version = |record: &Self| record.resource_version.parse::<u64>().ok();
        self.uid == other.uid && version(self).zip(version(other)).is_some_and(|(own, other)| own > other)
    }
}
