//! Where the parts that are built once are: runs their build scripts, which print a folder and are quick when it exists.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};

use crate::shell;

/// The folder of etcd, kube-apiserver, kube-controller-manager and kubectl; built first if it has to be.
pub fn control_plane() -> anyhow::Result<PathBuf> {
    built_by("control-plane/build.sh")
}

/// The root filesystem every test node starts from; made first if it has to be, which needs root.
pub fn node_root() -> anyhow::Result<PathBuf> {
    built_by("nodes/build.sh")
}

/// A signed apt repository for test nodes, as files; made first if it has to be, from Debian's own packages.
pub fn packages() -> anyhow::Result<PathBuf> {
    built_by("nodes/packages.sh")
}

/// Where built parts and the state of running nodes are: `$KEELSON_CACHE`, or `~/.cache/keelson`.
pub fn cache_folder() -> anyhow::Result<PathBuf> {
    if let Some(folder) = env::var_os("KEELSON_CACHE") {
        return Ok(folder.into());
    }
    let home = env::var_os("HOME").context("neither KEELSON_CACHE nor HOME is set: set one")?;
    Ok(Path::new(&home).join(".cache/keelson"))
}

/// The root of the project's tree.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The binary `keelson-operator`, as `make build` leaves it.
pub fn operator() -> anyhow::Result<PathBuf> {
    built("KEELSON_OPERATOR", "target/debug/keelson-operator")
}

/// The binary `keelson`, as `cargo build -p keelson-cli` leaves it.
pub fn cli() -> anyhow::Result<PathBuf> {
    built("KEELSON_CLI", "target/debug/keelson")
}

/// The static binary `keelson-agent`, as `make build` leaves it.
pub fn agent() -> anyhow::Result<PathBuf> {
    built("KEELSON_AGENT", "target/agent/keelson-agent")
}

/// A binary by its place in the tree, or where the variable says.
fn built(variable: &str, path: &str) -> anyhow::Result<PathBuf> {
    let binary = env::var_os(variable).map_or_else(|| project().join(path), PathBuf::from);
    let binary = binary.canonicalize();
    binary.with_context(|| format!("there is no {path}: run `make build`, or set {variable}"))
}

fn built_by(script: &str) -> anyhow::Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let folder = PathBuf::from(shell::run(&script, [] as [&str; 0])?.trim());
    ensure!(folder.is_dir(), "{} printed {folder:?}, which is no folder", script.display());
    Ok(folder)
}
