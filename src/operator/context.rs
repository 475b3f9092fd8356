//! What every controller is given.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use keelson_core::clock::Ages;
use kube::Client;

use crate::events::Events;
use crate::index::Index;
use crate::metrics::Metrics;

/// Shared by all controllers of a process.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Keelson's own namespace: the library, the CA and the leases.
    pub namespace: String,
    /// Caches of the fleet that several controllers read.
    pub index: Index,
    /// Kubernetes Events.
    pub events: Events,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// Ages of objects that no jump of the clock can change.
    pub ages: Ages,
    /// Durations and addresses from the command line.
    pub settings: Settings,
}

/// Durations and addresses from the command line.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where nodes reach the gateway.
    pub gateway_addresses: Vec<String>,
    /// How long past its deadline an Invocation is left to its executor.
    pub deadline_grace: Duration,
    /// How long nodes that missed a run are gathered.
    pub catch_up: Duration,
    /// How long a lease is held without renewal.
    pub lease: Duration,
}

/// The wall clock. Only for what people read and for schedules: deadlines use [`Context::ages`].
pub fn now() -> Timestamp {
    Timestamp::now()
}
