//! Where content goes.

use std::path::{Path, PathBuf};

/// A step's `destinationPath`: absolute, or below the document's downloads.
#[derive(Debug)]
pub struct Destination {
    shown: String,
    path: PathBuf,
    is_folder: bool,
}

impl Destination {
    /// What a step of a document with these downloads calls `wanted`, which may be nothing.
    pub fn new(downloads: &Path, wanted: &str) -> Self {
        let shown = if wanted.starts_with('/') {
            wanted.to_owned()
        } else {
            format!("{}/{wanted}", downloads.display())
        };
        let path = PathBuf::from(&shown);
        let is_folder = shown.ends_with('/') || path.is_dir();
        Self { shown, path, is_folder }
    }

    /// As the step's output names it.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a file goes that is called `name`: into a folder, which is one that exists or a path that ends in `/`;
    /// anything else is the path of the file itself.
    pub fn file(&self, name: &str) -> PathBuf {
        if self.is_folder { self.path.join(name) } else { self.path.clone() }
    }

    /// The folder on whose file system the destination will be.
    pub fn folder(&self) -> &Path {
        if self.is_folder { &self.path } else { self.path.parent().unwrap_or(&self.path) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_ends_in_a_slash_or_is_one_is_a_folder() {
        let root = tempfile::tempdir().unwrap();
        let existing = root.path().display().to_string();
        for (wanted, file) in [
            ("/no/such/", "/no/such/f".to_owned()),
            ("/no/such", "/no/such".to_owned()),
            (existing.as_str(), format!("{existing}/f")),
            ("sub", format!("{existing}/sub")),
            ("", format!("{existing}/f")),
        ] {
            let destination = Destination::new(root.path(), wanted);
            assert_eq!(destination.file("f").display().to_string(), file, "{wanted:?}");
        }
    }

    #[test]
    fn a_relative_path_is_shown_as_the_real_agent_shows_it() {
        let shown = |wanted: &str| Destination::new(Path::new("/r/downloads"), wanted).shown().to_owned();
        assert_eq!([shown("sub"), shown(""), shown("/x/")], ["/r/downloads/sub", "/r/downloads/", "/x/"]);
    }
}
