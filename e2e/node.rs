//! A test node: a machine with its own systemd, network, host name and boots, on a throw-away layer of one root.

mod files;
mod machine;

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use futures::future::try_join_all;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

use self::machine::{Hardware, Machine};
use crate::{
    network::{Network, cgroup::Cgroup},
    shell,
    wait::eventually,
};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
const BOOT_TIMEOUT: Duration = Duration::from_secs(90);

/// A node. Dropping it pulls its plug and removes everything it was made of.
#[derive(Debug)]
pub struct Node {
    index: u8,
    folder: PathBuf,
    network: Network,
    cgroup: Cgroup,
    machine: Machine,
}

impl Node {
    /// Makes node `index` (from 1 on) of `network`, boots it and waits until its system is up. Its host name is `node<index>`.
    pub async fn boot(network: &Network, index: u8) -> anyhow::Result<Self> {
        let node = Self::assemble(network, index).with_context(|| format!("failed to make node {index}"))?;
        node.power_on().await?;
        Ok(node)
    }

    /// Boots nodes 1 to `count` side by side.
    pub async fn boot_many(network: &Network, count: u8) -> anyhow::Result<Vec<Self>> {
        try_join_all((1..=count).map(|index| Self::boot(network, index))).await
    }

    fn assemble(network: &Network, index: u8) -> anyhow::Result<Self> {
        network.plug_in(index)?;
        let folder = network.node_folder(index);
        let root = folder.join("root");
        for part in ["upper", "work", "root"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let layers = format!(
            "lowerdir={}:{},upperdir={},workdir={}",
            network.common_layer().display(),
            network.node_root().display(),
            folder.join("upper").display(),
            folder.join("work").display()
        );
        shell::run(
            "mount",
            ["-t", "overlay", "overlay", "-o", &layers].map(Path::new).into_iter().chain([&*root]),
        )?;
        let name = network.node_name(index);
        let host_name = format!("node{index}");
        let machine_id = fs::read_to_string("/proc/sys/kernel/random/uuid")?.replace('-', "");
        fs::write(root.join("etc/machine-id"), machine_id)?;
        fs::write(root.join("etc/hostname"), format!("{host_name}\n"))?;
        fs::write(root.join("etc/hosts"), format!("127.0.0.1 localhost\n127.0.1.1 {host_name}\n"))?;
        let cgroup = Cgroup::create(&name)?;
        let log = folder.join("console.log");
        let hardware = Hardware { name: &name, host_name: &host_name, root: &root, log, cgroup: &cgroup };
        let machine = Machine::new(hardware);
        Ok(Self { index, folder, network: network.clone(), cgroup, machine })
    }

    /// Which node of its network this is, from 1 on.
    pub fn index(&self) -> u8 {
        self.index
    }

    /// Its host name.
    pub fn host_name(&self) -> String {
        format!("node{}", self.index)
    }

    /// Its address, which the host and the other nodes reach.
    pub fn address(&self) -> Ipv4Addr {
        self.network.node_address(self.index)
    }

    /// Runs a shell command on the node as root, with the rights and environment of a service started by its systemd.
    ///
    /// A failing command is an `Ok` with its exit code; see [`Self::shell`] for the other way.
    pub async fn run(&self, command: &str) -> anyhow::Result<Output> {
        // Through PID 1: what enters the node's namespaces from outside keeps every capability of the host, and
        // setting the clock there would set the host's.
        let service = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", "/bin/sh", "-c", command];
        self.enter(&service).await
    }

    /// As [`Self::run`], with the standard output of a command that must succeed.
    pub async fn shell(&self, command: &str) -> anyhow::Result<String> {
        let output = self.run(command).await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{command:?} on {} ended with {}: {}", self.host_name(), output.status, said.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The identity of this boot: another after a reboot.
    pub async fn boot_id(&self) -> anyhow::Result<String> {
        Ok(self.shell("cat /proc/sys/kernel/random/boot_id").await?.trim().to_owned())
    }

    /// Reboots in order and waits until the system is up again.
    pub async fn reboot(&self) -> anyhow::Result<()> {
        let before = self.init()?;
        kill_process(pid(before)?, Signal::INT).context("failed to ask the node's init for a reboot")?;
        eventually(BOOT_TIMEOUT, "the node to go down", || async {
            Ok((self.machine.init() != Some(before)).then_some(()))
        })
        .await?;
        self.wait_running().await
    }

    /// Powers off in order.
    pub async fn power_off(&self) -> anyhow::Result<()> {
        self.machine.power_off().await
    }

    /// Pulls the plug: nothing on the node gets to say goodbye.
    pub async fn crash(&self) -> anyhow::Result<()> {
        self.cgroup.kill()?;
        self.machine.wait_until_off().await
    }

    /// Switches the node on again after [`Self::power_off`] or [`Self::crash`], and waits until its system is up.
    pub async fn power_on(&self) -> anyhow::Result<()> {
        self.machine.switch_on()?;
        self.wait_running().await
    }

    /// Waits until the system has started all it starts at boot.
    pub async fn wait_running(&self) -> anyhow::Result<()> {
        let name = self.host_name();
        let what = format!("{name} to boot");
        let booted = eventually(BOOT_TIMEOUT, &what, || async {
            if !self.machine.is_on() {
                return Ok(Some(false));
            }
            if self.machine.init().is_none() {
                return Ok(None);
            }
            // A question asked while the bus comes up may never be answered.
            let question = self.enter(&["systemctl", "is-system-running"]);
            let output = tokio::time::timeout(ANSWER_TIMEOUT, question).await??;
            let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            match state.as_str() {
                "running" | "degraded" => Ok(Some(true)),
                _ => bail!("its system is {state:?}: {}", String::from_utf8_lossy(&output.stderr).trim()),
            }
        });
        let booted =
            booted.await.and_then(|on| if on { Ok(()) } else { bail!("the power of {name} is off") });
        booted.with_context(|| format!("the console of {name} says:\n{}", self.machine.console()))
    }

    /// Takes the node's link down: packets are lost, connections are not told.
    pub fn cut_off(&self) -> anyhow::Result<()> {
        self.network.set_link(self.index, "down")
    }

    /// Puts the link up again.
    pub fn reconnect(&self) -> anyhow::Result<()> {
        self.network.set_link(self.index, "up")
    }

    /// The process id, on the host, of the main process of a systemd unit.
    pub async fn pid_of(&self, unit: &str) -> anyhow::Result<u32> {
        let shown = self.enter(&["systemctl", "show", "--value", "--property=MainPID", unit]).await?;
        let wanted = String::from_utf8_lossy(&shown.stdout).trim().to_owned();
        let in_unit = self.processes_of(unit);
        let main = in_unit.into_iter().find(|pid| pid_on_node(*pid).as_deref() == Some(&wanted));
        main.with_context(|| format!("{unit} has no main process on {}", self.host_name()))
    }

    /// The process ids, on the host, of everything in the cgroup of a systemd unit.
    pub fn processes_of(&self, unit: &str) -> Vec<u32> {
        self.cgroup.processes_of(unit)
    }

    /// SIGKILL to the main process of a systemd unit; others of the unit live on if its `KillMode` lets them.
    pub async fn kill(&self, unit: &str) -> anyhow::Result<()> {
        let main = self.pid_of(unit).await?;
        kill_process(pid(main)?, Signal::KILL).with_context(|| format!("failed to kill {unit}"))
    }

    /// CPU time used by all that ever ran on the node.
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        self.cgroup.cpu_time()
    }

    /// Runs a program of the node in its namespaces, with the host's capabilities: only for what changes nothing.
    async fn enter(&self, command: &[&str]) -> anyhow::Result<Output> {
        let init = self.init()?.to_string();
        let mut entered = Command::new("nsenter");
        entered.args(["--target", &init, "--all"]).args(command).stdin(Stdio::null()).kill_on_drop(true);
        entered.output().await.context("failed to start nsenter")
    }

    fn init(&self) -> anyhow::Result<u32> {
        self.machine.init().with_context(|| format!("{} is not up", self.host_name()))
    }

    fn disassemble(&self) -> anyhow::Result<()> {
        // Its supervisor is told nothing: it sees nspawn end and the machine is off.
        self.cgroup.destroy()?;
        shell::run("umount", [self.folder.join("root")])?;
        self.network.unplug(self.index)?;
        fs::remove_dir_all(&self.folder)?;
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = self.disassemble() {
            // The network's end removes what this could not.
            eprintln!("failed to remove {}: {error:#}", self.host_name());
        }
    }
}

fn pid(number: u32) -> anyhow::Result<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw).context("a process id out of range")
}

/// What a process is called in the innermost process namespace it is in.
fn pid_on_node(pid: u32) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    numbers.split_whitespace().next_back().map(str::to_owned)
}
