//! What is remembered of a Command while it runs. All of it can be had again from the API server; it is kept so
//! that nothing is read twice and no write of ours is taken for unwritten because a watch lags behind.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use keelson_api::{Command, CommandStatus, RunStatus};
use keelson_core::clock::Ages;
use kube::ResourceExt as _;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::Mutex as AsyncMutex;

use super::freeze::Frozen;
use super::validate::Rate;

/// Looked at more often than this, a Command would cost more than it gains: what happens meanwhile is counted
/// together.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Looking takes longer the more targets there are; for so many the interval grows by itself once.
const TARGETS_PER_LOOK: u32 = 2000;

/// A Command that has begun, as this process knows it.
pub struct Run {
    /// What was frozen.
    pub frozen: Option<Arc<Frozen>>,
    /// Rate control as written.
    pub rate: Option<Rate>,
    /// The newest status, as written by this process or found at its start.
    pub status: CommandStatus,
    /// When this process last wrote it.
    pub written: Option<Instant>,
    /// When this process last looked at it.
    pub looked: Option<Instant>,
    /// Invocations whose end was counted in the metrics.
    pub counted: HashSet<String>,
    /// Whether the Event about too many errors was written.
    pub warned: bool,
    /// Ages of everything about this Command; they go with it.
    pub ages: Ages,
}

impl Run {
    fn new(command: &Command, process_started: Timestamp) -> Self {
        Self {
            frozen: None,
            rate: None,
            status: command.status.clone().unwrap_or_default(),
            written: None,
            looked: None,
            counted: HashSet::new(),
            warned: false,
            ages: Ages::new(process_started),
        }
    }

    /// Whether it has ended, though the cache may not show it yet.
    pub fn is_over(&self) -> bool {
        self.status.status.is_some_and(RunStatus::is_terminal)
    }

    /// How long to wait before looking at it again, if it was looked at just now; else this is a look.
    pub fn pause(&mut self, now: Instant) -> Option<Duration> {
        let targets = self.status.target_count.unwrap_or(0);
        let interval = LOOK_INTERVAL * (1 + targets / TARGETS_PER_LOOK);
        let since = self.looked.map(|looked| now.saturating_duration_since(looked));
        let left = since.and_then(|since| interval.checked_sub(since)).filter(|left| !left.is_zero());
        if left.is_none() {
            self.looked = Some(now);
        }
        left
    }
}

/// The Commands that run.
pub struct Runs {
    process_started: Timestamp,
    entries: Mutex<HashMap<String, Entry>>,
}

struct Entry {
    reference: ObjectRef<Command>,
    run: Arc<AsyncMutex<Run>>,
}

impl Runs {
    /// Remembers nothing yet.
    pub fn new(process_started: Timestamp) -> Self {
        Self { process_started, entries: Mutex::default() }
    }

    /// What is remembered of a Command, from now on.
    pub fn of(&self, command: &Command) -> Arc<AsyncMutex<Run>> {
        let mut entries = self.lock();
        let entry = entries.entry(command.uid().unwrap_or_default()).or_insert_with(|| Entry {
            reference: ObjectRef::from_obj(command),
            run: Arc::new(AsyncMutex::new(Run::new(command, self.process_started))),
        });
        entry.run.clone()
    }

    /// Forgets a Command that has ended; whether it was remembered.
    pub fn forget(&self, uid: &str) -> bool {
        self.lock().remove(uid).is_some()
    }

    /// Forgets Commands that `keep` does not want.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.lock().retain(|uid, _| keep(uid));
    }

    /// The Commands that run in a namespace.
    pub fn in_namespace(&self, namespace: &str) -> Vec<ObjectRef<Command>> {
        let entries = self.lock();
        let references = entries.values().map(|entry| &entry.reference);
        references.filter(|reference| reference.namespace.as_deref() == Some(namespace)).cloned().collect()
    }

    /// The Commands that wait for something before they can begin.
    pub fn not_started(&self) -> Vec<ObjectRef<Command>> {
        let entries = self.lock();
        let waiting = entries.values().filter(|entry| {
            // One that is being looked at will look again by itself.
            entry.run.try_lock().is_ok_and(|run| run.status.start_time.is_none())
        });
        waiting.map(|entry| entry.reference.clone()).collect()
    }

    /// A panic elsewhere leaves the map whole: go on with it.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
