//! The runs of this node: taken in once, started in turn, brought to their result, reported until acknowledged.
//!
//! All of it is decided here, under one lock that is never held across a wait; what is durable is in the
//! journal before it shows anywhere else.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use keelson_protocol::v1::{Dispatch, RunResult};
use tokio::sync::{Notify, mpsc};

use crate::clock;
use crate::journal::{Entry, Journal, JournalError, State};
use crate::run_directory::RunDirectory;

mod cancel;
#[cfg(test)]
pub mod fixture;
mod folder;
mod notice;
mod outcome;
mod output;
mod process;
mod report;
mod request;
mod standing;
mod supervise;

pub use folder::remove as remove_folder;
pub use notice::{Notice, RefusalReason};
pub use output::{OutputStage, OutputTask};
pub use request::Setting;

/// As many documents run at once, as with AWS's agent; others wait in the order they came.
const AT_ONCE: usize = 5;
/// A journal that cannot be written (a full disk) is tried again after this.
const JOURNAL_AGAIN: Duration = Duration::from_secs(5);
const TOO_LATE: &str = "the dispatch expired before this node could start it";

/// What one run that is not done with is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// Waits for its turn.
    Queued,
    /// Has a worker, or is about to.
    Running,
    /// Goes on after a reboot.
    AwaitsReboot,
    /// Has a result; the control plane does not know. `announced` says whether it was told on this connection,
    /// and if so whether output was pending.
    Finished { since: Instant, announced: Option<bool> },
    /// The control plane knows the result. `complete` says whether the archive has all output: if so, the control
    /// plane is told until it knows that too.
    Reported { complete: bool },
    /// Waited for too long and never runs; the control plane does not know.
    Refused,
}

#[derive(Debug)]
struct Active {
    invocation: String,
    phase: Phase,
}

#[derive(Debug)]
struct Inner {
    journal: Journal,
    active: BTreeMap<String, Active>,
    queue: VecDeque<String>,
    notices: Option<mpsc::UnboundedSender<Notice>>,
    attached: Instant,
    retired_bytes: u64,
}

/// The runs of one node.
#[derive(Debug)]
pub struct Runs {
    setting: Setting,
    inner: Mutex<Inner>,
    changed: Notify,
    output: Notify,
    retired: Notify,
}

/// Whether a run may be started now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Permission {
    Granted,
    Refused,
}

/// What is going on, for `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Invocations that run or go on after a reboot.
    pub running: Vec<String>,
    /// Runs that wait for their turn.
    pub queued: usize,
    /// Results and refusals the control plane does not know of.
    pub unacknowledged: usize,
}

impl Runs {
    /// The runs in this journal. Nothing is started before [`Runs::recover`].
    pub fn new(setting: Setting, journal: Journal) -> Arc<Self> {
        let inner = Inner {
            journal,
            active: BTreeMap::new(),
            queue: VecDeque::new(),
            notices: None,
            attached: Instant::now(),
            retired_bytes: 0,
        };
        Arc::new(Self {
            setting,
            inner: Mutex::new(inner),
            changed: Notify::new(),
            output: Notify::new(),
            retired: Notify::new(),
        })
    }

    /// Takes up what an earlier agent left: finds workers that live, starts what waited, keeps what has ended.
    pub fn recover(self: &Arc<Self>) -> Result<(), JournalError> {
        let mut inner = self.lock();
        let mut entries = inner.journal.entries()?;
        entries.sort_by_key(|(_, entry)| entry.accepted_at);
        for (uid, entry) in entries {
            self.take_up(&mut inner, &uid, &entry);
        }
        self.start_due(&mut inner);
        drop(inner);
        self.output.notify_one();
        Ok(())
    }

    /// Takes up a run of the journal, unless it is done with.
    fn take_up(self: &Arc<Self>, inner: &mut Inner, uid: &str, entry: &Entry) {
        let phase = match &entry.state {
            State::Accepted => self.recovered_phase(&inner.journal, uid, entry.begun_in.as_deref()),
            State::Finished => Phase::Finished { since: Instant::now(), announced: None },
            State::Acknowledged(Some(retired)) if retired.output_pending => {
                Phase::Reported { complete: false }
            }
            State::Refused(_) => Phase::Refused,
            State::Acknowledged(_) | State::RefusalAcknowledged(_) => return,
        };
        match phase {
            Phase::Queued => inner.queue.push_back(uid.to_owned()),
            Phase::Running => self.spawn_supervision(uid, &entry.invocation),
            // Its folder may have been left by an agent that was killed when it had just refused it.
            Phase::Refused => drop(folder::remove(self.setting.directory(uid).path())),
            Phase::AwaitsReboot | Phase::Finished { .. } | Phase::Reported { .. } => {}
        }
        inner.active.insert(uid.to_owned(), Active { invocation: entry.invocation.clone(), phase });
    }

    /// A run that nobody has begun waits its turn; any other is looked after at once.
    fn recovered_phase(&self, journal: &Journal, uid: &str, begun_in: Option<&str>) -> Phase {
        let directory = self.setting.directory(uid);
        if !matches!(directory.order(), Ok(Some(_))) {
            rewrite_order(journal, uid, &directory);
        }
        let begun_elsewhere = begun_in.is_some_and(|boot| boot != self.setting.boot_id);
        if begun_elsewhere || !matches!(directory.worker(), Ok(None)) {
            Phase::Running
        } else {
            Phase::Queued
        }
    }

    /// Takes a dispatch that came at `received` (time since boot). However often it comes, it runs once; the
    /// answer is where the run stands.
    pub fn dispatch(self: &Arc<Self>, dispatch: &Dispatch, received: Duration) {
        let mut inner = self.lock();
        match inner.journal.entry(&dispatch.command_uid) {
            Ok(None) => self.take_in(&mut inner, dispatch, received),
            Ok(Some(entry)) => inner.answer_again(&dispatch.command_uid, &entry),
            Err(error @ JournalError::Malformed { .. }) => {
                inner.refuse_unjournalled(dispatch, RefusalReason::Unspecified, &error.to_string());
            }
            // Not an answer that ends the run: it is sent again once the journal can be used.
            Err(error) => tracing::error!(%error, "cannot look up a dispatch"),
        }
        drop(inner);
        self.changed.notify_one();
    }

    fn take_in(self: &Arc<Self>, inner: &mut Inner, dispatch: &Dispatch, received: Duration) {
        let lived = inner.journal.lived();
        let (mut entry, order) = match self.setting.order(dispatch, received, lived) {
            Ok(checked) => checked,
            Err(reason) => return inner.refuse_unjournalled(dispatch, RefusalReason::Invalid, &reason),
        };
        if !entry.may_start(&self.setting.boot_id, clock::since_boot(), clock::unix_ms()) {
            return inner.refuse_unjournalled(dispatch, RefusalReason::Expired, TOO_LATE);
        }
        let uid = dispatch.command_uid.clone();
        // One that is started at once is begun by the same write.
        if inner.has_room() {
            entry.begun_in = Some(self.setting.boot_id.clone());
        }
        if let Err(error) = inner.journal.accept(&uid, &entry, &order) {
            // Whether it is on the disk is not known, so it is neither accepted nor refused.
            tracing::error!(%error, "cannot accept a dispatch");
            return;
        }
        tracing::info!(command = uid, invocation = entry.invocation, "accepted");
        inner.say(Notice::Accepted { command_uid: uid.clone(), invocation: entry.invocation.clone() });
        if let Err(error) = self.setting.directory(&uid).prepare(&order) {
            // The supervision will find the folder unusable, and that is the run's result.
            tracing::error!(%error, "cannot write a run's folder");
        }
        inner.queue.push_back(uid.clone());
        inner.active.insert(uid, Active { invocation: entry.invocation, phase: Phase::Queued });
        self.start_due(inner);
    }

    /// Waits until there may be output to send or a result to tell.
    pub async fn output_wanted(&self) {
        self.output.notified().await;
    }

    /// Waits until [`Runs::summary`] may have changed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Waits until a run's folder is of no more use but to people; the bytes of all such since the last call.
    pub async fn retired(&self) -> u64 {
        self.retired.notified().await;
        std::mem::take(&mut self.lock().retired_bytes)
    }

    /// What is going on.
    pub fn summary(&self) -> Summary {
        let inner = self.lock();
        let mut summary = Summary::default();
        for active in inner.active.values() {
            match active.phase {
                Phase::Queued => summary.queued += 1,
                Phase::Running | Phase::AwaitsReboot => summary.running.push(active.invocation.clone()),
                Phase::Finished { .. } | Phase::Refused => summary.unacknowledged += 1,
                Phase::Reported { .. } => {}
            }
        }
        summary
    }

    /// Works on the journal, for what is about folders and not about runs.
    pub fn with_journal<T>(&self, work: impl FnOnce(&Journal) -> T) -> T {
        work(&self.lock().journal)
    }

    /// What is the same for every run.
    pub fn setting(&self) -> &Setting {
        &self.setting
    }

    /// Keeps a result and goes on: with its output, with the next in the queue.
    async fn finish(self: &Arc<Self>, uid: &str, result: &RunResult) {
        while let Err(error) = self.with_journal(|journal| journal.finish(uid, result)) {
            tracing::error!(%error, "cannot keep a result; trying again");
            tokio::time::sleep(JOURNAL_AGAIN).await;
        }
        tracing::info!(command = uid, status = result.status, "finished");
        let mut inner = self.lock();
        if let Some(active) = inner.active.get_mut(uid) {
            active.phase = Phase::Finished { since: Instant::now(), announced: None };
        }
        self.start_due(&mut inner);
        drop(inner);
        self.output.notify_one();
        self.changed.notify_one();
    }

    /// Asked right before a run that nobody has begun is started. A permission, like a refusal, is durable.
    fn permission(self: &Arc<Self>, uid: &str) -> Result<Permission, JournalError> {
        let mut inner = self.lock();
        let boot_id = &self.setting.boot_id;
        let entry = inner.journal.entry(uid)?;
        let in_time = |entry: &Entry| entry.may_start(boot_id, clock::since_boot(), clock::unix_ms());
        if let Some(entry) = entry.filter(in_time) {
            if entry.begun_in.as_ref() != Some(boot_id) {
                inner.journal.begin(uid, boot_id)?;
            }
            return Ok(Permission::Granted);
        }
        inner.journal.refuse(uid, TOO_LATE)?;
        tracing::warn!(command = uid, "{TOO_LATE}");
        if let Some(active) = inner.active.get_mut(uid) {
            active.phase = Phase::Refused;
            let invocation = active.invocation.clone();
            inner.say(Notice::Refused {
                command_uid: uid.to_owned(),
                invocation,
                reason: RefusalReason::Expired,
                message: TOO_LATE.to_owned(),
            });
        }
        folder::remove(self.setting.directory(uid).path());
        self.start_due(&mut inner);
        drop(inner);
        self.changed.notify_one();
        Ok(Permission::Refused)
    }

    /// The last boot in which a run was begun.
    fn begun_in(&self, uid: &str) -> Result<Option<String>, JournalError> {
        Ok(self.lock().journal.entry(uid)?.and_then(|entry| entry.begun_in))
    }

    /// A run is begun in this boot. Durable when it returns.
    fn begin(&self, uid: &str) -> Result<(), JournalError> {
        self.lock().journal.begin(uid, &self.setting.boot_id)
    }

    /// A run waits for the machine to reboot; nothing else is started until then.
    fn await_reboot(&self, uid: &str) {
        if let Some(active) = self.lock().active.get_mut(uid) {
            active.phase = Phase::AwaitsReboot;
        }
    }

    fn start_due(self: &Arc<Self>, inner: &mut Inner) {
        while inner.has_room() {
            let Some(uid) = inner.queue.pop_front() else { return };
            if let Some(active) = inner.active.get_mut(&uid) {
                active.phase = Phase::Running;
                self.spawn_supervision(&uid, &active.invocation);
                self.output.notify_one();
            }
        }
    }

    fn spawn_supervision(self: &Arc<Self>, uid: &str, invocation: &str) {
        tokio::spawn(supervise::supervise(Arc::clone(self), uid.to_owned(), invocation.to_owned()));
    }

    /// Each change is made whole before anything can panic: go on after one elsewhere.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Whether another run may be started: not too many run, and the machine is not about to reboot.
    fn has_room(&self) -> bool {
        let count = |phase| self.active.values().filter(|active| active.phase == phase).count();
        count(Phase::AwaitsReboot) == 0 && count(Phase::Running) < AT_ONCE
    }
}

/// A power cut may have taken the order from a run's folder, which is written without waiting for the disk.
fn rewrite_order(journal: &Journal, uid: &str, directory: &RunDirectory) {
    match journal.order(uid) {
        Ok(Some(order)) => {
            if let Err(error) = directory.prepare(&order) {
                tracing::error!(%error, "cannot write a run's folder");
            }
        }
        Ok(None) => tracing::error!(command = uid, "the journal has no order of an accepted run"),
        Err(error) => tracing::error!(%error, "cannot read an order"),
    }
}

#[cfg(test)]
mod tests;
