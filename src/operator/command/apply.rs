//! Does what was planned: makes, cancels and ends Invocations.

use std::future::Future;

use futures::StreamExt as _;
use keelson_api::{ASSOCIATION_LABEL, Command, Invocation, InvocationSpec, InvocationStatus, NODE_LABEL};
use keelson_core::names::invocation_name;
use keelson_core::target::valid_label_value;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;

use super::MANAGER;
use super::deadline::{Ending, never_delivered};
use super::freeze::{Frozen, FrozenTarget, command_label, owner};
use super::plan::Plan;
use super::status::coarse;
use crate::context::Context;
use crate::error::Error;
use crate::index::InvocationRecord;
use crate::patch::{apply_status_of, is_conflict, is_invalid, is_not_found};

/// How many requests for one Command are under way at once.
const CONCURRENCY: usize = 16;

/// Does all of a plan; what could not be done is planned again. The first error is told.
pub async fn apply(
    context: &Context,
    command: &Command,
    frozen: &Frozen,
    plan: &Plan<'_>,
) -> Result<(), Error> {
    let site = Site { context, command, frozen, namespace: command.namespace().unwrap_or_default() };
    let site = &site;
    let results = [
        all(plan.end.iter().map(|(record, ending)| site.end(&record.name, ending)).collect()).await,
        all(plan.cancel.iter().map(|record| site.cancel(record)).collect()).await,
        all(plan.release.iter().map(|target| site.release(target)).collect()).await,
        all(plan.expire.iter().map(|target| site.expire(target)).collect()).await,
    ];
    results.into_iter().collect()
}

async fn all<F: Future<Output = Result<(), Error>>>(work: Vec<F>) -> Result<(), Error> {
    let results: Vec<_> = futures::stream::iter(work).buffer_unordered(CONCURRENCY).collect().await;
    results.into_iter().collect()
}

/// A Command and where it is.
struct Site<'a> {
    context: &'a Context,
    command: &'a Command,
    frozen: &'a Frozen,
    namespace: String,
}

impl Site<'_> {
    fn api(&self) -> Api<Invocation> {
        Api::namespaced(self.context.client.clone(), &self.namespace)
    }

    /// Makes an Invocation: the permission to send.
    async fn release(&self, target: &FrozenTarget) -> Result<(), Error> {
        self.make(target, self.command.spec.timeout_seconds).await.map(drop)
    }

    /// Makes an Invocation that no executor ever sends, and ends it.
    async fn expire(&self, target: &FrozenTarget) -> Result<(), Error> {
        let invocation = self.make(target, 0).await?;
        let ended = invocation.status.as_ref().is_some_and(|status| status.status.is_terminal());
        // One that an earlier attempt made in order to send it keeps its own deadline.
        if ended || invocation.spec.delivery_timeout_seconds > 0 {
            return Ok(());
        }
        self.end(&invocation.name_any(), &never_delivered(0)).await
    }

    async fn make(&self, target: &FrozenTarget, delivery_timeout_seconds: i64) -> Result<Invocation, Error> {
        let wanted = build(self.command, self.frozen, target, delivery_timeout_seconds);
        let api = self.api();
        let made = match api.create(&PostParams::default(), &wanted).await {
            // Made before, and not seen yet.
            Err(error) if is_conflict(&error) => api.get(&wanted.name_any()).await?,
            result => result?,
        };
        self.context.index.invocations.insert(&made);
        Ok(made)
    }

    async fn cancel(&self, record: &InvocationRecord) -> Result<(), Error> {
        let patch = json!({ "metadata": { "uid": record.uid }, "spec": { "cancel": true } });
        let parameters = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
        let patched = self.api().patch(&record.name, &parameters, &Patch::Merge(patch)).await;
        self.take(patched)
    }

    async fn end(&self, name: &str, ending: &Ending) -> Result<(), Error> {
        let status = InvocationStatus {
            status: coarse(ending.details.status()),
            status_details: ending.details.as_str().into(),
            message: Some(ending.message.clone()),
            ..InvocationStatus::default()
        };
        let written = apply_status_of(&self.context.client, (&self.namespace, name), MANAGER, &status).await;
        self.take(written)
    }

    /// Somebody else may have been faster: its executor ended it, or it was deleted. The watch will tell.
    fn take(&self, written: Result<Invocation, kube::Error>) -> Result<(), Error> {
        match written {
            Ok(invocation) => {
                self.context.index.invocations.insert(&invocation);
                Ok(())
            }
            Err(error) if is_invalid(&error) || is_not_found(&error) || is_conflict(&error) => {
                tracing::debug!(error = %error, command = self.command.name_any(), "an invocation was faster");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The Invocation of a Command on a node.
fn build(
    command: &Command,
    frozen: &Frozen,
    target: &FrozenTarget,
    delivery_timeout_seconds: i64,
) -> Invocation {
    let command_uid = command.uid().unwrap_or_default();
    let name = invocation_name(&command.name_any(), &command_uid, &target.uid);
    let mut labels = command_label(command);
    if valid_label_value(&target.name) {
        labels.insert(NODE_LABEL.to_owned(), target.name.clone());
    }
    if let Some(association) = command.labels().get(ASSOCIATION_LABEL) {
        labels.insert(ASSOCIATION_LABEL.to_owned(), association.clone());
    }
    let metadata = ObjectMeta {
        name: Some(name),
        namespace: command.namespace(),
        labels: Some(labels),
        owner_references: Some(vec![owner(command)]),
        ..ObjectMeta::default()
    };
    let spec = InvocationSpec {
        command_name: command.name_any(),
        command_uid,
        node_name: target.name.clone(),
        node_uid: target.uid.clone(),
        hostname: target.hostname.clone(),
        document: frozen.document.clone(),
        called_documents: frozen.called_documents.clone(),
        fail_fast: frozen.fail_fast,
        strict_scripts: frozen.strict_scripts,
        delivery_timeout_seconds,
        execution_timeout_seconds: frozen.execution_timeout_seconds,
        cancel: false,
    };
    Invocation { metadata, spec, status: None }
}
