//! A cgroup for one node, in every hierarchy its systemd looks at.
//!
//! Nodes booted from one shell share their cgroups otherwise: a unit stopped on one could take another's processes.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

const ROOT: &str = "/sys/fs/cgroup";
/// Where cgroup v1 is mounted: systemd's own hierarchies, and those that measure a node.
const VERSION_1: [&str; 5] = ["systemd", "unified", "memory", "pids", "cpuacct"];

const ATTEMPTS: u32 = 500;
const PAUSE: Duration = Duration::from_millis(10);

/// One cgroup, as its folders in the hierarchies.
#[derive(Clone, Debug)]
pub struct Cgroup {
    folders: Vec<PathBuf>,
}

impl Cgroup {
    /// Makes it, empty.
    pub fn create(name: &str) -> anyhow::Result<Self> {
        let cgroup = Self { folders: hierarchies().into_iter().map(|root| root.join(name)).collect() };
        if cgroup.folders.is_empty() {
            bail!("there are no cgroups under {ROOT}");
        }
        for folder in &cgroup.folders {
            fs::create_dir_all(folder).with_context(|| format!("failed to make the cgroup {folder:?}"))?;
        }
        Ok(cgroup)
    }

    /// Those that exist and whose names start with `prefix`, each with all its folders.
    pub fn existing(prefix: &str) -> Self {
        let children = hierarchies().into_iter().flat_map(|root| subfolders(&root));
        let matches = |folder: &PathBuf| {
            folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        };
        Self { folders: children.filter(matches).collect() }
    }

    /// Its folder in each hierarchy: a process joins by writing its id to `cgroup.procs` in all of them.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// The processes in a cgroup below it that is named `unit`, such as a systemd service.
    pub fn processes_of(&self, unit: &str) -> Vec<u32> {
        let mut found = Vec::new();
        for folder in self.all_folders() {
            if folder.file_name().is_some_and(|name| name == unit) {
                found.extend(processes(&folder));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// CPU time used by everything that ever ran in it.
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        for folder in &self.folders {
            if let Ok(text) = fs::read_to_string(folder.join("cpuacct.usage")) {
                return Ok(Duration::from_nanos(text.trim().parse()?));
            }
            let Ok(text) = fs::read_to_string(folder.join("cpu.stat")) else { continue };
            if let Some(line) = text.lines().find_map(|line| line.strip_prefix("usage_usec ")) {
                return Ok(Duration::from_micros(line.trim().parse()?));
            }
        }
        bail!("no CPU accounting in {:?}", self.folders)
    }

    /// Kills whatever is in it and returns when all of it has ended.
    pub fn kill(&self) -> anyhow::Result<()> {
        for _ in 0..ATTEMPTS {
            let left: Vec<u32> = self.all_folders().iter().flat_map(|folder| processes(folder)).collect();
            if left.is_empty() {
                return Ok(());
            }
            for pid in left.into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
                // It may have ended since.
                let _ = kill_process(pid, Signal::KILL);
            }
            thread::sleep(PAUSE);
        }
        bail!("processes in {:?} did not end on SIGKILL", self.folders)
    }

    /// Kills whatever is in it, then removes it with all below it.
    pub fn destroy(&self) -> anyhow::Result<()> {
        for _ in 0..ATTEMPTS {
            self.kill()?;
            // Something may have joined since, and the kernel lets go of a cgroup in its own time.
            if self.all_folders().into_iter().all(|folder| fs::remove_dir(folder).is_ok()) {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        bail!("failed to remove the cgroup {:?}", self.folders)
    }

    fn all_folders(&self) -> Vec<PathBuf> {
        self.folders.iter().flat_map(|folder| below(folder)).collect()
    }
}

fn hierarchies() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    if root.join("cgroup.controllers").exists() {
        return vec![root.to_owned()];
    }
    let mounted = |folder: &PathBuf| folder.join("cgroup.procs").exists();
    VERSION_1.iter().map(|name| root.join(name)).filter(mounted).collect()
}

/// The folder and all below it, the deepest first.
fn below(folder: &Path) -> Vec<PathBuf> {
    if !folder.is_dir() {
        return Vec::new();
    }
    let mut all: Vec<PathBuf> = subfolders(folder).iter().flat_map(|child| below(child)).collect();
    all.push(folder.to_owned());
    all
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn processes(folder: &Path) -> Vec<u32> {
    let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}
