//! Files on a node, reached from the host: through the mounts of its PID 1 while it is up, else on its disk.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};

use super::Node;

impl Node {
    /// Copies a file of the host to `path` on the node, with its permissions; folders are made as needed.
    pub fn copy_in(&self, source: &Path, path: &str) -> anyhow::Result<()> {
        let target = self.prepare(path)?;
        fs::copy(source, &target).with_context(|| format!("failed to copy {source:?} to {target:?}"))?;
        Ok(())
    }

    /// Writes a file on the node (mode 0644 if it is new); folders are made as needed.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
        let target = self.prepare(path)?;
        fs::write(&target, content).with_context(|| format!("failed to write {target:?}"))
    }

    /// As [`Self::write`], and makes it executable.
    pub fn write_executable(&self, path: &str, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
        self.write(path, content)?;
        Ok(fs::set_permissions(self.host_path(path)?, fs::Permissions::from_mode(0o755))?)
    }

    /// Reads a file of the node. What is not UTF-8 in it is replaced.
    pub fn read(&self, path: &str) -> anyhow::Result<String> {
        let source = self.host_path(path)?;
        let content = fs::read(&source).with_context(|| format!("failed to read {source:?}"))?;
        Ok(String::from_utf8_lossy(&content).into_owned())
    }

    /// Whether there is something at `path` on the node.
    pub fn exists(&self, path: &str) -> bool {
        self.host_path(path).is_ok_and(|path| path.symlink_metadata().is_ok())
    }

    /// Where the host finds a path of the node. `/tmp` and `/run` are there only while it is up.
    ///
    /// An absolute symbolic link on the way would lead to the host's own files; the node's root has none where tests write.
    pub fn host_path(&self, path: &str) -> anyhow::Result<PathBuf> {
        let inside = path.strip_prefix('/').with_context(|| format!("{path:?} is not an absolute path"))?;
        ensure!(!inside.split('/').any(|part| part == ".."), "{path:?} goes upwards");
        let root = match self.machine.init() {
            Some(init) => format!("/proc/{init}/root").into(),
            None => self.folder.join("root"),
        };
        Ok(root.join(inside))
    }

    fn prepare(&self, path: &str) -> anyhow::Result<PathBuf> {
        let target = self.host_path(path)?;
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).with_context(|| format!("failed to make {folder:?}"))?;
        }
        Ok(target)
    }
}
