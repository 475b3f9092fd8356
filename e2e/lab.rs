//! A whole installation for one test: control plane, Keelson, booted nodes with enrolled agents.

use std::path::{Path, PathBuf};

use keelson_api::ManagedNode;
use kube::{Api, Client};

use crate::assets;
use crate::keelson::{Keelson, Settings};
use crate::network::Network;
use crate::node::Node;

/// Everything, in the order it is dropped.
pub struct Lab {
    /// Operator, gateways and cluster.
    pub keelson: Keelson,
    /// Booted nodes, host names `node1` and on.
    pub nodes: Vec<Node>,
    /// Their ManagedNodes' names, in the same order.
    pub names: Vec<String>,
    /// Their network.
    pub network: Network,
    folder: PathBuf,
    keep: bool,
}

impl Lab {
    /// Starts with the quick settings, `count` nodes and the tag `Role: web`. `test` names the folder of the logs,
    /// which stays if the test fails.
    pub async fn start(test: &str, count: u8) -> anyhow::Result<Self> {
        Self::start_with(test, count, |_| {}).await
    }

    /// The same, with settings changed.
    pub async fn start_with(
        test: &str,
        count: u8,
        change: impl FnOnce(&mut Settings),
    ) -> anyhow::Result<Self> {
        let folder = assets::project().join("target/e2e").join(test);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let folder = folder.canonicalize()?;
        let network = Network::create()?;
        Keelson::provide_agent(&network)?;
        let mut settings = Settings::quick(network.host_address().into());
        change(&mut settings);
        let (keelson, nodes) =
            futures::try_join!(Keelson::start(&folder, &settings), Node::boot_many(&network, count))?;
        let names = if count == 0 { Vec::new() } else { keelson.enrol_all(&nodes, "Role: web").await? };
        Ok(Self { keelson, nodes, names, network, folder, keep: false })
    }

    /// A client with every right.
    pub fn client(&self) -> Client {
        self.keelson.client()
    }

    /// The ManagedNodes.
    pub fn managed_nodes(&self) -> Api<ManagedNode> {
        Api::namespaced(self.client(), "default")
    }

    /// Where logs and the archive are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Leaves the folder where it is when the lab ends, for who wants the logs of a failure.
    pub fn keep(&mut self) {
        self.keep = true;
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("logs of operator, gateways and control plane are in {}", self.folder.display());
        } else if !self.keep
            && let Err(error) = std::fs::remove_dir_all(&self.folder)
        {
            eprintln!("failed to remove {}: {error}", self.folder.display());
        }
    }
}
