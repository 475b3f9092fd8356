//! What every call and stream of one gateway has in common.

use std::sync::Arc;

use keelson_core::fleet::{Fleet, NodeIdentity, Placement, RecordError, Refusal};
use tokio::sync::watch;
use tonic::Status;

use crate::agent_program::AgentPrograms;
use crate::archive::Archive;
use crate::attach::Registry;
use crate::ca::CertificateAuthority;
use crate::metrics::Metrics;
use crate::placements::Placements;
use crate::settings::Settings;

/// The parts of a gateway.
pub(crate) struct Shared<F> {
    pub settings: Settings,
    pub authority: Arc<CertificateAuthority>,
    pub fleet: Arc<F>,
    pub archive: Archive,
    pub metrics: Arc<Metrics>,
    pub registry: Registry,
    pub placements: Placements,
    pub active: Active,
    pub agents: AgentPrograms,
}

impl<F: Fleet> Shared<F> {
    /// Where a run of this node keeps its output.
    pub async fn placement(
        &self,
        node: &NodeIdentity,
        invocation: &str,
        command_uid: &str,
    ) -> Result<Placement, RecordError> {
        if let Some(placement) = self.placements.get(node, invocation, command_uid) {
            return Ok(placement);
        }
        let placement = self.fleet.placement(node, invocation, command_uid).await?;
        self.placements.put(node, invocation, command_uid, placement.clone());
        Ok(placement)
    }
}

/// How many streams are not done yet, for a shutdown to wait for.
#[derive(Debug, Default)]
pub(crate) struct Active(watch::Sender<usize>);

impl Active {
    /// Counts until the guard is dropped.
    pub fn enter(&self) -> ActiveGuard {
        self.0.send_modify(|count| *count += 1);
        ActiveGuard(self.0.clone())
    }

    /// Waits until nothing counts.
    pub async fn none(&self) {
        let mut count = self.0.subscribe();
        let _ended = count.wait_for(|count| *count == 0).await; // the sender is in `self`
    }
}

/// See [`Active::enter`].
#[derive(Debug)]
pub(crate) struct ActiveGuard(watch::Sender<usize>);

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// A refusal as gRPC says it. An agent takes `NotFound` for the end of its enrolment, and nothing else.
pub(crate) fn refused(refusal: &Refusal) -> Status {
    let message = refusal.to_string();
    match refusal {
        Refusal::Unauthenticated(_) => Status::unauthenticated(message),
        Refusal::Denied(_) => Status::failed_precondition(message),
        Refusal::Unknown(_) => Status::not_found(message),
        Refusal::Unavailable(_) => Status::unavailable(message),
    }
}
