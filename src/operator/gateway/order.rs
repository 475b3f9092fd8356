//! What a node needs to run an Invocation: the document and those that it calls from their revisions, the parameters
//! from the Command.
//!
//! All nodes of a Command get the same, so it is put together once for each Command and document version.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::ControllerRevision;
use keelson_api::{CalledDocument, Command, DocumentReference, Parameters};
use keelson_core::fleet::{self, Epoch, NodeIdentity, Order, RecordError, Report};
use keelson_core::status::StatusDetails;
use keelson_document::Content;
use kube::{Api, ResourceExt as _};

use super::assignments::InvocationRecord;
use super::call::{CallError, get};
use super::claims::NodeKey;
use super::fleet::KubernetesFleet;
use crate::documents;

/// How many orders are kept. Each may hold documents and parameters of some mebibytes.
pub const CACHED: usize = 16;

/// What an order follows from.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderKey {
    /// So that an Invocation that names another namespace's Command does not get what that one's parameters hold.
    namespace: String,
    command_uid: String,
    document: DocumentReference,
}

impl OrderKey {
    fn of(record: &InvocationRecord) -> Self {
        Self {
            namespace: record.namespace.clone(),
            command_uid: record.command_uid.clone(),
            document: record.document.clone(),
        }
    }
}

/// Why there is no order.
#[derive(Debug, Clone, thiserror::Error)]
enum OrderError {
    /// It can never be run; for people.
    #[error("{0}")]
    Never(String),
    /// The API server did not say.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl KubernetesFleet {
    /// Document and parameters of an unfinished Invocation of this node. One that can never be run is recorded as
    /// failed, and then there is nothing to order.
    pub async fn order_for(&self, node: &NodeIdentity, invocation: &str) -> Result<Order, RecordError> {
        let record = self.invocation_of(node, invocation).await?;
        if record.is_terminal() {
            return Err(RecordError::NotFound);
        }
        let key = OrderKey::of(&record);
        match self.orders.get_or_fetch(&key, Box::pin(self.put_together(&record))).await {
            Ok(order) => Ok(Order::clone(&order)),
            Err(OrderError::Call(error)) => Err(RecordError::Unavailable(error.to_string())),
            Err(OrderError::Never(message)) => {
                let Some(claim) = self.claims.get(&NodeKey::from(node)) else {
                    return Err(RecordError::Superseded);
                };
                self.fail(node, claim.epoch, &record, message).await?;
                Err(RecordError::NotFound)
            }
        }
    }

    async fn fail(
        &self,
        node: &NodeIdentity,
        epoch: Epoch,
        record: &InvocationRecord,
        message: String,
    ) -> Result<(), RecordError> {
        let namespace = &record.namespace;
        tracing::warn!(namespace, invocation = record.name, message, "an invocation can never be run");
        let report = Report::Refused { details: StatusDetails::Failed, message };
        self.store(node, epoch, &record.name, &record.command_uid, &report).await
    }

    async fn put_together(&self, record: &InvocationRecord) -> Result<Arc<Order>, OrderError> {
        let (name, parameters) = self.command(record).await?;
        let document = match self.content(&record.document).await? {
            Content::Command(document) => document,
            other => {
                let kind = other.document_type();
                return Err(OrderError::Never(format!("{} is of type {kind}", named(&record.document))));
            }
        };
        let bound = document.bind(&parameters).map_err(|errors| {
            OrderError::Never(format!("the parameters of Command {:?}: {errors}", record.command_name))
        })?;
        Ok(Arc::new(Order {
            document_name: name,
            document_version: record.document.version.clone(),
            document: document.canonical_json(),
            parameters: bound.to_json(),
            fail_fast: record.fail_fast,
            strict_scripts: record.strict_scripts,
            called_documents: self.called(&record.called_documents).await?,
        }))
    }

    /// The document's name as the user wrote it, and the parameters.
    async fn command(&self, record: &InvocationRecord) -> Result<(String, Parameters), OrderError> {
        let api: Api<Command> = Api::namespaced(self.client.clone(), &record.namespace);
        let gone = || OrderError::Never(format!("Command {:?} is gone", record.command_name));
        match get(&api, &record.command_name).await {
            Ok(command) if command.uid().as_ref() == Some(&record.command_uid) => {
                Ok((command.spec.document_name, command.spec.parameters))
            }
            Ok(_) | Err(CallError::NotFound) => Err(gone()),
            Err(error) => Err(error.into()),
        }
    }

    /// The documents that the document calls, as they were frozen with it.
    async fn called(&self, wanted: &[CalledDocument]) -> Result<Vec<fleet::CalledDocument>, OrderError> {
        let mut called = Vec::with_capacity(wanted.len());
        for CalledDocument { name, version, document } in wanted {
            called.push(fleet::CalledDocument {
                name: name.clone(),
                version: version.clone(),
                document_version: document.version.clone(),
                document: self.content(document).await?.canonical_json(),
            });
        }
        Ok(called)
    }

    async fn content(&self, wanted: &DocumentReference) -> Result<Content, OrderError> {
        let api: Api<ControllerRevision> = Api::namespaced(self.client.clone(), &wanted.namespace);
        let named = named(wanted);
        let revision = match get(&api, &wanted.revision).await {
            Ok(revision) => revision,
            Err(CallError::NotFound) => {
                return Err(OrderError::Never(format!("{named} is gone: run a version that is there")));
            }
            Err(error) => return Err(error.into()),
        };
        let content = documents::revision::content(revision)
            .map_err(|errors| OrderError::Never(format!("{named} is damaged: {errors}")))?;
        if content.hash() != wanted.hash {
            return Err(OrderError::Never(format!("{named} is not what the Command was started with")));
        }
        Ok(content)
    }
}

/// A version of a document, for people.
fn named(document: &DocumentReference) -> String {
    format!(
        "version {} of document {:?} (ControllerRevision {}/{})",
        document.version, document.name, document.namespace, document.revision
    )
}

#[cfg(test)]
mod tests {
    use keelson_api::Invocation;

    use super::*;

    fn record(namespace: &str) -> InvocationRecord {
        let invocation: Invocation = serde_json::from_value(serde_json::json!({
            "metadata": {"namespace": namespace, "name": "patch-mi-1", "uid": "u"},
            "spec": {
                "commandName": "patch", "commandUid": "c1", "nodeName": "mi-1", "nodeUid": "n1", "hostname": "web-1",
                "document": {"name": "d", "version": "1", "hash": "h", "revision": "d-v1", "namespace": "web"},
                "deliveryTimeoutSeconds": 600, "executionTimeoutSeconds": 3600,
            },
        }))
        .unwrap();
        InvocationRecord::from(&invocation)
    }

    #[test]
    fn an_order_is_never_shared_across_namespaces() {
        assert_eq!(OrderKey::of(&record("web")), OrderKey::of(&record("web")));
        assert_ne!(OrderKey::of(&record("web")), OrderKey::of(&record("other")));
    }
}
