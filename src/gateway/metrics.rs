//! What the gateway counts. The operator exports it; nothing here knows how.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn increment(&self) {
        self.add(1);
    }
}

/// Counts since the process started.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Connections that passed the handshake.
    pub connections: Counter,
    /// Handshakes that failed: another authority's certificate, or no TLS at all.
    pub handshakes_failed: Counter,
    /// Handshakes that took too long.
    pub handshakes_timed_out: Counter,
    /// Connections refused because their address had too many that have not shown a node's certificate.
    pub refused_by_address: Counter,
    /// Connections refused because their node had too many.
    pub refused_by_node: Counter,
    /// Streams of nodes that were opened and claimed.
    pub streams: Counter,
    /// Streams that were refused: node gone, or control plane away.
    pub streams_refused: Counter,
    /// Streams that ended because another connection owns the node.
    pub streams_superseded: Counter,
    /// Runs sent to nodes.
    pub dispatches: Counter,
    /// Results of runs, and refusals to run, that are stored and acknowledged.
    pub results: Counter,
    /// Results for which there was no place in memory, and that nodes were asked to say again.
    pub results_put_off: Counter,
    /// Tries to reach the control plane about a run that have to be repeated.
    pub retries: Counter,
    /// Bytes of output put into the archive.
    pub output_bytes: Counter,
    /// Writes to the archive that failed.
    pub archive_errors: Counter,
    /// Downloads of the agent's program that were begun.
    pub agent_downloads: Counter,
    /// Enrolments granted.
    pub enrolments: Counter,
    /// Certificates renewed.
    pub renewals: Counter,
    /// Enrolments and renewals refused, by reason.
    pub refused: Refused,
}

/// Why enrolments and renewals were refused.
#[derive(Debug, Default)]
pub struct Refused {
    /// The request itself is wrong.
    pub invalid: Counter,
    /// Wrong activation or code.
    pub unauthenticated: Counter,
    /// The activation has expired or is used up.
    pub denied: Counter,
    /// The node is gone.
    pub unknown: Counter,
    /// The control plane could not be asked.
    pub unavailable: Counter,
}
