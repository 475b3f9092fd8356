//! The files of an update: the installed program, and beside it in the same folder the new one, the previous one,
//! and the record of a trial.
//!
//! At every moment the installed program is a whole program, the old one or the new one, also after a power cut:
//! only finished files are moved, and a move is done or not done. As long as the record is there, the program has
//! not shown yet that it works, and the previous one comes back if it is started with nobody to watch it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::{self, Durability, FileError};

/// A program that was put in place and has not shown yet that it works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trial {
    /// The version before.
    pub from: String,
    /// The version on trial.
    pub to: String,
    /// The agent's state folder, with the lock of whoever watches.
    pub state: PathBuf,
}

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    program: PathBuf,
}

impl Installation {
    /// Of the program at this path.
    pub fn of(program: &Path) -> Self {
        Self { program: program.to_owned() }
    }

    /// The installed program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Where a new program is put before it is installed.
    pub fn staged(&self) -> PathBuf {
        self.beside(".new")
    }

    /// The program before the last update.
    pub fn previous(&self) -> PathBuf {
        self.beside(".previous")
    }

    /// The trial that is under way, or was when somebody died.
    pub fn trial(&self) -> Result<Option<Trial>, FileError> {
        // What cannot be read is no trial that anybody could end: the next update writes a new one.
        Ok(files::read(&self.record())?.and_then(|text| serde_json::from_slice(&text).ok()))
    }

    /// Makes a new program of `staged` durable and able to run.
    pub fn seal_staged(&self) -> Result<(), FileError> {
        let staged = self.staged();
        let sealed = File::open(&staged).and_then(|file| {
            file.set_permissions(fs::Permissions::from_mode(0o755))?;
            file.sync_all()
        });
        sealed.map_err(|error| FileError::new("finish", &staged, error))
    }

    /// Removes a new program that is not wanted.
    pub fn discard_staged(&self) -> Result<(), FileError> {
        remove(&self.staged())
    }

    /// Keeps the installed program as the previous one, and records the trial of the staged one.
    pub fn begin(&self, trial: &Trial) -> Result<(), FileError> {
        self.copy_over(&self.program, &self.previous())?;
        let text = serde_json::json!(trial).to_string();
        files::replace(&self.record(), text.as_bytes(), Durability::Durable)
    }

    /// Installs the staged program.
    pub fn swap(&self) -> Result<(), FileError> {
        let staged = self.staged();
        fs::rename(&staged, &self.program)
            .map_err(|error| FileError::new("replace", &self.program, error))?;
        self.sync()
    }

    /// Installs the previous program again.
    pub fn put_back(&self) -> Result<(), FileError> {
        self.copy_over(&self.previous(), &self.program)
    }

    /// The trial is over, however it went.
    pub fn end(&self) -> Result<(), FileError> {
        remove(&self.record())?;
        self.sync()
    }

    /// Puts the same file under another name too, in place of what is there, durably.
    fn copy_over(&self, source: &Path, target: &Path) -> Result<(), FileError> {
        let link = self.beside(".link");
        remove(&link)?;
        fs::hard_link(source, &link)
            .or_else(|_| copy(source, &link))
            .map_err(|error| FileError::new("keep a copy of", source, error))?;
        fs::rename(&link, target).map_err(|error| FileError::new("replace", target, error))?;
        // A move onto another name of the same file does nothing, and leaves both.
        remove(&link)?;
        self.sync()
    }

    fn record(&self) -> PathBuf {
        self.beside(".update")
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.program.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    }

    fn sync(&self) -> Result<(), FileError> {
        self.program.parent().map_or(Ok(()), files::sync_folder)
    }
}

/// For file systems without links.
fn copy(source: &Path, target: &Path) -> io::Result<()> {
    fs::copy(source, target)?;
    File::open(target)?.sync_all()
}

fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::new("remove", path, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(folder: &Path) -> Installation {
        let installation = Installation::of(&folder.join("keelson-agent"));
        fs::write(installation.program(), "old").unwrap();
        fs::write(installation.staged(), "new").unwrap();
        installation
    }

    fn trial() -> Trial {
        let (from, to) = ("1.0.0".into(), "1.1.0".into());
        Trial { from, to, state: "/var/lib/keelson".into() }
    }

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_program_is_swapped_and_put_back_and_the_previous_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let installation = installed(folder.path());
        installation.seal_staged().unwrap();
        installation.begin(&trial()).unwrap();
        assert_eq!(
            (text(installation.program()), text(&installation.previous())),
            ("old".into(), "old".into())
        );
        assert_eq!(installation.trial().unwrap(), Some(trial()));
        installation.swap().unwrap();
        assert_eq!(
            (text(installation.program()), text(&installation.previous())),
            ("new".into(), "old".into())
        );
        assert_eq!(fs::metadata(installation.program()).unwrap().permissions().mode() & 0o777, 0o755);
        installation.put_back().unwrap();
        installation.put_back().unwrap();
        installation.end().unwrap();
        assert_eq!(
            (text(installation.program()), text(&installation.previous())),
            ("old".into(), "old".into())
        );
        assert_eq!(installation.trial().unwrap(), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
    }

    #[test]
    fn what_an_earlier_update_left_does_not_stand_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let installation = installed(folder.path());
        for name in ["keelson-agent.previous", "keelson-agent.link", "keelson-agent.update"] {
            fs::write(folder.path().join(name), "left").unwrap();
        }
        assert_eq!(installation.trial().unwrap(), None);
        installation.begin(&trial()).unwrap();
        installation.swap().unwrap();
        installation.end().unwrap();
        assert_eq!(
            (text(installation.program()), text(&installation.previous())),
            ("new".into(), "old".into())
        );
        installation.discard_staged().unwrap();
    }
}
