//! The fleet as the gateway asks for it, answered from the API server and from caches of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use keelson_core::fleet::{
    Assignment, EnrolRequest, Epoch, Fleet, NodeFacts, NodeIdentity, Order, Placement, RecordError, Refusal,
    Report,
};
use kube::Client;

use super::assignments::AssignmentIndex;
use super::cache::Cache;
use super::claims::{Claims, NodeKey};
use super::nodes::NodeIndex;
use super::order::{self, OrderKey};
use crate::metrics::Metrics;

/// The control plane as this replica knows it.
pub struct KubernetesFleet {
    /// The API server.
    pub client: Client,
    /// This replica.
    pub replica: String,
    /// Every `ManagedNode`.
    pub nodes: NodeIndex,
    /// The unfinished Invocations of every node.
    pub assignments: AssignmentIndex,
    /// The nodes that are connected here.
    pub claims: Claims,
    /// Documents and parameters of the Commands that are being sent.
    pub orders: Cache<OrderKey, Arc<Order>>,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    stopping: AtomicBool,
    this: Weak<Self>,
}

impl KubernetesFleet {
    /// A fleet with empty caches.
    pub fn new(client: Client, replica: &str, metrics: Metrics) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            client,
            replica: replica.into(),
            nodes: NodeIndex::default(),
            assignments: AssignmentIndex::new(crate::context::now()),
            claims: Claims::default(),
            orders: Cache::new(order::CACHED),
            metrics,
            stopping: AtomicBool::new(false),
            this: this.clone(),
        })
    }

    /// From now on connections end because this replica does. Their nodes go to another replica, or come back to
    /// this one, and are not said to be lost meanwhile: where none takes a node over, the replica's lease expires
    /// and the operator says it.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether [`Self::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

impl Fleet for KubernetesFleet {
    async fn enrol(&self, request: EnrolRequest) -> Result<NodeIdentity, Refusal> {
        let Some(fleet) = self.this.upgrade() else {
            return Err(Refusal::Unavailable("the gateway stops".into()));
        };
        // In a task of its own: a server that goes away half-way must not cost a registration.
        let enrolment = tokio::spawn(async move { fleet.enrol_node(&request).await });
        enrolment.await.unwrap_or_else(|error| Err(Refusal::Unavailable(error.to_string())))
    }

    async fn may_renew(&self, node: &NodeIdentity) -> Result<(), Refusal> {
        self.identified(node).await.map(drop)
    }

    async fn unenrol(&self, node: &NodeIdentity) -> Result<(), Refusal> {
        self.remove(node).await
    }

    async fn claim(&self, node: &NodeIdentity, facts: &NodeFacts, boot_id: &str) -> Result<Epoch, Refusal> {
        self.take_over(node, facts, boot_id).await
    }

    async fn disconnected(&self, node: &NodeIdentity, epoch: Epoch) {
        let key = NodeKey::from(node);
        self.claims.remove(&key, epoch);
        if self.is_stopping() {
            return;
        }
        if let Err(error) = self.let_go(&key, &node.uid, epoch).await {
            tracing::warn!(namespace = key.namespace, node = key.name, error = %error, "failed to say that a node is lost; trying again later");
        }
    }

    fn assignments(&self, node: &NodeIdentity) -> Vec<Assignment> {
        self.assignments.of_node(node)
    }

    async fn order(&self, node: &NodeIdentity, invocation: &str) -> Result<Order, RecordError> {
        self.order_for(node, invocation).await
    }

    async fn placement(
        &self,
        node: &NodeIdentity,
        invocation: &str,
        command_uid: &str,
    ) -> Result<Placement, RecordError> {
        self.placement_of(node, invocation, command_uid).await
    }

    async fn record(
        &self,
        node: &NodeIdentity,
        epoch: Epoch,
        invocation: &str,
        command_uid: &str,
        report: Report,
    ) -> Result<(), RecordError> {
        self.store(node, epoch, invocation, command_uid, &report).await
    }
}
