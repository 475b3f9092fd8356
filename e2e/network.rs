//! The network of a run: a bridge in a namespace of its own, one namespace for each node, and a link to the machine.
//!
//! Processes of the root namespace listen on [`Network::host_address`] for the nodes, and still reach the API server
//! on loopback. Nodes reach each other and the host, and nothing else.

pub mod cgroup;
mod slot;

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, ensure};

use self::slot::Slot;
use crate::node::Node;
use crate::{assets, shell};

/// Nodes have the addresses from .11 on; .254 is the host.
const FIRST_NODE: u8 = 10;
const HOST: u8 = 254;
const INOTIFY_INSTANCES: &str = "/proc/sys/fs/inotify/max_user_instances";
const ENOUGH_INOTIFY_INSTANCES: u32 = 4096;
/// How many nodes fit a network.
pub const MAX_NODES: u8 = 200;

/// A network for nodes. Clones are the same network; it goes when the last clone and the last node are dropped.
#[derive(Clone, Debug)]
pub struct Network {
    slot: Arc<Slot>,
    node_root: PathBuf,
}

impl Network {
    /// Makes one beside those of other runs, after cleaning up what killed runs have left. Needs root.
    pub fn create() -> anyhow::Result<Self> {
        cleanup_stale()?;
        allow_many_nodes()?;
        let network = Self { node_root: assets::node_root()?, slot: Arc::new(Slot::claim()?) };
        fs::create_dir_all(network.common_layer())?;
        let (hub, host) = (network.slot.name("hub"), network.slot.name("host"));
        let host_address = network.address(HOST);
        for command in [
            format!("ip netns add {hub}"),
            format!("ip -n {hub} link set lo up"),
            format!("ip -n {hub} link add br0 type bridge"),
            format!("ip -n {hub} link set br0 up"),
            format!("ip link add {host} type veth peer name host netns {hub}"),
            format!("ip -n {hub} link set host master br0 up"),
            format!("ip address add {host_address}/24 dev {host}"),
            format!("ip link set {host} up"),
        ] {
            shell::words(&command)?;
        }
        Ok(network)
    }

    /// The machine's own address on this network: what gateways listen on and nodes connect to.
    pub fn host_address(&self) -> Ipv4Addr {
        self.address(HOST)
    }

    /// Gives the machine one more address that these nodes reach, whatever subnet it is of: what is recorded of
    /// nodes elsewhere names addresses that were theirs.
    pub fn add_host_address(&self, address: Ipv4Addr, nodes: &[Node]) -> anyhow::Result<()> {
        let host = self.slot.name("host");
        shell::words(&format!("ip address replace {address}/32 dev {host}"))?;
        for node in nodes {
            let name = self.node_name(node.index());
            shell::words(&format!("ip -n {name} route replace {address}/32 dev eth0"))?;
        }
        Ok(())
    }

    /// The address of the node with this index, which starts at 1.
    pub fn node_address(&self, index: u8) -> Ipv4Addr {
        self.address(FIRST_NODE + index)
    }

    /// A folder whose files are on every node booted afterwards, under the same path: the place for the agent's binary.
    ///
    /// It is a read-only layer of the nodes' root, so twenty nodes do not hold twenty copies.
    pub fn common_layer(&self) -> PathBuf {
        self.slot.folder().join("common")
    }

    pub(crate) fn node_root(&self) -> &Path {
        &self.node_root
    }

    pub(crate) fn node_folder(&self, index: u8) -> PathBuf {
        self.slot.folder().join(format!("node{index}"))
    }

    /// The name of a node's namespace and cgroup.
    pub(crate) fn node_name(&self, index: u8) -> String {
        self.slot.name(&format!("node{index}"))
    }

    /// Makes the namespace of a node and plugs it into the bridge.
    pub(crate) fn plug_in(&self, index: u8) -> anyhow::Result<()> {
        ensure!((1..=MAX_NODES).contains(&index), "node {index} is not between 1 and {MAX_NODES}");
        let (hub, node, address) = (self.slot.name("hub"), self.node_name(index), self.node_address(index));
        for command in [
            format!("ip netns add {node}"),
            format!("ip -n {hub} link add node{index} type veth peer name eth0 netns {node}"),
            format!("ip -n {hub} link set node{index} master br0 up"),
            format!("ip -n {node} link set lo up"),
            format!("ip -n {node} address add {address}/24 dev eth0"),
            format!("ip -n {node} link set eth0 up"),
        ] {
            shell::words(&command)?;
        }
        Ok(())
    }

    /// Removes what [`Self::plug_in`] made.
    pub(crate) fn unplug(&self, index: u8) -> anyhow::Result<()> {
        shell::run("ip", ["netns", "delete", &self.node_name(index)])?;
        Ok(())
    }

    /// Sets the bridge's end of a node's cable `up` or `down`.
    pub(crate) fn set_link(&self, index: u8, state: &str) -> anyhow::Result<()> {
        shell::words(&format!("ip -n {} link set node{index} {state}", self.slot.name("hub")))?;
        Ok(())
    }

    fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.slot.number(), last)
    }
}

/// Raises the kernel's limit on inotify instances: each node's systemd holds six or seven of them, all for the user
/// root, and with the usual limit of 128 the twenty-first node, of whatever run, would hang while it boots.
///
/// This stays until the machine is booted again. Other runs may rely on it, and nothing is used up by it.
fn allow_many_nodes() -> anyhow::Result<()> {
    let limit = fs::read_to_string(INOTIFY_INSTANCES)?;
    if limit.trim().parse::<u32>().is_ok_and(|limit| limit >= ENOUGH_INOTIFY_INSTANCES) {
        return Ok(());
    }
    fs::write(INOTIFY_INSTANCES, ENOUGH_INOTIFY_INSTANCES.to_string())
        .with_context(|| format!("failed to raise {INOTIFY_INSTANCES} to {ENOUGH_INOTIFY_INSTANCES}"))
}

/// Removes what killed runs have left: processes, mounts, network namespaces, cgroups, files. Runs still going keep theirs.
pub fn cleanup_stale() -> anyhow::Result<()> {
    slot::clean_up_after_all()
}
