//! `keelson-operator`: the controllers, the gateway for node agents, and the definitions of the kinds.

mod activation;
mod args;
mod association;
mod command;
mod compliance;
mod context;
mod crds;
mod document;
mod documents;
mod error;
mod events;
mod gateway;
mod gateway_lease;
mod http;
mod index;
mod lease;
mod managed_node;
mod metrics;
mod patch;
mod run;
mod telemetry;
mod watch;

use clap::Parser as _;

use crate::args::{Arguments, Role};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    // Both the API server's client and the gateway use ring; rustls wants to be told once.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match arguments.role {
        Role::Run(run) => {
            telemetry::start(run.common.log_format);
            run::run(run).await
        }
        Role::Gateway(gateway) => {
            telemetry::start(gateway.common.log_format);
            gateway::run(gateway).await
        }
        Role::Crds { directory } => crds::write(&directory),
    }
}
