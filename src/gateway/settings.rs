//! What can be set about a gateway.

use std::path::PathBuf;
use std::time::Duration;

/// What can be set about a gateway.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of this replica, told to nodes.
    pub name: String,
    /// Addresses, `host:port`, told to nodes for their next connections; none leaves what they have.
    pub addresses: Vec<String>,
    /// A run that ends sooner is recorded once, at its end.
    pub in_progress_after: Duration,
    /// A node may be away for this long before it counts as disconnected.
    pub reconnect_grace: Duration,
    /// A connection is asked this often whether it lives.
    pub keepalive_interval: Duration,
    /// An answer to that takes no longer; then the connection is closed.
    pub keepalive_timeout: Duration,
    /// A TLS handshake takes no longer.
    pub handshake_limit: Duration,
    /// A node's first message, and the control plane's word on it, each take no longer.
    pub hello_limit: Duration,
    /// A connection without a valid node certificate is closed after this long: it can only enrol or renew.
    pub stranger_limit: Duration,
    /// At a shutdown, streams get this long to store what they hold.
    pub stop_grace: Duration,
    /// Connections at once; more wait to be accepted.
    pub max_connections: usize,
    /// Handshakes at once; more wait to be accepted.
    pub max_handshakes: usize,
    /// Connections at once from one address (IPv6: one /64) that have not shown a valid node certificate: those in their
    /// handshake, and those of servers that enrol. More are closed. Behind one address there may be a whole site.
    pub max_strangers_per_address: usize,
    /// Connections at once that have shown one node's certificate; more are closed. A node needs one, and a second for
    /// a moment; those that it lost without a word are noticed after the keepalive.
    pub max_connections_per_node: usize,
    /// Pieces of output, 1 MiB each, that are received and written at once, by all nodes together.
    pub max_output_pieces: usize,
    /// Where the agent's programs are that nodes update to, such as `keelson-agent-x86_64`; none hands out none.
    pub agent_directory: Option<PathBuf>,
    /// Nodes that download the agent at once; more wait for their turn.
    pub max_agent_downloads: usize,
}

impl Settings {
    /// The defaults. A node that is cut off is noticed within 30 s.
    pub fn new(name: impl Into<String>, addresses: Vec<String>) -> Self {
        Self {
            name: name.into(),
            addresses,
            in_progress_after: Duration::from_secs(2),
            reconnect_grace: Duration::from_secs(10),
            keepalive_interval: Duration::from_secs(15),
            keepalive_timeout: Duration::from_secs(15),
            handshake_limit: Duration::from_secs(10),
            hello_limit: Duration::from_secs(10),
            stranger_limit: Duration::from_secs(60),
            stop_grace: Duration::from_secs(5),
            max_connections: 20_000,
            max_handshakes: 256,
            max_strangers_per_address: 200,
            max_connections_per_node: 16,
            max_output_pieces: 32,
            agent_directory: None,
            max_agent_downloads: 16,
        }
    }
}
