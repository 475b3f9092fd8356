//! How much a run's folder takes, and its removal.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes on the disk of everything in a folder. Symbolic links are not followed; what cannot be read is left
/// out. A script may have nested folders as deep as it likes, so this does not recurse.
pub fn size(path: &Path) -> u64 {
    const BLOCK: u64 = 512; // what stat counts in, on every file system
    let mut bytes = 0;
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            bytes += metadata.blocks() * BLOCK;
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    bytes
}

/// Removes a folder; whether it is gone.
pub fn remove(path: &Path) -> bool {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "cannot remove a run's folder");
            false
        }
        _ => true,
    }
}
