//! Invocations by Command, without their output.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use keelson_api::{Invocation, RunStatus};
use kube::ResourceExt as _;
use kube::runtime::watcher::Event;
use tokio::sync::watch;

use k8s_openapi::jiff::Timestamp;

/// What is kept of an Invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvocationRecord {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The ManagedNode.
    pub node: String,
    /// The node's uid.
    pub node_uid: String,
    /// The node's host name.
    pub hostname: String,
    /// When it was made, by the API server's clock.
    pub created: Option<Timestamp>,
    /// Where it stands; `None` before anybody wrote a status.
    pub status: Option<RunStatus>,
    /// The same in AWS's words.
    pub status_details: String,
    /// Exit code.
    pub response_code: Option<i32>,
    /// Whether a cancel was asked for.
    pub cancel: bool,
    /// `spec.deliveryTimeoutSeconds`.
    pub delivery_timeout_seconds: i64,
    /// `spec.executionTimeoutSeconds`.
    pub execution_timeout_seconds: i64,
}

impl InvocationRecord {
    /// Whether its status never changes again.
    pub fn is_terminal(&self) -> bool {
        self.status.is_some_and(RunStatus::is_terminal)
    }
}

/// Namespace and name of a Command.
type CommandKey = (String, String);
/// Invocations by uid of the Command, then by name.
type ByCommand = HashMap<String, BTreeMap<String, InvocationRecord>>;

/// Invocations by Command.
#[derive(Clone)]
pub struct InvocationIndex {
    records: Arc<RwLock<ByCommand>>,
    pending: Arc<RwLock<ByCommand>>,
    filled: Arc<watch::Sender<bool>>,
}

impl Default for InvocationIndex {
    fn default() -> Self {
        Self { records: Arc::default(), pending: Arc::default(), filled: Arc::new(watch::Sender::new(false)) }
    }
}

impl InvocationIndex {
    /// The Invocations of a Command, by name.
    pub fn of_command(&self, command_uid: &str) -> BTreeMap<String, InvocationRecord> {
        read(&self.records).get(command_uid).cloned().unwrap_or_default()
    }

    /// How many Invocations are known.
    pub fn len(&self) -> usize {
        read(&self.records).values().map(BTreeMap::len).sum()
    }

    /// Takes an Invocation in that the watch may not have shown yet, such as one just made.
    pub fn insert(&self, invocation: &Invocation) {
        put(&mut write(&self.records), invocation);
    }

    /// Waits until the first listing is complete.
    pub async fn filled(&self) {
        let mut receiver = self.filled.subscribe();
        let _ = receiver.wait_for(|filled| *filled).await; // the sender lives as long as self
    }

    /// Follows a watch; answers with the Commands whose Invocations changed.
    pub fn take(&self, event: Event<Invocation>) -> BTreeSet<CommandKey> {
        let mut touched = BTreeSet::new();
        match event {
            Event::Apply(invocation) => {
                touched.insert(command_key(&invocation));
                put(&mut write(&self.records), &invocation);
            }
            Event::Delete(invocation) => {
                touched.insert(command_key(&invocation));
                let mut records = write(&self.records);
                if let Some(of_command) = records.get_mut(&invocation.spec.command_uid) {
                    of_command.remove(&invocation.name_any());
                    if of_command.is_empty() {
                        records.remove(&invocation.spec.command_uid);
                    }
                }
            }
            Event::Init => write(&self.pending).clear(),
            Event::InitApply(invocation) => {
                touched.insert(command_key(&invocation));
                put(&mut write(&self.pending), &invocation);
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut *write(&self.pending));
                *write(&self.records) = listed;
                self.filled.send_replace(true);
            }
        }
        touched
    }
}

fn command_key(invocation: &Invocation) -> CommandKey {
    (invocation.namespace().unwrap_or_default(), invocation.spec.command_name.clone())
}

fn put(records: &mut ByCommand, invocation: &Invocation) {
    let record = record(invocation);
    let of_command = records.entry(invocation.spec.command_uid.clone()).or_default();
    // A watch that lags behind an insert must not bring back an older state.
    let ended = of_command.get(&record.name).is_some_and(|known| known.uid == record.uid && known.is_terminal());
    if !ended || record.is_terminal() {
        of_command.insert(record.name.clone(), record);
    }
}

fn record(invocation: &Invocation) -> InvocationRecord {
    let status = invocation.status.as_ref();
    InvocationRecord {
        name: invocation.name_any(),
        uid: invocation.uid().unwrap_or_default(),
        node: invocation.spec.node_name.clone(),
        node_uid: invocation.spec.node_uid.clone(),
        hostname: invocation.spec.hostname.clone(),
        created: invocation.creation_timestamp().map(|time| time.0),
        status: status.map(|status| status.status),
        status_details: status.map(|status| status.status_details.clone()).unwrap_or_default(),
        response_code: status.and_then(|status| status.response_code),
        cancel: invocation.spec.cancel,
        delivery_timeout_seconds: invocation.spec.delivery_timeout_seconds,
        execution_timeout_seconds: invocation.spec.execution_timeout_seconds,
    }
}

fn read(lock: &RwLock<ByCommand>) -> RwLockReadGuard<'_, ByCommand> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(lock: &RwLock<ByCommand>) -> RwLockWriteGuard<'_, ByCommand> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
