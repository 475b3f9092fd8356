//! The gateway: the gRPC server that node agents connect to.

pub mod archive;
mod ca;
mod metrics;
mod peer;
mod tls;

pub use archive::Archive;
pub use ca::{CaError, CertificateAuthority};
pub use metrics::{Counter, Metrics, Refused};
