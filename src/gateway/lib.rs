//! The gateway: the gRPC server that node agents connect to.
//!
//! It enrols nodes, sends them what they are to run, hears what became of it, and keeps their output. Of the
//! control plane it knows only [`keelson_core::fleet::Fleet`], so it runs and is tested without Kubernetes.
//!
//! - `listener`, `tls`, `peer`, `ca`: who is at the other end of a connection.
//! - `enrolment`: how a server becomes a node. `node`: what a node may call.
//! - `attach`: a node's stream. `attach/session`: what comes and goes on it. `attach/run`: one run on it.
//! - `output`, `limit`, `archive`: whole outputs and full results. `agent_program`: the agent for nodes to update to.

mod agent_program;
pub mod archive;
mod attach;
mod backoff;
mod ca;
mod convert;
mod enrolment;
mod limit;
mod listener;
mod metrics;
mod node;
mod output;
mod peer;
mod placements;
mod server;
mod settings;
mod shared;
#[cfg(test)]
mod testing;
mod tls;

pub use archive::Archive;
pub use attach::ConnectedNode;
pub use ca::{CaError, CertificateAuthority};
pub use metrics::{Counter, Metrics, Refused};
pub use server::{Gateway, ServeError};
pub use settings::Settings;
pub use tls::TlsError;
