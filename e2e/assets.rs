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

/// Where built parts and the state of running nodes are: `$KEELSON_CACHE`, or `~/.cache/keelson`.
pub fn cache_folder() -> anyhow::Result<PathBuf> {
    if let Some(folder) = env::var_os("KEELSON_CACHE") {
        return Ok(folder.into());
    }
    let home = env::var_os("HOME").context("neither KEELSON_CACHE nor HOME is set: set one")?;
    Ok(Path::new(&home).join(".cache/keelson"))
}

fn built_by(script: &str) -> anyhow::Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let folder = PathBuf::from(shell::run(&script, [] as [&str; 0])?.trim());
    ensure!(folder.is_dir(), "{} printed {folder:?}, which is no folder", script.display());
    Ok(folder)
}
