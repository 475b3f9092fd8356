//! The power of one node: a systemd-nspawn that is started again when its system reboots.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    network::cgroup::Cgroup,
    process::{Process, Program},
    usage,
    wait::eventually,
};

/// With this code nspawn says that the system in it asked for a reboot.
const REBOOT: i32 = 133;
const OFF_TIMEOUT: Duration = Duration::from_secs(60);

/// Joins the cgroups named before `--`, then becomes the command behind it.
const JOIN_CGROUPS: &str =
    r#"while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@""#;

/// A virtual machine in all but hardware. Clones are the same machine.
#[derive(Clone, Debug)]
pub struct Machine {
    program: Program,
    /// The process id of nspawn while the power is on.
    power: Arc<Mutex<Option<u32>>>,
}

/// What a machine is made of.
pub struct Hardware<'a> {
    /// Unique on this machine; also the name of its network namespace.
    pub name: &'a str,
    pub host_name: &'a str,
    pub root: &'a Path,
    pub log: PathBuf,
    pub cgroup: &'a Cgroup,
}

impl Machine {
    /// A machine that is off.
    pub fn new(hardware: Hardware) -> Self {
        let program = Program::new("/bin/sh", hardware.log)
            .args(["-c", JOIN_CGROUPS, "join-cgroups"])
            .args(hardware.cgroup.folders())
            .args(["--", "systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit"])
            // The node keeps its own resolver and time zone, as a server elsewhere would.
            .args(["--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=pipe"])
            .arg(format!("--machine={}", hardware.name))
            .arg(format!("--hostname={}", hardware.host_name))
            .arg(format!("--network-namespace-path=/run/netns/{}", hardware.name))
            .arg(format!("--directory={}", hardware.root.display()));
        Self { program, power: Arc::default() }
    }

    /// Switches it on. It boots in the background, and again whenever its system reboots, until it powers off.
    pub fn switch_on(&self) -> anyhow::Result<()> {
        let mut power = self.power();
        ensure!(power.is_none(), "the node is on already");
        let mut process = Process::start(self.program.clone())?;
        *power = Some(process.pid());
        drop(power);
        let machine = self.clone();
        thread::spawn(move || {
            while process.wait().is_ok_and(|status| status.code() == Some(REBOOT)) {
                let mut power = machine.power();
                if process.restart().is_err() {
                    break;
                }
                *power = Some(process.pid());
            }
            *machine.power() = None;
        });
        Ok(())
    }

    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        self.power().is_some()
    }

    /// The process id, on the host, of the node's PID 1. `None` while it is off or not yet that far.
    pub fn init(&self) -> Option<u32> {
        let nspawn = (*self.power())?;
        let is_init = |pid: &u32| usage::parent(*pid).ok() == Some(nspawn) && is_systemd(*pid);
        usage::all_processes().into_iter().find(is_init)
    }

    /// Powers off in order, as `poweroff` does. Returns when it is off.
    pub async fn power_off(&self) -> anyhow::Result<()> {
        if let Some(nspawn) = *self.power() {
            let pid =
                i32::try_from(nspawn).ok().and_then(Pid::from_raw).context("a process id out of range")?;
            kill_process(pid, Signal::TERM).context("failed to signal systemd-nspawn")?;
        }
        self.wait_until_off().await
    }

    /// Waits for the end of nspawn.
    pub async fn wait_until_off(&self) -> anyhow::Result<()> {
        eventually(OFF_TIMEOUT, "the node to power off", || async { Ok((!self.is_on()).then_some(())) }).await
    }

    /// The end of what its console and nspawn have said.
    pub fn console(&self) -> String {
        self.program.log_tail()
    }

    fn power(&self) -> MutexGuard<'_, Option<u32>> {
        self.power.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Before it becomes systemd, nspawn's child may still see the root of the host.
fn is_systemd(pid: u32) -> bool {
    std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|path| path.ends_with("systemd/systemd"))
}
