//! The files that the arguments name, and what they hold.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The largest file that is read: room for many manifests.
const LARGEST: u64 = 16 * 1024 * 1024;
/// What names standard input.
const STDIN: &str = "-";

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The system says no.
    #[error("cannot read {0:?}: {1}")]
    Io(String, io::Error),
    /// It is no text.
    #[error("cannot read {0:?}: it is no UTF-8 text, so save it as UTF-8")]
    NoText(String),
    /// It is no file that somebody wrote.
    #[error("cannot read {0:?}: it has more than {LARGEST} bytes")]
    TooLarge(String),
}

/// A file to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name in messages.
    pub name: String,
    /// Whether a user named it, and not the folder it is in.
    pub is_named: bool,
    path: Option<PathBuf>,
}

impl Source {
    /// The text of the file.
    pub fn read(&self) -> Result<String, Unreadable> {
        let mut bytes = Vec::new();
        let read = match &self.path {
            Some(path) => File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)),
            None => io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes),
        };
        match read {
            Err(error) => Err(Unreadable::Io(self.name.clone(), error)),
            Ok(_) if bytes.len() as u64 > LARGEST => Err(Unreadable::TooLarge(self.name.clone())),
            Ok(_) => String::from_utf8(bytes).map_err(|_| Unreadable::NoText(self.name.clone())),
        }
    }
}

/// The files that are named, with those in named folders, each folder in the order of names. What cannot be read is added
/// to `unreadable`.
pub fn find(named: &[OsString], unreadable: &mut Vec<String>) -> Vec<Source> {
    let mut sources = Vec::new();
    for name in named {
        let path = Path::new(name);
        if name == STDIN {
            sources.push(Source { name: "<stdin>".to_owned(), is_named: true, path: None });
        } else if path.is_dir() {
            walk(path, &mut sources, unreadable);
        } else {
            sources.push(source(path, true));
        }
    }
    sources
}

fn source(path: &Path, is_named: bool) -> Source {
    Source { name: path.display().to_string(), is_named, path: Some(path.to_owned()) }
}

/// Adds the YAML and JSON files below a folder. Hidden ones, such as those of git, and folders behind links are left out.
fn walk(folder: &Path, sources: &mut Vec<Source>, unreadable: &mut Vec<String>) {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => {
            unreadable.push(Unreadable::Io(folder.display().to_string(), error).to_string());
            return;
        }
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries.iter().filter(|entry| !is_hidden(entry)) {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&path, sources, unreadable);
        } else if has_known_ending(&path) && path.is_file() {
            sources.push(source(&path, false));
        }
    }
}

fn is_hidden(entry: &fs::DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with('.')
}

fn has_known_ending(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    ["yaml", "yml", "json"].iter().any(|known| known.eq_ignore_ascii_case(ending))
}
