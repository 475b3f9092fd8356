//! Writing files so that a reader, or a power cut, finds the old text or the new one and never a piece.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Whether a write has to be on the disk before the call returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Readers see old or new; a power cut may lose it.
    Atomic,
    /// As `Atomic`, and it survives a power cut.
    Durable,
}

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FileError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    /// Says what was tried on which path.
    pub fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self { action, path: path.to_owned(), source }
    }
}

/// Replaces the file at `path` with `text`, readable by its owner alone.
pub fn replace(path: &Path, text: &[u8], durability: Durability) -> Result<(), FileError> {
    let temporary = temporary_beside(path);
    write_new(&temporary, text, durability).map_err(|error| FileError::new("write", &temporary, error))?;
    fs::rename(&temporary, path).map_err(|error| FileError::new("replace", path, error))?;
    if durability == Durability::Durable
        && let Some(folder) = path.parent()
    {
        sync_folder(folder)?;
    }
    Ok(())
}

/// Makes the entries of a folder survive a power cut.
pub fn sync_folder(folder: &Path) -> Result<(), FileError> {
    File::open(folder)
        .and_then(|handle| handle.sync_all())
        .map_err(|error| FileError::new("sync", folder, error))
}

/// The text of a file, or nothing where there is none.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match fs::read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::new("read", path, error)),
    }
}

fn write_new(path: &Path, text: &[u8], durability: Durability) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    if durability == Durability::Durable {
        file.sync_data()?;
    }
    Ok(())
}

fn temporary_beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_replaced_file_is_whole_private_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        replace(&path, b"one", Durability::Durable).unwrap();
        replace(&path, b"two", Durability::Atomic).unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_absent_file_is_no_error_and_a_failed_write_names_its_path() {
        assert!(read(Path::new("/nonexistent/x")).unwrap().is_none());
        let error = replace(Path::new("/nonexistent/x"), b"", Durability::Atomic).unwrap_err();
        assert!(error.to_string().starts_with("cannot write /nonexistent/x"), "{error}");
    }
}
