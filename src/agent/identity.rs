//! Who this node is: a key, a certificate of it, the CA it trusts and where the gateway is, in one folder that
//! is replaced as a whole.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};

use crate::files::{self, Durability, FileError};

mod certificate;
pub mod key;

pub use certificate::Validity;

const KEY: &str = "key.pem";
const CERTIFICATE: &str = "certificate.pem";
const CA: &str = "ca.pem";
const NODE: &str = "node.json";

/// What went wrong with the identity's files.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is there and holds something else.
    #[error("cannot understand {}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It is not this server's identity any more.
    #[error("this server was enrolled anew meanwhile, or is not enrolled any more")]
    Replaced,
    /// The key could not be made.
    #[error(transparent)]
    Key(#[from] key::KeyError),
}

/// The public part: which node, and how to reach its gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeRecord {
    /// Namespace of the `ManagedNode`.
    pub namespace: String,
    /// Its name, `mi-` and 17 hex digits.
    pub node: String,
    /// Its uid.
    pub uid: String,
    /// Addresses of the gateway, `host:port`, in the order to try.
    pub addresses: Vec<String>,
    /// HTTP proxy to reach them through, `http://host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
}

/// An identity with all its parts.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// Which node, and where its gateway is.
    pub record: NodeRecord,
    /// PEM bundle of the CAs that may sign the gateway's certificate.
    pub ca: String,
    /// The node's certificate, PEM, leaf first.
    pub certificate: String,
    /// The node's key, PEM.
    pub key: String,
}

// By hand, because the key must not reach a log.
impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Identity").field("record", &self.record).finish_non_exhaustive()
    }
}

/// Where an identity is kept.
#[derive(Debug, Clone)]
pub struct IdentityFolder {
    state: PathBuf,
    path: PathBuf,
    staged: PathBuf,
}

impl IdentityFolder {
    /// The identity of the agent with this state folder.
    pub fn new(state: &Path) -> Self {
        Self { state: state.to_owned(), path: state.join("identity"), staged: state.join("identity.new") }
    }

    /// The identity, or nothing if this node is not enrolled.
    pub fn load(&self) -> Result<Option<Identity>, IdentityError> {
        let Some(record) = files::read(&self.path.join(NODE))? else { return Ok(None) };
        let record = serde_json::from_slice(&record).map_err(|error| IdentityError::Malformed {
            path: self.path.join(NODE),
            reason: error.to_string(),
        })?;
        let (ca, certificate, key) = (self.text(CA)?, self.text(CERTIFICATE)?, self.text(KEY)?);
        Ok(Some(Identity { record, ca, certificate, key }))
    }

    /// The key to enrol with: the present one, or that of an enrolment that did not get to its end, so that a
    /// second attempt asks for the same node; a new one otherwise, or if `anew`. It is stored before it is used.
    pub fn stage_key(&self, anew: bool) -> Result<String, IdentityError> {
        let existing = [&self.path, &self.staged].map(|folder| files::read(&folder.join(KEY)));
        let existing = existing.into_iter().find_map(|read| read.ok().flatten());
        let key = match existing.and_then(|text| String::from_utf8(text).ok()) {
            Some(key) if !anew => key,
            _ => key::generate()?,
        };
        let created = DirBuilder::new().recursive(true).mode(0o700).create(&self.staged);
        created.map_err(|error| FileError::new("create", &self.staged, error))?;
        files::replace(&self.staged.join(KEY), key.as_bytes(), Durability::Durable)?;
        Ok(key)
    }

    /// Makes `identity` the node's identity, in place of any other, all of it or nothing.
    pub fn adopt(&self, identity: &Identity) -> Result<(), IdentityError> {
        let write = |name, text: &[u8]| files::replace(&self.staged.join(name), text, Durability::Durable);
        write(KEY, identity.key.as_bytes())?;
        write(CERTIFICATE, identity.certificate.as_bytes())?;
        write(CA, identity.ca.as_bytes())?;
        write(NODE, &json(&identity.record))?;
        let _lock = self.lock()?;
        if self.path.exists() {
            // Exchanged in one go, so that no moment has no identity; then the former one goes.
            renameat_with(CWD, &self.staged, CWD, &self.path, RenameFlags::EXCHANGE)
                .map_err(|error| FileError::new("replace", &self.path, error.into()))?;
            remove_folder(&self.staged)?;
        } else {
            fs::rename(&self.staged, &self.path)
                .map_err(|error| FileError::new("create", &self.path, error))?;
        }
        Ok(files::sync_folder(&self.state)?)
    }

    /// Whether `identity`, with whatever certificate, CA and addresses, is still this server's.
    pub fn holds(&self, identity: &Identity) -> Result<bool, IdentityError> {
        let present = self.load()?;
        Ok(present
            .is_some_and(|present| present.key == identity.key && present.record.uid == identity.record.uid))
    }

    /// Stores a renewed certificate of `identity`.
    pub fn replace_certificate(&self, identity: &Identity, certificate: &str) -> Result<(), IdentityError> {
        self.replace(identity, CERTIFICATE, certificate.as_bytes())
    }

    /// Stores another CA bundle of `identity`.
    pub fn replace_ca(&self, identity: &Identity, ca: &str) -> Result<(), IdentityError> {
        self.replace(identity, CA, ca.as_bytes())
    }

    /// Stores the record of `identity`, whose addresses are others than before.
    pub fn replace_record(&self, identity: &Identity) -> Result<(), IdentityError> {
        self.replace(identity, NODE, &json(&identity.record))
    }

    /// Replaces a part, unless the whole was replaced by an enrolment, which is another process.
    fn replace(&self, identity: &Identity, part: &str, text: &[u8]) -> Result<(), IdentityError> {
        let _lock = self.lock()?;
        if !self.holds(identity)? {
            return Err(IdentityError::Replaced);
        }
        Ok(files::replace(&self.path.join(part), text, Durability::Durable)?)
    }

    /// One change at a time, whichever process makes it, as long as the file is open.
    fn lock(&self) -> Result<File, FileError> {
        let locked = File::open(&self.state).and_then(|state| state.lock().map(|()| state));
        locked.map_err(|error| FileError::new("lock", &self.state, error))
    }

    /// Removes the identity; none is fine. The record goes first: without it nobody is enrolled.
    pub fn remove(&self) -> Result<(), IdentityError> {
        let _lock = self.lock()?;
        match fs::remove_file(self.path.join(NODE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(FileError::new("remove", &self.path.join(NODE), error).into());
            }
            _ => {}
        }
        remove_folder(&self.path)?;
        Ok(remove_folder(&self.staged)?)
    }

    fn text(&self, name: &str) -> Result<String, IdentityError> {
        let path = self.path.join(name);
        let malformed =
            |reason: &str| IdentityError::Malformed { path: path.clone(), reason: reason.to_owned() };
        let bytes = files::read(&path)?.ok_or_else(|| malformed("the file is missing"))?;
        String::from_utf8(bytes).map_err(|_| malformed("it is not text"))
    }
}

fn json(record: &NodeRecord) -> Vec<u8> {
    serde_json::json!(record).to_string().into_bytes()
}

fn remove_folder(path: &Path) -> Result<(), FileError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::new("remove", path, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
