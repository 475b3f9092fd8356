//! The command line of `keelson-operator`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// AWS Systems Manager as a Kubernetes operator.
#[derive(Debug, Parser)]
#[command(name = "keelson-operator", version)]
pub struct Arguments {
    /// What to be.
    #[command(subcommand)]
    pub role: Role,
}

/// The processes this binary can be.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// Run the controllers. Several replicas may run; one leads.
    Run(RunArguments),
    /// Serve node agents. Several replicas may run; all serve.
    Gateway(GatewayArguments),
    /// Write the custom resource definitions, one file a kind.
    Crds {
        /// The folder to write to.
        directory: PathBuf,
    },
}

/// What both processes want to know.
#[derive(Debug, Clone, Args)]
pub struct CommonArguments {
    /// The namespace Keelson runs in: it holds the CA, the leases and the library of documents.
    #[arg(long, env = "KEELSON_NAMESPACE", default_value = "keelson-system")]
    pub namespace: String,
    /// Name of this replica; the pod's name in a cluster.
    #[arg(long, env = "KEELSON_REPLICA", default_value = "keelson-0")]
    pub replica: String,
    /// Where `/metrics`, `/healthz` and `/readyz` are served, in plain HTTP.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub http_address: std::net::SocketAddr,
    /// How logs are written to stderr. What is logged is set by RUST_LOG.
    #[arg(long, value_enum, default_value_t = LogFormat::Human)]
    pub log_format: LogFormat,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// `run`
#[derive(Debug, Clone, Args)]
pub struct RunArguments {
    /// What both processes want to know.
    #[command(flatten)]
    pub common: CommonArguments,
    /// Addresses at which nodes reach the gateway, `host:port`, written into the Secrets of Activations.
    #[arg(long, env = "KEELSON_GATEWAY_ADDRESSES", value_delimiter = ',')]
    pub gateway_addresses: Vec<String>,
    /// How long past its deadline an Invocation is left to its executor before it is given up, in seconds.
    #[arg(long, default_value_t = 60)]
    pub deadline_grace_seconds: u64,
    /// How long nodes that missed a run of an Association are gathered into one Command, in seconds.
    #[arg(long, default_value_t = 15)]
    pub catch_up_seconds: u64,
    /// How long a lease is held without renewal, in seconds.
    #[arg(long, default_value_t = 15)]
    pub lease_seconds: u16,
}

/// `gateway`
#[derive(Debug, Clone, Args)]
pub struct GatewayArguments {
    /// What both processes want to know.
    #[command(flatten)]
    pub common: CommonArguments,
    /// Where node agents connect: gRPC over mutual TLS.
    #[arg(long, default_value = "0.0.0.0:8443")]
    pub listen: std::net::SocketAddr,
    /// Addresses at which nodes reach the gateway, `host:port`, told to each node that connects.
    #[arg(long, env = "KEELSON_GATEWAY_ADDRESSES", value_delimiter = ',')]
    pub gateway_addresses: Vec<String>,
    /// Where output is kept: `file:///path`, a volume that every replica shares.
    #[arg(long, env = "KEELSON_ARCHIVE", default_value = "file:///var/lib/keelson/archive")]
    pub archive: String,
    /// Where the agent's programs are that nodes update to: `keelson-agent-x86_64` and `keelson-agent-aarch64`, of
    /// this gateway's version. Without it nodes cannot be updated from here.
    #[arg(long, env = "KEELSON_AGENT_DIRECTORY")]
    pub agent_directory: Option<PathBuf>,
    /// Days after which output is deleted from the archive.
    #[arg(long, default_value_t = 30)]
    pub archive_days: u32,
    /// How long a node's certificate lasts, in seconds; nodes renew at two thirds of it.
    #[arg(long, default_value_t = 86_400)]
    pub certificate_seconds: u32,
    /// Connections at once; more wait to be accepted. Each node holds one.
    #[arg(long, default_value_t = 20_000)]
    pub max_connections: usize,
    /// Connections at once from one address (IPv6: one /64) that have not shown a node's certificate: those of servers
    /// that enrol, and every one until its handshake is done. More are refused, and nodes try again. To be raised
    /// where all nodes come through one address and many at once.
    #[arg(long, default_value_t = 200)]
    pub max_strangers_per_address: usize,
    /// Connections at once of one node; more are refused.
    #[arg(long, default_value_t = 16)]
    pub max_connections_per_node: usize,
    /// How long a run may take before it is shown as InProgress, in seconds; shorter ones are written once.
    #[arg(long, default_value_t = 2)]
    pub in_progress_seconds: u64,
    /// How long a lease is held without renewal, in seconds.
    #[arg(long, default_value_t = 15)]
    pub lease_seconds: u16,
}
