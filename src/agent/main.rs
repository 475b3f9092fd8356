//! `keelson-agent`: enrols a server as a node and runs what the control plane sends it.

mod files;
mod run_directory;

fn main() {}
