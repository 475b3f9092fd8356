//! The folder in which content is gathered, and its way from there to its place.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::destination::Destination;
use crate::files::FileError;

/// What downloaded files may be used for: all, by their owner.
const FILE_MODE: u32 = 0o700;
/// What the names of staging folders begin with.
const PREFIX: &str = ".keelson-download-";
/// A staging folder of this age is no step's any more: none runs so long.
const ABANDONED: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// A folder beside the destination, on its file system, that goes when this does.
#[derive(Debug)]
pub struct Staging {
    path: PathBuf,
}

impl Staging {
    /// Makes the folder, and those above it that are missing. Its name is the step's own.
    pub fn create(destination: &Destination, command_uid: &str, step: u32) -> Result<Self, FileError> {
        let folder = destination.folder();
        make_folder(folder)?;
        remove_abandoned(folder);
        let path = folder.join(format!("{PREFIX}{command_uid}-{step}"));
        // What a worker left that was killed in the midst of this step.
        let _ = fs::remove_dir_all(&path);
        // Not one that somebody else may have made meanwhile.
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| FileError::new("create", &path, error))?;
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed is in nobody's way: its name is not used again.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes what workers left in `folder` that were killed in the midst of a download.
fn remove_abandoned(folder: &Path) {
    let is_staging = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        name.starts_with(PREFIX.as_bytes())
    };
    let is_old = |path: &PathBuf| {
        let changed = path.symlink_metadata().and_then(|found| found.modified());
        changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > ABANDONED))
    };
    // What cannot be listed or removed hinders no download.
    for path in entries(folder).unwrap_or_default().into_iter().filter(is_staging).filter(is_old) {
        let _ = fs::remove_dir_all(path);
    }
}

/// Moves a file to its place, at once and over what was there.
pub fn place_file(staged: &Path, name: &str, destination: &Destination) -> Result<(), FileError> {
    make_usable(staged)?;
    let target = destination.file(name);
    fs::rename(staged, &target).map_err(|error| FileError::new("create", &target, error))
}

/// Moves all that is in `staged` into the folder `target`, file by file where it holds some already.
pub fn place_tree(staged: &Path, target: &Path) -> Result<(), FileError> {
    make_folder(target)?;
    for entry in entries(staged)? {
        let file_name = entry.file_name().unwrap_or_default();
        place_entry(&entry, &target.join(file_name))?;
    }
    Ok(())
}

fn place_entry(staged: &Path, target: &Path) -> Result<(), FileError> {
    let is_folder = |path: &Path| path.symlink_metadata().is_ok_and(|found| found.is_dir());
    match (is_folder(staged), is_folder(target)) {
        (true, true) => return place_tree(staged, target),
        // A link is replaced and never followed: content must not reach a place that the step did not name.
        (true, false) => match fs::remove_file(target) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(FileError::new("replace", target, error));
            }
            _ => make_tree_usable(staged)?,
        },
        (false, _) => make_usable(staged)?,
    }
    fs::rename(staged, target).map_err(|error| FileError::new("create", target, error))
}

fn make_tree_usable(folder: &Path) -> Result<(), FileError> {
    for entry in entries(folder)? {
        if entry.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            make_tree_usable(&entry)?;
        } else {
            make_usable(&entry)?;
        }
    }
    Ok(())
}

/// Gives a file its mode; a link has none.
fn make_usable(file: &Path) -> Result<(), FileError> {
    let changed = file.symlink_metadata().and_then(|found| {
        if found.is_file() { fs::set_permissions(file, Permissions::from_mode(FILE_MODE)) } else { Ok(()) }
    });
    changed.map_err(|error| FileError::new("change the mode of", file, error))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let listed = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    listed.map_err(|error| FileError::new("list", folder, error))
}

fn make_folder(folder: &Path) -> Result<(), FileError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| FileError::new("create", folder, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_gets_its_place_and_mode_and_the_staging_folder_goes() {
        let root = tempfile::tempdir().unwrap();
        let wanted = format!("{}/new/file", root.path().display());
        let destination = Destination::new(Path::new("/"), &wanted);
        let staging = Staging::create(&destination, "uid", 2).unwrap();
        fs::write(staging.path().join("x"), "text").unwrap();
        place_file(&staging.path().join("x"), "ignored", &destination).unwrap();
        drop(staging);
        assert_eq!((fs::read(&wanted).unwrap(), mode(Path::new(&wanted))), (b"text".to_vec(), 0o700));
        assert_eq!(fs::read_dir(root.path().join("new")).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_download_left_goes_with_a_later_one_to_the_same_folder() {
        let root = tempfile::tempdir().unwrap();
        let made = |name: &str, age: Duration| {
            let path = root.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join("part"), "").unwrap();
            fs::File::open(&path).unwrap().set_modified(std::time::SystemTime::now() - age).unwrap();
            path
        };
        let abandoned = made(".keelson-download-other-0", ABANDONED * 2);
        let kept = [made(".keelson-download-busy-0", Duration::from_secs(60)), made("old", ABANDONED * 2)];
        let destination = Destination::new(root.path(), "");
        drop(Staging::create(&destination, "uid", 0).unwrap());
        assert!(!abandoned.exists() && kept.iter().all(|path| path.exists()));
    }

    #[test]
    fn a_tree_is_merged_and_replaces_files_of_the_same_name() {
        let root = tempfile::tempdir().unwrap();
        let (staged, target) = (root.path().join("staged"), root.path().join("target"));
        for folder in [staged.join("a/new"), target.join("a")] {
            fs::create_dir_all(folder).unwrap();
        }
        for (file, text) in [("a/f", "new"), ("a/new/g", "g"), ("h", "h")] {
            fs::write(staged.join(file), text).unwrap();
        }
        fs::write(target.join("a/f"), "old").unwrap();
        fs::write(target.join("a/kept"), "kept").unwrap();
        place_tree(&staged, &target).unwrap();
        for (file, text) in [("a/f", "new"), ("a/kept", "kept"), ("a/new/g", "g"), ("h", "h")] {
            assert_eq!(fs::read_to_string(target.join(file)).unwrap(), text);
        }
        assert_eq!([mode(&target.join("a/f")), mode(&target.join("a/new/g"))], [0o700, 0o700]);
    }

    #[test]
    fn a_link_in_the_way_is_replaced_and_what_it_points_to_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let [staged, target, elsewhere] =
            ["staged", "target", "elsewhere"].map(|name| root.path().join(name));
        for folder in [staged.join("a"), target.clone(), elsewhere.clone()] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(staged.join("a/f"), "new").unwrap();
        symlink(&elsewhere, target.join("a")).unwrap();
        place_tree(&staged, &target).unwrap();
        assert_eq!(fs::read_to_string(target.join("a/f")).unwrap(), "new");
        assert_eq!(fs::read_dir(elsewhere).unwrap().count(), 0);
    }
}
