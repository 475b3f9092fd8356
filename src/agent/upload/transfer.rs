//! The output of one run on its way into the archive, and how much of it is there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use keelson_protocol::MAX_OUTPUT_PIECE;
use keelson_protocol::v1::node_client::NodeClient;
use keelson_protocol::v1::{OutputStream, PutOutputRequest};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::backoff::Backoff;
use crate::files::{self, Durability};
use crate::run_directory::Stream;
use crate::runs::{OutputStage, OutputTask};

/// One piece is stored within this, or the archive is taken for broken.
const PIECE_LIMIT: Duration = Duration::from_secs(10);
/// What a document prints is sent after this at the earliest, unless it fills a piece. Each piece becomes an
/// object in the archive, so the wait doubles with every piece up to `LONGEST_WAIT`.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What came of an attempt to bring a run's output forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A piece of each stream that had one is stored.
    Moved,
    /// There is nothing to send yet.
    Nothing,
    /// The run has ended and all its output is stored.
    Complete,
    /// The archive did not take a piece, or it cannot be read.
    Failed {
        /// When this run is tried again.
        again: Instant,
    },
}

/// How far each stream of a run is in the archive.
#[derive(Debug)]
pub struct Transfer {
    stored: BTreeMap<String, u64>,
    last_moved: Option<Instant>,
    wait: Duration,
    next_look: Instant,
    backoff: Backoff,
    failed_until: Option<Instant>,
}

impl Transfer {
    /// Goes on where the run's folder says the last agent stopped.
    pub fn resume(task: &OutputTask) -> Self {
        let text = files::read(&task.directory.upload_file()).ok().flatten().unwrap_or_default();
        let now = Instant::now();
        // Without the file, or with a broken one, it begins at zero: sending a piece twice is harmless.
        let stored = serde_json::from_slice(&text).unwrap_or_default();
        Self {
            stored,
            last_moved: None,
            wait: FIRST_WAIT,
            next_look: now + FIRST_WAIT,
            backoff: Backoff::default(),
            failed_until: None,
        }
    }

    /// When a piece was last stored.
    pub fn last_moved(&self) -> Option<Instant> {
        self.last_moved
    }

    /// Sends at most one piece of each stream. After a failure this run, and no other, waits for a while.
    pub async fn step(&mut self, task: &OutputTask, archive: &mut NodeClient<Channel>) -> Step {
        if let Some(again) = self.failed_until.filter(|again| Instant::now() < *again) {
            return Step::Failed { again };
        }
        if let Some(step) = self.attempt(task, archive).await {
            self.backoff.reset();
            self.failed_until = None;
            return step;
        }
        let again = Instant::now() + self.backoff.next_wait();
        self.failed_until = Some(again);
        Step::Failed { again }
    }

    /// Nothing if it failed.
    async fn attempt(&mut self, task: &OutputTask, archive: &mut NodeClient<Channel>) -> Option<Step> {
        let streams = match task.directory.outputs() {
            Ok(streams) => streams,
            Err(error) => {
                tracing::warn!(%error, "cannot look for a run's output");
                return None;
            }
        };
        let growing = task.stage == OutputStage::Growing;
        let due = !growing || Instant::now() >= self.next_look;
        let (mut moved, mut complete) = (false, !growing);
        for (step, stream) in streams {
            match self.send(task, step, stream, due, archive).await {
                Ok(None) => {}
                Ok(Some(all)) => {
                    moved = true;
                    complete &= all;
                }
                Err(status) if is_unwanted(&status) => {
                    let reason = status.message();
                    tracing::warn!(command = task.command_uid, reason, "nobody takes this run's output");
                    self.look_later(LONGEST_WAIT);
                    return Some(if growing { Step::Nothing } else { Step::Complete });
                }
                Err(status) => {
                    tracing::warn!(
                        command = task.command_uid,
                        reason = status.message(),
                        "output is not stored"
                    );
                    return None;
                }
            }
        }
        if moved && growing {
            self.look_later((self.wait * 2).min(LONGEST_WAIT));
        }
        Some(match (complete, moved) {
            (true, _) => Step::Complete,
            (false, true) => Step::Moved,
            (false, false) => Step::Nothing,
        })
    }

    /// Sends a piece of a stream if one is due; tells whether that was all there is.
    async fn send(
        &mut self,
        task: &OutputTask,
        step: u32,
        stream: Stream,
        due: bool,
        archive: &mut NodeClient<Channel>,
    ) -> Result<Option<bool>, Status> {
        let path = task.directory.output(step, stream);
        let unreadable =
            |error: io::Error| Status::internal(format!("cannot read {}: {error}", path.display()));
        let key = format!("{step}/{}", stream.file_name());
        let offset = self.stored.get(&key).copied().unwrap_or(0);
        let length = fs::metadata(&path).map_err(unreadable)?.len();
        let piece =
            usize::try_from(length.saturating_sub(offset)).unwrap_or(MAX_OUTPUT_PIECE).min(MAX_OUTPUT_PIECE);
        if piece == 0 || (piece < MAX_OUTPUT_PIECE && !due) {
            return Ok(None);
        }
        let mut data = vec![0; piece];
        File::open(&path).and_then(|file| file.read_exact_at(&mut data, offset)).map_err(unreadable)?;
        let stored = put(task, step, stream, offset, data, archive).await?;
        if stored == offset {
            return Err(Status::internal("the archive stores none of a piece"));
        }
        self.stored.insert(key, stored);
        self.keep(task);
        Ok(Some(stored >= length))
    }

    fn look_later(&mut self, wait: Duration) {
        self.wait = wait;
        self.next_look = Instant::now() + wait;
    }

    fn keep(&mut self, task: &OutputTask) {
        self.last_moved = Some(Instant::now());
        let text = serde_json::json!(self.stored).to_string();
        if let Err(error) = files::replace(&task.directory.upload_file(), text.as_bytes(), Durability::Atomic)
        {
            tracing::warn!(%error, "cannot keep how much output is stored");
        }
    }
}

/// Whether no later attempt can store it either.
fn is_unwanted(status: &Status) -> bool {
    matches!(status.code(), Code::NotFound | Code::InvalidArgument)
}

/// Stores a piece; returns how much of the stream the archive has from its start.
async fn put(
    task: &OutputTask,
    step: u32,
    stream: Stream,
    offset: u64,
    data: Vec<u8>,
    archive: &mut NodeClient<Channel>,
) -> Result<u64, Status> {
    let stream = match stream {
        Stream::Stdout => OutputStream::Stdout,
        Stream::Stderr => OutputStream::Stderr,
    };
    let mut request = Request::new(PutOutputRequest {
        command_uid: task.command_uid.clone(),
        invocation: task.invocation.clone(),
        step,
        stream: stream.into(),
        offset,
        data,
    });
    request.set_timeout(PIECE_LIMIT);
    let answer = tokio::time::timeout(PIECE_LIMIT * 2, archive.put_output(request)).await;
    let answer = answer.map_err(|_| Status::deadline_exceeded("no answer"))??;
    Ok(answer.into_inner().stored)
}
