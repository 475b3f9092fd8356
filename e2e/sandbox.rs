//! For machines where nodes cannot be booted: says why not, and runs agents as ordinary processes instead.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::{
    network::Network,
    node::Node,
    process::{Process, Program},
};

/// Whether nodes can be booted here, found out by booting one. The error is the reason, for a person.
pub async fn can_boot_nodes() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("booting nodes needs root".to_owned());
    }
    let trial = async {
        let network = Network::create()?;
        Node::boot(&network, 1).await.map(drop)
    };
    trial.await.map_err(|error: anyhow::Error| format!("a node does not boot here: {error:#}"))
}

/// An agent as an ordinary process of this machine, with a state folder of its own. Dropping it kills it.
#[derive(Debug)]
pub struct ProcessNode {
    name: String,
    state: PathBuf,
    process: Process,
}

impl ProcessNode {
    /// Starts `agent` with `arguments`, which the caller makes to name the folder `state`; its log goes there too.
    pub fn start(name: &str, agent: &Path, arguments: &[&str], state: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(state)
            .with_context(|| format!("failed to make the state folder {state:?}"))?;
        let process = Process::start(Program::new(agent, state.join("agent.log")).args(arguments))?;
        Ok(Self { name: name.to_owned(), state: state.to_owned(), process })
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its state folder.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The agent's process, to kill, restart and measure.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
