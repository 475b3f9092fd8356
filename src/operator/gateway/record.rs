//! Storing what nodes report: an Invocation's status, written once for its end and at most once before.

mod late;
mod status;

use keelson_api::{Invocation, InvocationStatus};
use keelson_core::fleet::{Epoch, NodeIdentity, Placement, RecordError, Report};
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;

use super::assignments::InvocationRecord;
use super::call::{ATTEMPTS, CallError, MANAGER, apply_status, call, get};
use super::claims::NodeKey;
use super::fleet::KubernetesFleet;

impl KubernetesFleet {
    /// Stores a report about an Invocation of this node.
    pub async fn store(
        &self,
        node: &NodeIdentity,
        epoch: Epoch,
        invocation: &str,
        command_uid: &str,
        report: &Report,
    ) -> Result<(), RecordError> {
        let mut record = self.invocation_of(node, invocation).await?;
        if record.command_uid != command_uid {
            return Err(RecordError::NotFound);
        }
        self.ask_for_refresh(node, epoch, &record, report).await?;
        let mut next = status::of(report);
        let mut reduced = false;
        for _ in 0..ATTEMPTS {
            self.owns(node, epoch)?;
            if record.is_terminal() {
                return self.store_late(node, &record, &next).await;
            }
            if *report == Report::InProgress && record.is_in_progress() {
                return Ok(());
            }
            let api = self.invocations_of(&record.namespace);
            match apply_status(&api, &record.name, &record.resource_version, &next).await {
                Ok(written) => {
                    self.assignments.update(&written);
                    if next.status.is_terminal() {
                        self.metrics.invocation_finished(&next.status_details);
                    }
                    return Ok(());
                }
                Err(CallError::Conflict) => {}
                // The rule against a second end, or a result that the schema does not take.
                Err(CallError::Invalid(message)) => {
                    let fresh = self.fetch(node, invocation).await?;
                    if !fresh.is_terminal() {
                        if reduced {
                            return Err(RecordError::Unavailable(message));
                        }
                        tracing::error!(
                            namespace = record.namespace,
                            invocation,
                            message,
                            "a result cannot be stored whole"
                        );
                        next = status::reduced(&next, &message);
                        reduced = true;
                    }
                    record = fresh;
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            record = self.fetch(node, invocation).await?;
        }
        Err(RecordError::Unavailable("the invocation changes too often to be written".into()))
    }

    /// Keeps what came after the end beside it.
    async fn store_late(
        &self,
        node: &NodeIdentity,
        record: &InvocationRecord,
        report: &InvocationStatus,
    ) -> Result<(), RecordError> {
        let api = self.invocations_of(&record.namespace);
        let mut report = report.clone();
        let mut reduced = false;
        for _ in 0..ATTEMPTS {
            let current = get(&api, &record.name).await?;
            checked(&current, node)?;
            let ended = current.status.clone().unwrap_or_default();
            let version = current.resource_version().unwrap_or_default();
            let written = match late::decide(&ended, &report, crate::context::now()) {
                late::Decision::Nothing => return Ok(()),
                late::Decision::Complete => {
                    apply_status(&api, &record.name, &version, &report).await.map(drop)
                }
                late::Decision::Beside(result) => {
                    let patch = json!({
                        "metadata": { "resourceVersion": version },
                        "status": { "lateResult": result },
                    });
                    let parameters =
                        PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
                    call(api.patch_status(&record.name, &parameters, &Patch::Merge(patch))).await.map(drop)
                }
            };
            match written {
                Err(CallError::Conflict) => {}
                // The end is known already: what the schema does not take of the rest is not worth another try.
                Err(CallError::Invalid(message)) => {
                    let (namespace, invocation) = (&record.namespace, &record.name);
                    tracing::error!(namespace, invocation, message, "a late result cannot be stored whole");
                    if reduced {
                        return Ok(());
                    }
                    report = status::reduced(&report, &message);
                    reduced = true;
                }
                other => return Ok(other?),
            }
        }
        Err(RecordError::Unavailable("the invocation changes too often to be written".into()))
    }

    /// Where output of an Invocation of this node goes.
    pub async fn placement_of(
        &self,
        node: &NodeIdentity,
        invocation: &str,
        command_uid: &str,
    ) -> Result<Placement, RecordError> {
        let record = self.invocation_of(node, invocation).await?;
        if record.command_uid != command_uid {
            return Err(RecordError::NotFound);
        }
        Ok(Placement {
            namespace: record.namespace,
            date: record.created.strftime("%Y-%m-%d").to_string(),
            command_uid: record.command_uid,
            node: record.node_name,
        })
    }

    /// An Invocation of this node, finished or not: from the cache, else from the API server.
    pub async fn invocation_of(
        &self,
        node: &NodeIdentity,
        name: &str,
    ) -> Result<InvocationRecord, RecordError> {
        match self.assignments.get(&NodeKey::from(node), name) {
            Some(record) if record.node_uid == node.uid => Ok(record),
            _ => self.fetch(node, name).await,
        }
    }

    async fn fetch(&self, node: &NodeIdentity, name: &str) -> Result<InvocationRecord, RecordError> {
        let invocation = get(&self.invocations_of(&node.namespace), name).await?;
        checked(&invocation, node)?;
        Ok(InvocationRecord::from(&invocation))
    }

    /// Whether this epoch is still the newest that this replica knows of.
    pub fn owns(&self, node: &NodeIdentity, epoch: Epoch) -> Result<(), RecordError> {
        let key = NodeKey::from(node);
        let claimed = self.claims.get(&key).filter(|claim| claim.uid == node.uid).map(|claim| claim.epoch);
        let seen = self.nodes.get(&key).filter(|record| record.uid == node.uid).map(|record| record.epoch);
        let newer = |known: Option<Epoch>| known.is_some_and(|known| known > epoch);
        if newer(claimed) || newer(seen) { Err(RecordError::Superseded) } else { Ok(()) }
    }

    fn invocations_of(&self, namespace: &str) -> Api<Invocation> {
        Api::namespaced(self.client.clone(), namespace)
    }
}

/// Whether an Invocation is this node's. Another's does not exist, as far as this node is told.
fn checked(invocation: &Invocation, node: &NodeIdentity) -> Result<(), RecordError> {
    let spec = &invocation.spec;
    if spec.node_name == node.name && spec.node_uid == node.uid { Ok(()) } else { Err(RecordError::NotFound) }
}
