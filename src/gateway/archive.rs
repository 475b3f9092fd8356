//! The archive: where whole outputs and full results are kept, in an object store.
//!
//! Object stores cannot append, so a stream of output is a row of immutable pieces, each named by the offset of
//! its first byte: `v1/<namespace>/<date>/<command uid>/<node>/<step index>/stdout-<offset>`. The full result of
//! a run is `result.json` beside its steps. Keys are made of names the control plane chose, and of numbers.

use std::sync::Arc;

use futures::TryStreamExt as _;
use keelson_core::fleet::Placement;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload};
use tonic::codegen::Bytes;

mod read;
mod sweep;

pub use read::ReadError;
pub use sweep::RETENTION_DAYS;

/// The version of the layout, the first part of every key.
const LAYOUT: &str = "v1";
/// The name of a run's full result.
const RESULT: &str = "result.json";

/// Why the archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The URL is of a kind that is not supported, or no URL.
    #[error(
        "cannot open the archive {url:?}: {reason}: use file:///absolute/path, or memory:// to keep nothing"
    )]
    Open {
        /// As given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store refused or could not be reached.
    #[error("the archive said: {0}")]
    Store(#[from] object_store::Error),
}

/// One of a step's output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// An object store with our layout.
#[derive(Debug, Clone)]
pub struct Archive {
    store: Arc<dyn ObjectStore>,
}

impl Archive {
    /// Opens `file:///path` (made if it is missing; every gateway must share it) or `memory://` (for tests).
    /// What is put into a `file` archive is on disk when the call returns.
    pub fn open(url: &str) -> Result<Self, ArchiveError> {
        let wrong = |reason: &str| ArchiveError::Open { url: url.to_owned(), reason: reason.to_owned() };
        let store: Arc<dyn ObjectStore> = match url.split_once("://") {
            Some(("memory", "")) => Arc::new(InMemory::new()),
            Some(("file", path)) if path.starts_with('/') => {
                std::fs::create_dir_all(path).map_err(|error| wrong(&error.to_string()))?;
                let store =
                    LocalFileSystem::new_with_prefix(path).map_err(|error| wrong(&error.to_string()))?;
                Arc::new(store.with_fsync(true).with_automatic_cleanup(true))
            }
            Some(("file", _)) => return Err(wrong("the path is not absolute")),
            Some(("memory", _)) => return Err(wrong("nothing may follow memory://")),
            Some((scheme, _)) => return Err(wrong(&format!("{scheme:?} is not supported"))),
            None => return Err(wrong("it is no URL")),
        };
        Ok(Self { store })
    }

    /// Where everything of a run is kept.
    pub fn run_key(placement: &Placement) -> String {
        run_path(placement).to_string()
    }

    /// Keeps a run's full result.
    pub async fn put_result(&self, placement: &Placement, json: Bytes) -> Result<(), ArchiveError> {
        self.store.put(&run_path(placement).join(RESULT), PutPayload::from(json)).await?;
        Ok(())
    }

    /// Keeps a piece of output that begins at `offset`; tells where the piece that is kept there ends.
    ///
    /// A piece may come again, cut elsewhere: its bytes are the same, so the longer of two pieces with one
    /// offset stays.
    pub async fn put_output(
        &self,
        placement: &Placement,
        step: u32,
        stream: Stream,
        offset: u64,
        data: Vec<u8>,
    ) -> Result<u64, ArchiveError> {
        let path = output_path(placement, step).join(format!("{}-{offset:020}", stream.name()));
        let length = data.len() as u64;
        let payload = PutPayload::from(data);
        match self.store.put_opts(&path, payload.clone(), PutOptions::from(PutMode::Create)).await {
            Err(object_store::Error::AlreadyExists { .. }) => {}
            result => return result.map(|_| offset.saturating_add(length)).map_err(ArchiveError::from),
        }
        let kept = self.store.head(&path).await?.size;
        if kept < length {
            self.store.put(&path, payload).await?;
        }
        Ok(offset.saturating_add(length.max(kept)))
    }

    /// The keys below a prefix, for tests and tools.
    pub async fn keys(&self, prefix: &str) -> Result<Vec<String>, ArchiveError> {
        let prefix = Path::from(prefix);
        let objects = self.store.list(Some(&prefix)).map_ok(|object| object.location.to_string());
        let mut keys: Vec<_> = objects.try_collect().await?;
        keys.sort_unstable();
        Ok(keys)
    }
}

fn run_path(placement: &Placement) -> Path {
    let Placement { namespace, date, command_uid, node } = placement;
    Path::from_iter([LAYOUT, namespace.as_str(), date.as_str(), command_uid.as_str(), node.as_str()])
}

fn output_path(placement: &Placement, step: u32) -> Path {
    run_path(placement).join(step.to_string())
}

#[cfg(test)]
mod tests;
