//! `keelson-agent run`: waits for an identity and serves as that node until it has another one or is stopped.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::args::RunArguments;
use crate::facts;
use crate::identity::{Identity, IdentityFolder};
use crate::journal::{Journal, JournalError};
use crate::retention::{self, Limits};
use crate::runs::{Runs, Setting};
use crate::session::{self, Session};
use crate::state_lock;
use crate::status::{self, Link};
use crate::upload;
use crate::version::version;

const MIB: u64 = 1024 * 1024;
/// An agent that is no node looks this often whether it has become one.
const ENROLMENT_LOOK: Duration = Duration::from_secs(2);

/// Runs until SIGTERM or SIGINT. Documents go on without the agent, and the next one finds them.
pub async fn run(state: &Path, arguments: &RunArguments) -> anyhow::Result<()> {
    let _lock = state_lock::take(state)?;
    // Absolute, because a script runs elsewhere and its folder's path is part of what it sees.
    let state = std::path::absolute(state)?;
    let program = std::env::current_exe().context("cannot find the agent's own binary")?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tracing::info!(version = version(), state = %state.display(), "starting");
    tokio::select! {
        served = serve(&state, program, arguments) => served,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

async fn serve(state: &Path, program: PathBuf, arguments: &RunArguments) -> anyhow::Result<()> {
    let folder = IdentityFolder::new(state);
    let mut told = false;
    loop {
        match folder.load()? {
            Some(identity) => {
                serve_as(state, &folder, identity, program.clone(), arguments).await?;
                told = false;
            }
            None if told => sleep(ENROLMENT_LOOK).await,
            None => {
                tracing::warn!("not enrolled: waiting for `keelson-agent enrol`");
                told = true;
            }
        }
    }
}

/// Serves as one node; each has a folder of its own, so that another one never sees its runs.
async fn serve_as(
    state: &Path,
    folder: &IdentityFolder,
    identity: Identity,
    program: PathBuf,
    arguments: &RunArguments,
) -> anyhow::Result<()> {
    let node = identity.record.node.clone();
    let runs_folder = state.join(&node).join("document").join("orchestration");
    files_for(&runs_folder)?;
    let setting = Setting {
        node: node.clone(),
        namespace: identity.record.namespace,
        folder: runs_folder,
        boot_id: facts::boot_id(),
        platform: facts::platform(),
        output_cap_bytes: arguments.output_cap_mib.saturating_mul(MIB),
        program,
        reboot_command: arguments.reboot_command.clone(),
    };
    let journal = open_journal(&state.join(&node).join("journal.redb"))?;
    let journal_failure = journal.failure();
    let runs = Runs::new(setting, journal);
    runs.recover()?;
    let (link, link_seen) = watch::channel(Link::Connecting { reason: String::new() });
    let (channel, channel_seen) = watch::channel(None);
    let session =
        Session { folder: folder.clone(), runs: Arc::clone(&runs), link, channel, renewed: Mutex::default() };
    let limits = Limits {
        age: Duration::from_secs(arguments.keep_hours.saturating_mul(3600)),
        bytes: arguments.keep_mib.saturating_mul(MIB),
    };
    tracing::info!(node, "serving");
    tokio::select! {
        ended = session::hold(&session, &node) => Ok(ended?),
        () = upload::keep_uploading(Arc::clone(&runs), channel_seen) => Ok(()),
        () = status::keep_record(state, &node, Arc::clone(&runs), link_seen) => Ok(()),
        () = retention::keep_tidy(runs, limits) => Ok(()),
        // Workers go on; whoever starts this process again opens the journal anew and finds them.
        () = journal_failure.notified() => anyhow::bail!("the journal cannot be written any more: is the disk full?"),
    }
}

fn files_for(folder: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let created = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    created.with_context(|| format!("cannot create {}", folder.display()))
}

/// Opens the journal. One that is damaged is put aside: what a folder says of a run still keeps it from running
/// a second time.
fn open_journal(path: &Path) -> anyhow::Result<Journal> {
    match Journal::open(path) {
        Err(error) if is_damage(&error) => {
            let aside = path.with_extension("damaged");
            tracing::error!(%error, aside = %aside.display(), "beginning a new journal");
            std::fs::rename(path, &aside).with_context(|| format!("cannot move {} aside", path.display()))?;
            Ok(Journal::open(path)?)
        }
        other => Ok(other?),
    }
}

fn is_damage(error: &JournalError) -> bool {
    let JournalError::Storage { source, .. } = error else { return false };
    match source.as_ref() {
        redb::Error::Corrupted(_) | redb::Error::RepairAborted => true,
        redb::Error::Io(error) => error.kind() == std::io::ErrorKind::InvalidData,
        _ => false,
    }
}
