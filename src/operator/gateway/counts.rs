//! The gateway's counts, as `/metrics` shows them.

use keelson_gateway::{Gateway, Refused};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::fleet::KubernetesFleet;
use crate::metrics::Metrics;

/// Adds the gateway's counts to those of the process.
pub fn register(metrics: &Metrics, gateway: &Gateway<KubernetesFleet>) {
    let counts = Counts(gateway.clone());
    metrics.register(|registry| {
        registry.sub_registry_with_prefix("gateway").register_collector(Box::new(counts));
    });
}

struct Counts(Gateway<KubernetesFleet>);

impl std::fmt::Debug for Counts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Counts")
    }
}

impl Collector for Counts {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let counts = self.0.metrics();
        let connected = ConstGauge::new(i64::try_from(self.0.connected_nodes().len()).unwrap_or(i64::MAX));
        let help = "Nodes that are connected to this replica";
        let descriptor = encoder.encode_descriptor("connected_nodes", help, None, connected.metric_type())?;
        connected.encode(descriptor)?;
        for (name, help, value) in [
            ("connections", "TLS connections that were accepted", &counts.connections),
            ("handshakes_failed", "TLS handshakes that failed", &counts.handshakes_failed),
            ("handshakes_timed_out", "TLS handshakes that took too long", &counts.handshakes_timed_out),
            (
                "refused_by_address",
                "Connections refused because too many of their address showed no node's certificate",
                &counts.refused_by_address,
            ),
            (
                "refused_by_node",
                "Connections refused because their node had too many",
                &counts.refused_by_node,
            ),
            ("streams", "Nodes that connected", &counts.streams),
            ("streams_refused", "Nodes whose connection was refused", &counts.streams_refused),
            (
                "streams_superseded",
                "Connections that ended for a newer one of their node",
                &counts.streams_superseded,
            ),
            ("dispatches", "Runs sent to nodes", &counts.dispatches),
            ("results", "Results that were stored", &counts.results),
            (
                "results_put_off",
                "Results that nodes were asked to say again, for want of room",
                &counts.results_put_off,
            ),
            ("retries", "Calls about runs that had to be repeated", &counts.retries),
            ("output_bytes", "Bytes of output put into the archive", &counts.output_bytes),
            ("archive_errors", "Writes to the archive that failed", &counts.archive_errors),
            ("agent_downloads", "Downloads of the agent's program", &counts.agent_downloads),
            ("enrolments", "Enrolments granted", &counts.enrolments),
            ("renewals", "Certificates renewed", &counts.renewals),
        ] {
            let counter = ConstCounter::new(value.get());
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        refusals(&mut encoder, &counts.refused)
    }
}

fn refusals(encoder: &mut DescriptorEncoder<'_>, refused: &Refused) -> Result<(), std::fmt::Error> {
    let help = "Enrolments and renewals that were refused, by reason";
    let mut family = encoder.encode_descriptor("refusals", help, None, MetricType::Counter)?;
    for (reason, value) in [
        ("invalid", &refused.invalid),
        ("unauthenticated", &refused.unauthenticated),
        ("denied", &refused.denied),
        ("unknown", &refused.unknown),
        ("unavailable", &refused.unavailable),
    ] {
        let labels = [("reason", reason)];
        ConstCounter::new(value.get()).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
