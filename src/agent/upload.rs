//! Brings the output of runs into the archive: while they run, and to the end before their results are told.
//!
//! One piece of one stream is in memory at a time, whatever the runs print. Pieces go out in turn, so that a
//! run that prints much does not hold up another one's result.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keelson_protocol::v1::node_client::NodeClient;
use tokio::sync::watch;
use tokio::time::sleep;
use tonic::transport::Channel;

use crate::runs::{OutputStage, OutputTask, Runs};

mod transfer;

use transfer::{Step, Transfer};

/// How often the output of a document that runs is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// A result waits this long for an archive that takes nothing.
const STALL_LIMIT: Duration = Duration::from_secs(30);
/// A result waits this long for its output altogether, however steadily it goes in.
const WAIT_LIMIT: Duration = Duration::from_secs(300);

/// Uploads whenever there is a connection, for ever.
pub async fn keep_uploading(runs: Arc<Runs>, mut channel: watch::Receiver<Option<Channel>>) {
    let mut uploader = Uploader { runs, transfers: BTreeMap::new() };
    loop {
        if channel.has_changed().is_ok_and(|changed| changed) {
            // What failed on the former connection is tried at once on a new one.
            uploader.transfers.clear();
        }
        let connected = channel.borrow_and_update().clone();
        let Some(connected) = connected else {
            if channel.changed().await.is_err() {
                return;
            }
            continue;
        };
        let next = uploader.pass(&mut NodeClient::new(connected)).await;
        // A new run or result, and a new connection, are told of; growth shows only when looked at.
        tokio::select! {
            () = uploader.runs.output_wanted() => {}
            () = look_again(next) => {}
            changed = channel.changed() => if changed.is_err() { return },
        }
    }
}

async fn look_again(wait: Option<Duration>) {
    match wait {
        Some(wait) => sleep(wait).await,
        None => std::future::pending().await,
    }
}

struct Uploader {
    runs: Arc<Runs>,
    transfers: BTreeMap<String, Transfer>,
}

impl Uploader {
    /// Sends what there is, a piece of each run in turn; returns how long to wait before looking again, or
    /// nothing if only an event can bring more.
    async fn pass(&mut self, archive: &mut NodeClient<Channel>) -> Option<Duration> {
        let tasks = self.runs.output_tasks();
        self.transfers.retain(|uid, _| tasks.iter().any(|task| task.command_uid == *uid));
        let (mut moved, mut growing, mut next_try) = (false, false, None::<Instant>);
        for task in &tasks {
            growing |= task.stage == OutputStage::Growing;
            let uid = task.command_uid.clone();
            let transfer = self.transfers.entry(uid).or_insert_with(|| Transfer::resume(task));
            match transfer.step(task, archive).await {
                Step::Moved => moved = true,
                Step::Nothing => {}
                Step::Complete => self.complete(task),
                Step::Failed { again } => {
                    next_try = Some(next_try.map_or(again, |earlier| earlier.min(again)));
                }
            }
            // After each, because an archive that hangs takes its time with every one.
            for task in &tasks {
                self.give_up_waiting(task);
            }
        }
        if moved {
            return Some(Duration::ZERO);
        }
        let until = next_try.map(|again| again.saturating_duration_since(Instant::now()));
        let looked = growing.then_some(LOOK_INTERVAL);
        until.into_iter().chain(looked).min()
    }

    fn complete(&mut self, task: &OutputTask) {
        match task.stage {
            OutputStage::ResultWaits(_) => drop(self.runs.announce(&task.command_uid, false)),
            OutputStage::Late => self.runs.output_complete(&task.command_uid),
            OutputStage::Growing => {}
        }
        self.transfers.remove(&task.command_uid);
    }

    /// Tells a result without the rest of its output if the archive does not take it.
    fn give_up_waiting(&self, task: &OutputTask) {
        let OutputStage::ResultWaits(since) = task.stage else { return };
        let Some(transfer) = self.transfers.get(&task.command_uid) else { return };
        let stalled = transfer.last_moved().map_or(since, |moved| moved.max(since)).elapsed();
        let too_long = stalled >= STALL_LIMIT || since.elapsed() >= WAIT_LIMIT;
        if too_long && self.runs.announce(&task.command_uid, true) {
            tracing::warn!(
                command = task.command_uid,
                "the archive does not take all output; going on later"
            );
        }
    }
}

#[cfg(test)]
mod tests;
