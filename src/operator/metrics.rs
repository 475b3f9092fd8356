//! What `/metrics` shows. Labels are bounded: kinds, categories and AWS's statuses, never names of objects.

use std::sync::{Arc, Mutex};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Counters and gauges of a process.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    reconciles: Family<KindLabel, Counter>,
    reconcile_errors: Family<ErrorLabels, Counter>,
    invocations: Family<StatusLabel, Counter>,
    commands: Family<StatusLabel, Counter>,
    association_ticks_skipped: Counter,
    leader: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    kind: String,
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status_details: String,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("keelson");
        let metrics = Self {
            reconciles: Family::default(),
            reconcile_errors: Family::default(),
            invocations: Family::default(),
            commands: Family::default(),
            association_ticks_skipped: Counter::default(),
            leader: Gauge::default(),
            registry: Arc::default(),
        };
        registry.register("reconciles", "Reconciles by kind", metrics.reconciles.clone());
        registry.register(
            "reconcile_errors",
            "Failed reconciles by kind and reason",
            metrics.reconcile_errors.clone(),
        );
        registry.register(
            "invocations_finished",
            "Invocations that ended, by status details",
            metrics.invocations.clone(),
        );
        registry.register(
            "commands_finished",
            "Commands that ended, by status details",
            metrics.commands.clone(),
        );
        registry.register(
            "association_ticks_skipped",
            "Ticks that fell due while the last Command was still running",
            metrics.association_ticks_skipped.clone(),
        );
        registry.register("leader", "1 where this replica leads", metrics.leader.clone());
        Self { registry: Arc::new(Mutex::new(registry)), ..metrics }
    }
}

impl Metrics {
    /// A reconcile began.
    pub fn reconcile(&self, kind: &str) {
        self.reconciles.get_or_create(&KindLabel { kind: kind.into() }).inc();
    }

    /// A reconcile failed.
    pub fn reconcile_error(&self, kind: &str, reason: &str) {
        self.reconcile_errors.get_or_create(&ErrorLabels { kind: kind.into(), reason: reason.into() }).inc();
    }

    /// An Invocation ended.
    pub fn invocation_finished(&self, status_details: &str) {
        self.invocations.get_or_create(&StatusLabel { status_details: status_details.into() }).inc();
    }

    /// A Command ended.
    pub fn command_finished(&self, status_details: &str) {
        self.commands.get_or_create(&StatusLabel { status_details: status_details.into() }).inc();
    }

    /// A tick was skipped.
    pub fn association_tick_skipped(&self) {
        self.association_ticks_skipped.inc();
    }

    /// Whether this replica leads.
    pub fn set_leader(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    /// Adds metrics of a component.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        if let Ok(mut registry) = self.registry.lock() {
            add(&mut registry);
        }
    }

    /// The text format of OpenMetrics.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Ok(registry) = self.registry.lock()
            && let Err(error) = encode(&mut text, &registry)
        {
            tracing::warn!(error = %error, "failed to write metrics");
        }
        text
    }
}
