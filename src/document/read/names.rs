//! Names that become folders: of steps, of the plugins of schema 1.x, and of their properties.

use crate::errors::{Problems, quoted};

/// The longest name, in bytes: with what is put around it, still the name of a file.
const LONGEST: usize = 128;
/// The folder beside the steps' own that downloads go to.
const DOWNLOADS: &str = "downloads";

/// Checks a name: it is that of a folder, and on AWS's agent part of a shell command.
pub(super) fn check(name: &str, path: &str, problems: &mut Problems) {
    let allowed = |c: char| c.is_alphanumeric() || "_-.:".contains(c);
    if !name.chars().all(allowed) || name.starts_with(['.', '-']) {
        problems.add(
            path,
            format!(
                "{} is not allowed: use letters, digits, '_', '-', '.' and ':' only, with no '.' or '-' at the start",
                quoted(name)
            ),
        );
    } else if name.len() > LONGEST {
        problems.add(path, format!("has {} bytes: at most {LONGEST} are allowed", name.len()));
    } else if name.eq_ignore_ascii_case(DOWNLOADS) {
        problems.add(
            path,
            format!("{name:?} is reserved for the folder of downloaded files: choose another name"),
        );
    }
}
