//! How the agent stands, for a person: the daemon keeps it in a file, `keelson-agent status` reads that.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::clock;
use crate::files::{self, Durability, FileError};
use crate::identity::{Identity, IdentityError, IdentityFolder, Validity};
use crate::runs::{Runs, Summary};
use crate::state_lock;
use crate::version::version;

/// A change is written this much later, together with those that follow it and apart from the work that made it:
/// to replace a file can take longer than to run a document.
const SETTLE: Duration = Duration::from_millis(100);

/// The connection to the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Link {
    /// Not connected, and trying; with why the last attempt failed.
    Connecting {
        /// Empty before the first attempt.
        reason: String,
    },
    /// Connected.
    Connected {
        /// The gateway's own name.
        gateway: String,
        /// The address it was reached at.
        address: String,
        /// Since when, wall clock, milliseconds since the epoch.
        since_unix_ms: i64,
    },
    /// The control plane has removed this node.
    Removed {
        /// What it said.
        reason: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    version: String,
    pid: u32,
    node: String,
    link: Link,
    running: Vec<String>,
    queued: usize,
    unacknowledged: usize,
}

/// What a person, or a script, is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Lines for a person.
    pub text: String,
    /// 0 connected, 3 not enrolled, 4 not connected.
    pub code: u8,
}

/// Keeps the file up to date, for ever.
pub async fn keep_record(state: &Path, node: &str, runs: Arc<Runs>, mut link: watch::Receiver<Link>) {
    let path = state.join("status.json");
    loop {
        let Summary { running, queued, unacknowledged } = runs.summary();
        let link_now = link.borrow_and_update().clone();
        let record = Record {
            version: version().to_owned(),
            pid: std::process::id(),
            node: node.to_owned(),
            link: link_now,
            running,
            queued,
            unacknowledged,
        };
        let text = serde_json::json!(record).to_string();
        if let Err(error) = files::replace(&path, text.as_bytes(), Durability::Atomic) {
            tracing::warn!(%error, "cannot keep the status");
        }
        tokio::select! {
            () = runs.changed() => {}
            changed = link.changed() => if changed.is_err() { return },
        }
        sleep(SETTLE).await;
    }
}

/// The daemon that runs, as it tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// Its process; 0 before it has told.
    pub pid: u32,
    /// Its version; empty before it has told.
    pub version: String,
    /// Whether it is connected to a gateway.
    pub connected: bool,
}

/// The daemon with this state folder; nothing if none runs. One that has just been started may still be shown with
/// what the one before it told.
///
/// An update asks this of daemons of other versions, so it relies on no more of the file than it needs: `version`,
/// `pid` and that `link` has `connected`.
pub fn daemon(state: &Path) -> Option<Daemon> {
    if !state_lock::is_held(state) {
        return None;
    }
    let text = files::read(&state.join("status.json")).ok().flatten().unwrap_or_default();
    let told: Value = serde_json::from_slice(&text).unwrap_or_default();
    let pid = told.get("pid").and_then(Value::as_u64).and_then(|pid| u32::try_from(pid).ok());
    Some(Daemon {
        pid: pid.unwrap_or_default(),
        version: told.get("version").and_then(Value::as_str).unwrap_or_default().to_owned(),
        connected: told.pointer("/link/connected").is_some(),
    })
}

/// How the agent with this state folder stands.
pub fn report(state: &Path) -> Result<Report, IdentityError> {
    let Some(identity) = IdentityFolder::new(state).load()? else {
        let text =
            "not enrolled: run `keelson-agent enrol --from FILE` with what the Activation's Secret holds\n";
        return Ok(Report { text: text.to_owned(), code: 3 });
    };
    let alive = state_lock::is_held(state);
    let record = read_record(state)?.filter(|record| record.node == identity.record.node);
    Ok(described(&identity, alive, record.as_ref()))
}

fn read_record(state: &Path) -> Result<Option<Record>, FileError> {
    // A record of another version is as good as none.
    Ok(files::read(&state.join("status.json"))?.and_then(|text| serde_json::from_slice(&text).ok()))
}

fn described(identity: &Identity, alive: bool, record: Option<&Record>) -> Report {
    let node = &identity.record;
    let valid = match Validity::of(&identity.certificate) {
        Ok(validity) if validity.not_after <= clock::unix_ms() / 1000 => {
            format!("{} (expired; it is renewed at the next connection)", wall_time(validity.not_after))
        }
        Ok(validity) => wall_time(validity.not_after),
        Err(error) => error.to_string(),
    };
    let (gateway, code) = match record.map(|record| &record.link) {
        _ if !alive => ("not connected: the agent does not run".to_owned(), 4),
        None => ("not connected yet".to_owned(), 4),
        Some(Link::Connecting { reason }) if reason.is_empty() => ("not connected yet".to_owned(), 4),
        Some(Link::Connecting { reason }) => (format!("not connected: {reason}"), 4),
        Some(Link::Removed { reason }) => (format!("removed by the control plane: {reason}"), 4),
        Some(Link::Connected { gateway, address, since_unix_ms }) => {
            let since = wall_time(since_unix_ms / 1000);
            (format!("connected to {gateway} at {address} since {since}"), 0)
        }
    };
    let work = record.filter(|_| alive).map(|record| {
        let (documents, results) = (documents(record), record.unacknowledged);
        format!("running documents:       {documents}\nunacknowledged results:  {results}\n")
    });
    let text = format!(
        "enrolled as:             {} in namespace {}\n\
         certificate valid until: {valid}\n\
         gateway:                 {gateway}\n\
         {}",
        node.node,
        node.namespace,
        work.unwrap_or_default()
    );
    Report { text, code }
}

fn documents(record: &Record) -> String {
    let mut text = record.running.len().to_string();
    if !record.running.is_empty() {
        text = format!("{text} ({})", record.running.join(", "));
    }
    if record.queued > 0 {
        text = format!("{text}, {} waiting", record.queued);
    }
    text
}

fn wall_time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|error| error.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests;
