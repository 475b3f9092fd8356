//! Hands out the agent's program, so that nodes can follow an upgrade of the control plane.
//!
//! A download holds one piece in memory and one on its way, and only so many go on at once; further ones wait for
//! their turn. A node that does not read gives its turn up, and no node takes the turns of all.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keelson_core::fleet::NodeIdentity;
use keelson_protocol::v1::GetAgentResponse;
use keelson_protocol::{AGENT_VERSION_MARK, MAX_AGENT_PIECE};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::listener::places::{Place, Places};

/// The processors that agents are built for.
const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];
/// How long a download waits for its turn before the node is told to come again.
const TURN_LIMIT: Duration = Duration::from_secs(120);
/// How long a node may take to read one piece.
const PIECE_LIMIT: Duration = Duration::from_secs(30);
/// The most downloads of one node, waiting or not: one that it has given up may still be ending.
const NODE_DOWNLOADS: usize = 2;
/// The longest version that a program can say of itself.
const MAX_VERSION: usize = 64;

/// What a download is: the pieces in order.
pub(crate) type Download = ReceiverStream<Result<GetAgentResponse, Status>>;

/// Why a program cannot be handed out.
#[derive(Debug, thiserror::Error)]
enum ProgramError {
    #[error("cannot read {}: {source}: put the agent for this processor there, readable by the gateway", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is no keelson-agent: it does not say its version", .0.display())]
    NoVersion(PathBuf),
}

/// The programs of one gateway.
#[derive(Debug)]
pub(crate) struct AgentPrograms {
    directory: Option<PathBuf>,
    turns: Arc<Semaphore>,
    nodes: Arc<Places<String>>,
}

impl AgentPrograms {
    /// Those of `directory`, named `keelson-agent-x86_64` and the like, to `downloads` nodes at once.
    pub fn new(directory: Option<PathBuf>, downloads: usize) -> Self {
        Self { directory, turns: Arc::new(Semaphore::new(downloads)), nodes: Places::new(NODE_DOWNLOADS) }
    }

    /// Begins to hand out the program for this processor to a node.
    #[allow(clippy::result_large_err)] // tonic's own error type
    pub async fn download(&self, node: &NodeIdentity, architecture: &str) -> Result<Download, Status> {
        let path = self.path(architecture)?;
        let place = self.nodes.enter(node.uid.clone());
        let place = place
            .map_err(|_| Status::unavailable("this node downloads the agent already: try again later"))?;
        let turn = timeout(TURN_LIMIT, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(Status::unavailable("too many nodes download the agent now: try again later"));
        };
        let opened = tokio::task::spawn_blocking(move || Program::open(&path)).await;
        let opened = opened.map_err(|error| Status::internal(error.to_string()))?;
        let program = opened.map_err(|error| {
            tracing::warn!(error = %error, "failed to hand out the agent's program");
            Status::failed_precondition(error.to_string())
        })?;
        let (sender, pieces) = mpsc::channel(1);
        tokio::spawn(program.send(sender, (turn, place)));
        Ok(ReceiverStream::new(pieces))
    }

    #[allow(clippy::result_large_err)] // tonic's own error type
    fn path(&self, architecture: &str) -> Result<PathBuf, Status> {
        // Nothing that a node says may become a path.
        let Some(known) = ARCHITECTURES.iter().find(|known| **known == architecture) else {
            let known = ARCHITECTURES.join(" or ");
            return Err(Status::invalid_argument(format!(
                "there is no agent for {architecture:?}, only for {known}"
            )));
        };
        match &self.directory {
            Some(directory) => Ok(directory.join(format!("keelson-agent-{known}"))),
            None => Err(Status::failed_precondition(
                "this gateway has no agents to hand out: start it with --agent-directory, or update this node from a source",
            )),
        }
    }
}

/// A program that was looked through. A file that is put in its place meanwhile does not disturb it.
#[derive(Debug)]
struct Program {
    file: File,
    version: String,
    bytes: u64,
    sha256: Vec<u8>,
}

impl Program {
    fn open(path: &Path) -> Result<Self, ProgramError> {
        let unreadable = |source| ProgramError::Read { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(unreadable)?;
        let mut look = Look::default();
        let mut buffer = vec![0; MAX_AGENT_PIECE];
        let mut bytes = 0;
        loop {
            let count = file.read(&mut buffer).map_err(unreadable)?;
            if count == 0 {
                break;
            }
            bytes += count as u64;
            look.take(buffer.get(..count).unwrap_or_default());
        }
        file.rewind().map_err(unreadable)?;
        let version = look.version.ok_or_else(|| ProgramError::NoVersion(path.to_owned()))?;
        Ok(Self { file, version, bytes, sha256: look.digest.finalize().to_vec() })
    }

    /// Sends the pieces as the node reads them. The first says what they are together.
    async fn send(
        self,
        sender: mpsc::Sender<Result<GetAgentResponse, Status>>,
        turn: (OwnedSemaphorePermit, Place<String>),
    ) {
        let mut piece = GetAgentResponse {
            version: self.version,
            bytes: self.bytes,
            sha256: self.sha256,
            data: Vec::new(),
        };
        let mut file = tokio::fs::File::from_std(self.file);
        loop {
            let mut data = Vec::with_capacity(MAX_AGENT_PIECE);
            let read = (&mut file).take(MAX_AGENT_PIECE as u64).read_to_end(&mut data).await;
            let next = match read {
                Ok(0) => break,
                Ok(_) => Ok(GetAgentResponse { data, ..std::mem::take(&mut piece) }),
                Err(error) => Err(Status::unavailable(format!("cannot read the agent's program: {error}"))),
            };
            // An error says that the node has gone, or does not read.
            if sender.send_timeout(next, PIECE_LIMIT).await.is_err() {
                break;
            }
        }
        drop(turn);
    }
}

/// Digests a program and looks for its version on the way.
#[derive(Debug, Default)]
struct Look {
    digest: Sha256,
    version: Option<String>,
    /// The end of what was seen, in which a mark may have begun.
    rest: Vec<u8>,
}

impl Look {
    fn take(&mut self, data: &[u8]) {
        self.digest.update(data);
        if self.version.is_some() {
            return;
        }
        self.rest.extend_from_slice(data);
        self.version = version_in(&self.rest);
        let longest = AGENT_VERSION_MARK.len() + MAX_VERSION + 1;
        self.rest.drain(..self.rest.len().saturating_sub(longest));
    }
}

/// The version behind a mark; the mark alone is in a program too, which looks for it.
fn version_in(data: &[u8]) -> Option<String> {
    memchr::memmem::find_iter(data, AGENT_VERSION_MARK).find_map(|start| {
        let rest = data.get(start + AGENT_VERSION_MARK.len()..)?;
        let end = rest.iter().take(MAX_VERSION + 1).position(|byte| *byte == b'\n')?;
        let version = std::str::from_utf8(rest.get(..end)?).ok()?;
        let is_version = |text: &str| {
            text.starts_with(|first: char| first.is_ascii_digit())
                && text.chars().all(|one| one.is_ascii_alphanumeric() || ".-+".contains(one))
        };
        is_version(version).then(|| version.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version_of_pieces(pieces: &[&str]) -> Option<String> {
        let mut look = Look::default();
        for piece in pieces {
            look.take(piece.as_bytes());
        }
        look.version
    }

    #[test]
    fn a_version_is_found_wherever_pieces_of_the_program_end() {
        let text =
            format!("\0..{AGENT_VERSION_MARK}\0..{AGENT_VERSION_MARK}1.20.3-rc.1\n\0{AGENT_VERSION_MARK}9");
        for end in 0..text.len() {
            let (first, second) = text.split_at(end);
            assert_eq!(version_of_pieces(&[first, second]).as_deref(), Some("1.20.3-rc.1"), "cut at {end}");
        }
        assert_eq!(version_of_pieces(&text.split("").collect::<Vec<_>>()).as_deref(), Some("1.20.3-rc.1"));
    }

    #[test]
    fn a_mark_without_a_version_is_none() {
        for rest in ["", "\n", "x.y\n", "1.0", "1.0 \n", &format!("{}\n", "1".repeat(65))] {
            assert_eq!(version_of_pieces(&[AGENT_VERSION_MARK, rest]), None, "{rest:?}");
        }
    }
}
