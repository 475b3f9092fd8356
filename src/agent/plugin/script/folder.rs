//! Where a script lies and where it runs.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use crate::files::FileError;

/// Longest step name that is used as a folder's.
const NAME_LIMIT: usize = 128;

/// The folder of step `index`: the step's name, and one of the input `id` in it, where those are harmless. The
/// path is read by a shell.
pub fn of_step(root: &Path, index: u32, name: &str, id: &str) -> PathBuf {
    let folder = if is_plain_name(name) { root.join(name) } else { root.join(format!("step-{index}")) };
    if !id.is_empty() && id.split('/').all(is_plain_name) { folder.join(id) } else { folder }
}

/// Writes a script as `file` into its folder so that its owner can run it, and returns its path.
pub fn write_script(folder: &Path, file: &str, text: &str) -> Result<PathBuf, FileError> {
    let created = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    created.map_err(|error| FileError::new("create", folder, error))?;
    let path = folder.join(file);
    // A script of the same name may still run in the background: it keeps its file.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(FileError::new("replace", &path, error));
        }
        _ => {}
    }
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o700).open(&path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| FileError::new("write", &path, error))?;
    Ok(path)
}

/// The folder in which a script with this `workingDirectory` runs: itself if it is absolute, the one of this
/// name below the folder `downloads` if that exists, otherwise nothing, which means the agent's own.
pub fn working_directory(downloads: &Path, wanted: &str) -> Option<PathBuf> {
    if wanted.starts_with('/') {
        return Some(PathBuf::from(wanted));
    }
    let below = clean(&downloads.join(wanted));
    below.exists().then_some(below)
}

/// The path as one word of a shell command.
pub fn shell_word(path: &Path) -> std::ffi::OsString {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/_.:-".contains(byte);
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.iter().all(plain) {
        return path.as_os_str().to_owned();
    }
    let quoted = format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"));
    quoted.into()
}

/// Whether a name means nothing to a shell, to the file system or to Keelson.
fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    (1..=NAME_LIMIT).contains(&name.len())
        && name.bytes().all(plain)
        && !name.bytes().all(|byte| byte == b'.')
        && !name.starts_with(".keelson")
}

/// Resolves `.` and `..` by the text alone, as the real agent does: a folder that `..` leaves need not exist.
fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                cleaned.pop();
            }
            other => cleaned.push(other),
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn folder(name: &str, id: &str) -> String {
        of_step(Path::new("/r"), 3, name, id).display().to_string()
    }

    #[test]
    fn only_harmless_names_become_folders() {
        for name in ["a", "Install-Nginx_1.2", "aws:runShellScript", "..a", &"n".repeat(128)] {
            assert_eq!(folder(name, ""), format!("/r/{name}"));
        }
        for name in
            ["", ".", "..", "a b", "x;echo injected;#", "../x", ".keelson-output", "ä", &"n".repeat(129)]
        {
            assert_eq!(folder(name, ""), "/r/step-3");
        }
        assert_eq!(folder("a", "sub/two"), "/r/a/sub/two");
        assert_eq!((folder("a", "../two"), folder("a", "b c")), ("/r/a".into(), "/r/a".into()));
    }

    #[test]
    fn a_script_is_private_and_executable() {
        let root = tempfile::tempdir().unwrap();
        let path = write_script(&root.path().join("one/two"), "_script.sh", "a\nb\n").unwrap();
        assert_eq!(path, root.path().join("one/two/_script.sh"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "a\nb\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_script_that_still_runs_keeps_its_file() {
        let root = tempfile::tempdir().unwrap();
        let path = write_script(root.path(), "_script.sh", "first\n").unwrap();
        let running = fs::File::open(&path).unwrap();
        write_script(root.path(), "_script.sh", "second\n").unwrap();
        assert_eq!(io::read_to_string(running).unwrap(), "first\n");
    }

    #[test]
    fn a_relative_working_directory_is_below_downloads_where_it_exists() {
        let root = tempfile::tempdir().unwrap();
        let downloads = root.path().join("downloads");
        assert_eq!(working_directory(&downloads, "/no/such"), Some(PathBuf::from("/no/such")));
        assert_eq!(working_directory(&downloads, ""), None);
        assert_eq!(working_directory(&downloads, ".."), Some(root.path().to_owned()));
        fs::create_dir_all(downloads.join("sub")).unwrap();
        assert_eq!(working_directory(&downloads, ""), Some(downloads.clone()));
        assert_eq!(working_directory(&downloads, "sub"), Some(downloads.join("sub")));
        assert_eq!(working_directory(&downloads, "sub/../.."), Some(root.path().to_owned()));
        assert_eq!(working_directory(&downloads, "none"), None);
    }

    #[test]
    fn a_path_with_odd_characters_stays_one_word() {
        assert_eq!(shell_word(Path::new("/var/lib/keelson/a_1.sh")), "/var/lib/keelson/a_1.sh");
        assert_eq!(shell_word(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
