//! Real parts for the cluster tests, the demo and the benchmarks: a Kubernetes control plane, booted nodes in a
//! network of their own, and the processes between them.
//!
//! Everything started here ends with the process that started it, however that process ends. Mounts, network
//! namespaces and cgroups of a run that was killed are removed by the next one ([`network::cleanup_stale`]).

pub mod assets;
pub mod chaos;
pub mod conformance;
pub mod control_plane;
pub mod corpus;
pub mod keelson;
pub mod lab;
pub mod network;
pub mod node;
pub mod process;
pub mod sandbox;
pub mod shell;
pub mod usage;
pub mod wait;
pub mod web;

pub use control_plane::ControlPlane;
pub use keelson::{Keelson, Settings};
pub use lab::Lab;
pub use network::Network;
pub use node::Node;
pub use process::{Process, Program};
pub use web::WebServer;
