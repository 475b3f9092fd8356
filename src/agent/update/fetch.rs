//! Gets a new program: from the gateway, as this node, or from a source that somebody names.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keelson_protocol::v1::node_client::NodeClient;
use keelson_protocol::v1::{GetAgentRequest, GetAgentResponse};
use semver::Version;
use sha2::{Digest, Sha256};
use tokio::time::{sleep, timeout};
use tonic::{Code, Status, Streaming};
use url::Url;

use super::policy::{Decision, Declined, Wanted, decide};
use super::source::Source;
use crate::connect::{ConnectError, Reach};
use crate::facts;
use crate::files::FileError;
use crate::identity::{Identity, IdentityError, IdentityFolder};
use crate::plugin;
use crate::renewal::{self, RenewError};

/// How long a gateway may take to begin: nodes take turns there.
const TURN_LIMIT: Duration = Duration::from_secs(180);
/// How long the next piece may take.
const PIECE_LIMIT: Duration = Duration::from_secs(60);
/// A gateway that is not there, or busy, is asked again this often and after this.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_secs(5);
/// No agent is larger. It bounds what a download can do to a disk.
const MAX_PROGRAM: u64 = 1 << 30;
/// How much of a file is copied at a time.
const COPY_BYTES: usize = 64 * 1024;

/// Why there is no new program.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It is not to be installed.
    #[error(transparent)]
    Declined(#[from] Declined),
    /// This server is no node, so no gateway hands anything out to it.
    #[error("this server is not enrolled: enrol it, or give --source")]
    NotEnrolled,
    /// The identity's files.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No gateway.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The certificate has expired and there is no new one.
    #[error(transparent)]
    Renew(#[from] RenewError),
    /// The gateway says no.
    #[error("the gateway refuses: {}", renewal::said(.0))]
    Refused(Box<Status>),
    /// The web does not give it.
    #[error("cannot download {from}: {reason}")]
    Web {
        /// The address.
        from: String,
        /// What happened.
        reason: String,
    },
    /// What came is not what was announced.
    #[error("what came from {from} is not the agent that was meant: {what}; try again")]
    Damaged {
        /// Where it came from.
        from: String,
        /// What is wrong.
        what: String,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl FetchError {
    /// Whether it may be otherwise in a moment.
    fn may_pass(&self) -> bool {
        match self {
            Self::Connect(_) => true,
            Self::Refused(status) => {
                matches!(status.code(), Code::Unavailable | Code::Cancelled | Code::Unknown)
            }
            _ => false,
        }
    }
}

/// Puts the program that is to be installed at `staged`; nothing where what is offered is installed already. Tells
/// what was offered, where that is known before it is asked.
pub async fn fetch(
    state: &Path,
    source: &Source,
    staged: &Path,
    installed: &Version,
    wanted: &Wanted,
) -> Result<Option<Version>, FetchError> {
    match source {
        Source::File { path, sha256 } => from_file(path, sha256.as_deref(), staged).map(|()| None),
        Source::Web { url, sha256 } => from_web(url, sha256, staged).map(|()| None),
        Source::Gateway => {
            let folder = IdentityFolder::new(state);
            let mut attempt = 1;
            loop {
                match from_gateway(&folder, staged, installed, wanted).await {
                    Err(error) if error.may_pass() && attempt < ATTEMPTS => {
                        attempt += 1;
                        sleep(PAUSE).await;
                    }
                    done => return done.map(Some),
                }
            }
        }
    }
}

async fn from_gateway(
    folder: &IdentityFolder,
    staged: &Path,
    installed: &Version,
    wanted: &Wanted,
) -> Result<Version, FetchError> {
    let mut identity = folder.load()?.ok_or(FetchError::NotEnrolled)?;
    let mut begun = begin(&identity).await?;
    if begun.as_ref().is_err_and(|status| status.code() == Code::Unauthenticated) {
        let connection = Reach::of(&identity).connect(0).await?;
        renewal::renew(connection.channel, folder, &mut identity).await?;
        begun = begin(&identity).await?;
    }
    let refused = |status| FetchError::Refused(Box::new(status));
    let mut pieces = begun.map_err(refused)?;
    let first = next(&mut pieces).await?.unwrap_or_default();
    let damaged = |what: String| FetchError::Damaged { from: "the gateway".to_owned(), what };
    let version = Version::parse(&first.version)
        .map_err(|error| damaged(format!("its version {:?} is none: {error}", first.version)))?;
    if decide(installed, &version, wanted)? == Decision::Current {
        return Ok(version);
    }
    let (bytes, sha256) = (first.bytes, facts::hex(&first.sha256));
    let mut program = Staged::create(staged)?;
    let mut piece = Some(first);
    while let Some(GetAgentResponse { data, .. }) = piece {
        program.append(&data)?;
        if program.bytes > bytes.min(MAX_PROGRAM) {
            break;
        }
        piece = next(&mut pieces).await?;
    }
    if program.bytes != bytes {
        return Err(damaged(format!("it has {} bytes and was to have {bytes}", program.bytes)));
    }
    program.verify(Some(&sha256)).map_err(damaged)?;
    Ok(version)
}

async fn begin(identity: &Identity) -> Result<Result<Streaming<GetAgentResponse>, Status>, ConnectError> {
    let connection = Reach::of(identity).connect(0).await?;
    let request = GetAgentRequest { architecture: std::env::consts::ARCH.to_owned() };
    let mut client = NodeClient::new(connection.channel);
    let answer = timeout(TURN_LIMIT, client.get_agent(request)).await;
    let answer = answer.unwrap_or_else(|_| Err(Status::unavailable("the gateway did not answer in time")));
    Ok(answer.map(tonic::Response::into_inner))
}

async fn next(pieces: &mut Streaming<GetAgentResponse>) -> Result<Option<GetAgentResponse>, FetchError> {
    let late = || Status::unavailable("the gateway stopped in the middle of the program");
    let piece = timeout(PIECE_LIMIT, pieces.message()).await.unwrap_or_else(|_| Err(late()));
    piece.map_err(|status| FetchError::Refused(Box::new(status)))
}

fn from_file(path: &Path, sha256: Option<&str>, staged: &Path) -> Result<(), FetchError> {
    let unreadable = |error| FileError::new("read", path, error);
    let mut file = File::open(path).map_err(unreadable)?;
    let mut program = Staged::create(staged)?;
    program.fill(&mut file, |error| unreadable(error).into())?;
    let damaged = |what| FetchError::Damaged { from: format!("{path:?}"), what };
    program.verify(sha256).map_err(damaged)
}

fn from_web(url: &Url, sha256: &str, staged: &Path) -> Result<(), FetchError> {
    let from = url.as_str();
    let failed = |reason| FetchError::Web { from: from.to_owned(), reason };
    let mut file = plugin::open_url(url).map_err(failed)?;
    let mut program = Staged::create(staged)?;
    program.fill(&mut file, |error| failed(error.to_string()))?;
    program.verify(Some(sha256)).map_err(|what| FetchError::Damaged { from: from.to_owned(), what })
}

/// A new program that is being written. It is not left behind unless it is whole and the one that was meant: what
/// is left would be installed.
struct Staged {
    path: PathBuf,
    file: File,
    digest: Sha256,
    bytes: u64,
    verified: bool,
}

impl Staged {
    fn create(path: &Path) -> Result<Self, FileError> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o700).open(path);
        let file = file.map_err(|error| FileError::new("write", path, error))?;
        Ok(Self { path: path.to_owned(), file, digest: Sha256::new(), bytes: 0, verified: false })
    }

    /// Copies all that a source has; `failed` says that it cannot be read.
    fn fill(
        &mut self,
        source: &mut impl Read,
        failed: impl Fn(io::Error) -> FetchError,
    ) -> Result<(), FetchError> {
        let mut buffer = vec![0; COPY_BYTES];
        loop {
            match source.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(_) if self.bytes > MAX_PROGRAM => {
                    return Err(failed(io::Error::other("no agent is so large")));
                }
                Ok(count) => self.append(buffer.get(..count).unwrap_or_default())?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }

    fn append(&mut self, data: &[u8]) -> Result<(), FileError> {
        self.file.write_all(data).map_err(|error| FileError::new("write", &self.path, error))?;
        self.digest.update(data);
        self.bytes += data.len() as u64;
        Ok(())
    }

    /// Compares with the digest that the whole is to have, in hexadecimal digits.
    fn verify(mut self, sha256: Option<&str>) -> Result<(), String> {
        let is = facts::hex(&self.digest.finalize_reset());
        if let Some(expected) = sha256.filter(|expected| !expected.eq_ignore_ascii_case(&is)) {
            return Err(format!("its SHA-256 is {is} and was to be {expected}"));
        }
        self.verified = true;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.verified {
            // Whoever asked for it removes it again, too.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The address of a server that gives one answer.
    fn serve_once(answer: &'static str) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let _request = connection.read(&mut [0; 4096]).unwrap();
            connection.write_all(answer.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn a_file_is_taken_whole_and_only_with_the_digest_it_was_to_have() {
        let folder = tempfile::tempdir().unwrap();
        let (source, staged) = (folder.path().join("source"), folder.path().join("staged"));
        fs::write(&source, vec![1; 3 * COPY_BYTES + 1]).unwrap();
        fs::write(&staged, vec![9; 5 * COPY_BYTES]).unwrap();
        let digest = facts::hex(&Sha256::digest(fs::read(&source).unwrap()));
        for digest in [None, Some(digest.as_str()), Some(&digest.to_uppercase())] {
            from_file(&source, digest, &staged).unwrap();
            assert!(fs::read(&staged).unwrap() == fs::read(&source).unwrap());
        }
        let wrong = from_file(&source, Some(&digest.replace(['0', '1'], "2")), &staged).unwrap_err();
        assert!(wrong.to_string().contains(&digest), "{wrong}");
        let server =
            format!("http://{}/agent", serve_once("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew"));
        let new = facts::hex(&Sha256::digest("new"));
        from_web(&server.parse().unwrap(), &new, &staged).unwrap();
        assert_eq!(fs::read(&staged).unwrap(), b"new");
        let none =
            format!("http://{}/agent", serve_once("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
        let none = from_web(&none.parse().unwrap(), &new, &staged).unwrap_err().to_string();
        assert!(none.starts_with("cannot download http://127.0.0.1:") && none.contains("404"), "{none}");
        let absent = from_file(Path::new("/nonexistent"), None, &staged).unwrap_err().to_string();
        assert!(absent.starts_with("cannot read /nonexistent"), "{absent}");
    }
}
