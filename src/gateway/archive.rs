//! The archive: where whole outputs and full results are kept, in an object store.
//!
//! Object stores cannot append, so a stream of output is a row of immutable pieces, each named by the offset of
//! its first byte: `v1/<namespace>/<date>/<command uid>/<node>/<step index>/stdout-<offset>`. The full result of
//! a run is `result.json` beside its steps. Keys are made of names the control plane chose, and of numbers.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt as _;
use keelson_core::fleet::Placement;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tonic::codegen::Bytes;

mod read;
mod sweep;

pub use read::ReadError;
pub use sweep::RETENTION_DAYS;

/// The version of the layout, the first part of every key.
const LAYOUT: &str = "v1";
/// The name of a run's full result.
const RESULT: &str = "result.json";
/// A call to the store is answered within this, or it has failed. A disk or a network that hangs says nothing.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// Calls to the store at once. Well below the threads that the process has for work that blocks, because calls that
/// hang keep theirs.
const MAX_CALLS: usize = 64;

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
    /// The store does not answer.
    #[error("the archive did not answer within {} s", CALL_LIMIT.as_secs())]
    TooSlow,
    /// A bug in the store's driver.
    #[error("the archive's driver broke: {0}")]
    Driver(#[from] tokio::task::JoinError),
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
    calls: Arc<Semaphore>,
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
        Ok(Self::on(store))
    }

    pub(crate) fn on(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, calls: Arc::new(Semaphore::new(MAX_CALLS)) }
    }

    /// Where everything of a run is kept.
    pub fn run_key(placement: &Placement) -> String {
        run_path(placement).to_string()
    }

    /// Keeps a run's full result. It may come again without its longer texts: the longer of two stays.
    pub async fn put_result(&self, placement: &Placement, json: Bytes) -> Result<(), ArchiveError> {
        let (archive, path) = (self.clone(), run_path(placement).join(RESULT));
        self.call(async move { archive.keep_longest(&path, PutPayload::from(json)).await }).await?;
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
        let archive = self.clone();
        let kept =
            self.call(async move { archive.keep_longest(&path, PutPayload::from(data)).await }).await?;
        Ok(offset.saturating_add(kept))
    }

    /// Keeps an object unless a longer one is there; tells how long the one is that is kept.
    async fn keep_longest(&self, path: &Path, payload: PutPayload) -> Result<u64, ArchiveError> {
        let length = payload.content_length() as u64;
        match self.store.put_opts(path, payload.clone(), PutOptions::from(PutMode::Create)).await {
            Err(object_store::Error::AlreadyExists { .. }) => {}
            result => return result.map(|_| length).map_err(ArchiveError::from),
        }
        let kept = self.store.head(path).await?.size;
        if kept < length {
            self.store.put(path, payload).await?;
        }
        Ok(length.max(kept))
    }

    /// Calls the store, and waits no longer than the limit. A call that hangs goes on in a task of its own and keeps
    /// its place, so that however long the store hangs, no more calls than that hang with it.
    async fn call<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, ArchiveError>> + Send + 'static,
    ) -> Result<T, ArchiveError> {
        let calls = Arc::clone(&self.calls);
        let called = async move {
            let place = calls.acquire_owned().await;
            let done = tokio::spawn(async move {
                let done = work.await;
                drop(place);
                done
            });
            done.await?
        };
        timeout(CALL_LIMIT, called).await.unwrap_or(Err(ArchiveError::TooSlow))
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
