//! Keeps runs on one machine apart: each claims a number, from which its subnet and all names follow.
//!
//! A claim is a lock on a file, which the kernel gives back when its owner ends. So a number whose lock can be had
//! but whose file is not empty is what a killed run has left, and it is cleaned up before it is used again.

use std::{
    fs::{self, File, TryLockError},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use super::cgroup::Cgroup;
use crate::{assets, shell};

const CLAIMS: &str = "/run/keelson-e2e";

/// A claimed number. Dropping it removes everything that carries its name.
#[derive(Debug)]
pub struct Slot {
    number: u8,
    folder: PathBuf,
    claim: File,
}

impl Slot {
    /// Claims the first number that no running process holds and whose subnet the machine does not use.
    pub fn claim() -> anyhow::Result<Self> {
        fs::create_dir_all(CLAIMS)
            .with_context(|| format!("failed to make {CLAIMS:?}: network namespaces need root"))?;
        let runs = assets::cache_folder()?.join("run");
        for number in 0..=u8::MAX {
            let Some(mut claim) = try_claim(number)? else { continue };
            clean_up_after(number, &mut claim)?;
            if is_subnet_in_use(number)? {
                continue;
            }
            let folder = runs.join(number.to_string());
            // Left by a run before the machine was restarted: its claim is gone, its files are not.
            remove_folder(&folder)?;
            fs::create_dir_all(&folder)?;
            claim.write_all(folder.as_os_str().as_encoded_bytes())?;
            return Ok(Self { number, folder, claim });
        }
        bail!("all subnets from 10.77.0.0/24 to 10.77.255.0/24 are in use")
    }

    /// The third byte of the subnet.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// Where the files of this run's nodes go.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The machine-wide name of one of its parts. Short enough for an interface, which may have 15 characters.
    pub fn name(&self, part: &str) -> String {
        format!("{}{part}", prefix(self.number))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Err(error) = clean_up_after(self.number, &mut self.claim) {
            eprintln!("failed to clean up after the nodes of network {}: {error:#}", self.number);
        }
    }
}

/// Removes what killed runs have left: processes, mounts, network namespaces, cgroups, files. Runs still going keep theirs.
pub fn clean_up_after_all() -> anyhow::Result<()> {
    let Ok(entries) = fs::read_dir(CLAIMS) else { return Ok(()) };
    for entry in entries {
        let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(mut claim) = try_claim(number)? {
            clean_up_after(number, &mut claim)?;
        }
    }
    Ok(())
}

fn prefix(number: u8) -> String {
    format!("keelson{number}-")
}

/// The claim's file, locked; `None` while another process holds it.
fn try_claim(number: u8) -> anyhow::Result<Option<File>> {
    let path = Path::new(CLAIMS).join(number.to_string());
    let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
    let file = file.with_context(|| format!("failed to open {path:?}"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("failed to lock {path:?}")),
    }
}

fn clean_up_after(number: u8, claim: &mut File) -> anyhow::Result<()> {
    let mut folder = String::new();
    claim.rewind()?;
    claim.read_to_string(&mut folder)?;
    if folder.is_empty() {
        return Ok(());
    }
    let prefix = prefix(number);
    Cgroup::existing(&prefix).destroy()?;
    for mount in mounts_below(Path::new(&folder))? {
        shell::run("umount", [&mount])?;
    }
    for namespace in namespaces(&prefix)? {
        shell::run("ip", ["netns", "delete", &namespace])?;
    }
    remove_leftovers_of_nspawn(&prefix);
    // Its peer went with the namespace, but the kernel takes that namespace down in its own time.
    let host = format!("{prefix}host");
    if Path::new("/sys/class/net").join(&host).exists() {
        // It may be gone between the look and the deletion, which is as good.
        let _ = shell::run("ip", ["link", "delete", &host]);
    }
    remove_folder(Path::new(&folder))?;
    claim.set_len(0)?;
    claim.rewind()?;
    Ok(())
}

/// An nspawn that was killed leaves an empty folder for each machine.
fn remove_leftovers_of_nspawn(prefix: &str) {
    let Ok(folders) = fs::read_dir("/run/systemd/nspawn/propagate") else { return };
    for folder in folders.flatten().filter(|folder| folder.file_name().to_string_lossy().starts_with(prefix))
    {
        // Empty folders in a memory file system: not worth a failure.
        let _ = fs::remove_dir(folder.path());
    }
}

/// Names of the network namespaces that start with `prefix`.
fn namespaces(prefix: &str) -> anyhow::Result<Vec<String>> {
    let listed = shell::words("ip netns list")?;
    let names = listed.lines().filter_map(|line| line.split_whitespace().next());
    Ok(names.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect())
}

/// Mount points below `folder`, the newest first.
fn mounts_below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let table = fs::read_to_string("/proc/self/mountinfo").context("failed to read the mount table")?;
    let points = table.lines().filter_map(|line| line.split_whitespace().nth(4)).map(PathBuf::from);
    let mut points: Vec<PathBuf> = points.filter(|point| point.starts_with(folder)).collect();
    points.reverse();
    Ok(points)
}

fn is_subnet_in_use(number: u8) -> anyhow::Result<bool> {
    let subnet = format!(" 10.77.{number}.");
    Ok(shell::words("ip -oneline -4 address show")?.contains(&subnet)
        || shell::words("ip -4 route show")?.contains(&subnet[1..]))
}

fn remove_folder(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("failed to remove {folder:?}"))?;
    }
    Ok(())
}
