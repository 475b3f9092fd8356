//! What a node needs to run an Invocation: the document from its revision, the parameters from the Command.
//!
//! All nodes of a Command get the same, so it is put together once for each Command and document version.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::ControllerRevision;
use keelson_api::{Command, DocumentReference, Parameters};
use keelson_core::fleet::{Epoch, NodeIdentity, Order, RecordError, Report};
use keelson_core::status::StatusDetails;
use kube::{Api, ResourceExt as _};

use super::assignments::InvocationRecord;
use super::call::{CallError, get};
use super::claims::NodeKey;
use super::fleet::KubernetesFleet;

/// How many orders are kept. Each may hold a document and parameters of a mebibyte.
pub const CACHED: usize = 16;

/// What an order follows from.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderKey {
    command_uid: String,
    document: DocumentReference,
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
        let key = OrderKey { command_uid: record.command_uid.clone(), document: record.document.clone() };
        match self.orders.get_or_fetch(&key, self.put_together(&record)).await {
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
        let document = self.document(&record.document).await?;
        let bound = document.bind(&parameters).map_err(|errors| {
            OrderError::Never(format!("the parameters of Command {:?}: {errors}", record.command_name))
        })?;
        Ok(Arc::new(Order {
            document_name: name,
            document_version: record.document.version.clone(),
            document: document.canonical_json(),
            parameters: bound.to_json(),
            fail_fast: false,
            strict_scripts: false,
            called_documents: Vec::new(),
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

    async fn document(&self, wanted: &DocumentReference) -> Result<keelson_document::Document, OrderError> {
        let api: Api<ControllerRevision> = Api::namespaced(self.client.clone(), &wanted.namespace);
        let named = format!(
            "version {} of document {:?} (ControllerRevision {}/{})",
            wanted.version, wanted.name, wanted.namespace, wanted.revision
        );
        let revision = match get(&api, &wanted.revision).await {
            Ok(revision) => revision,
            Err(CallError::NotFound) => return Err(OrderError::Never(format!("{named} is gone"))),
            Err(error) => return Err(error.into()),
        };
        let document = keelson_document::from_value(revision.data.0)
            .map_err(|errors| OrderError::Never(format!("{named} is damaged: {errors}")))?;
        if document.hash() != wanted.hash {
            return Err(OrderError::Never(format!("{named} is not what the Command was started with")));
        }
        Ok(document)
    }
}
