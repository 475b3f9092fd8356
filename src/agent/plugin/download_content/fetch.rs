//! `keelson-agent fetch`: one small process that brings what HTTP and S3 sources name.
//!
//! The worker starts it, gives it a request in its environment, which only its owner can read, and kills it when the
//! step is cancelled or its time is up. So no transfer, name lookup or TLS handshake can hold a worker, and the memory
//! they take goes with the process.

use std::env;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use serde::{Deserialize, Serialize};

use super::Content;
use super::http::HttpSource;
use super::job::{Job, Stop};
use super::s3::S3Source;

mod client;
mod content_disposition;
mod credentials;
mod http;
mod s3;
mod save;
#[cfg(test)]
mod server;

pub use http::open;

/// The variable that holds the request.
const REQUEST: &str = "KEELSON_FETCH";

/// What to fetch, and the path in the staging folder to put it at.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// One file of a web server.
    Http { source: HttpSource, into: PathBuf },
    /// An object of an S3 bucket, or all below a prefix.
    S3 { source: S3Source, into: PathBuf },
    /// Whether a Git repository is there; brings nothing.
    Repository { source: HttpSource },
}

/// Has a process fetch `request`, and returns what it says it has brought.
pub fn run(request: &Request, job: &Job<'_>) -> Result<Content, Stop> {
    let answer = answer(request, job)?;
    serde_json::from_str(&answer).map_err(|error| {
        Stop::Failed(format!("keelson-agent fetch does not say what it has brought: {error}"))
    })
}

/// Has a process check a Git repository; an error says what is wrong with it.
pub fn check_repository(source: HttpSource, job: &Job<'_>) -> Result<(), Stop> {
    answer(&Request::Repository { source }, job).map(|_nothing| ())
}

fn answer(request: &Request, job: &Job<'_>) -> Result<String, Stop> {
    let text = serde_json::to_string(request)
        .map_err(|error| Stop::Failed(format!("cannot say what to download: {error}")))?;
    // The program that runs now, even where its file was replaced meanwhile.
    let mut command = Command::new("/proc/self/exe");
    let ran = job.run(command.arg("fetch").env(REQUEST, text), "keelson-agent fetch")?;
    if ran.status.success() {
        return Ok(ran.stdout);
    }
    let reason =
        if ran.stderr.is_empty() { format!("the download ended by {}", ran.status) } else { ran.stderr };
    Err(Stop::Failed(reason))
}

/// Does the request of the environment: what it has brought goes to standard output, a failure to standard error.
pub fn main() -> ExitCode {
    match perform() {
        Ok(answer) => {
            // A worker that is gone needs no answer.
            let _ = write!(std::io::stdout(), "{answer}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            let _ = write!(std::io::stderr(), "{reason}");
            ExitCode::FAILURE
        }
    }
}

fn perform() -> Result<String, String> {
    let request = env::var(REQUEST).map_err(|_| format!("{REQUEST} does not say what to fetch"))?;
    // Not shown with the reason: it may hold a password.
    let request = serde_json::from_str(&request).map_err(|_| format!("{REQUEST} holds no request"))?;
    let content = match request {
        Request::Http { source, into } => http::fetch(&source, &into)?,
        Request::S3 { source, into } => s3::fetch(&source, &into)?,
        Request::Repository { source } => return http::check_repository(&source).map(|()| String::new()),
    };
    serde_json::to_string(&content).map_err(|error| error.to_string())
}
