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
    /// The `ManagedNode`.
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
/// Invocations by uid of the Command.
type ByCommand = HashMap<String, OfCommand>;

/// The Invocations of a Command, by name.
struct OfCommand {
    command: CommandKey,
    invocations: BTreeMap<String, InvocationRecord>,
}

/// Invocations by Command.
#[derive(Clone)]
pub struct InvocationIndex {
    state: Arc<RwLock<State>>,
    filled: Arc<watch::Sender<bool>>,
}

#[derive(Default)]
struct State {
    records: ByCommand,
    /// What a listing under way has shown so far, and what was inserted meanwhile.
    listing: Option<ByCommand>,
}

impl Default for InvocationIndex {
    fn default() -> Self {
        Self { state: Arc::default(), filled: Arc::new(watch::Sender::new(false)) }
    }
}

impl InvocationIndex {
    /// The Invocations of a Command, by name.
    pub fn of_command(&self, command_uid: &str) -> BTreeMap<String, InvocationRecord> {
        let state = read(&self.state);
        state.records.get(command_uid).map(|known| known.invocations.clone()).unwrap_or_default()
    }

    /// Takes an Invocation in that the watch may not have shown yet, such as one just made. A listing that began
    /// before it was made does not lose it.
    pub fn insert(&self, invocation: &Invocation) {
        let mut state = write(&self.state);
        put(&mut state.records, invocation);
        if let Some(listing) = state.listing.as_mut() {
            put(listing, invocation);
        }
    }

    /// Waits until the first listing is complete.
    pub async fn filled(&self) {
        let mut receiver = self.filled.subscribe();
        let _ = receiver.wait_for(|filled| *filled).await; // the sender lives as long as self
    }

    /// Follows a watch; answers with the Commands whose Invocations changed.
    pub fn take(&self, event: Event<Invocation>) -> BTreeSet<CommandKey> {
        let mut touched = BTreeSet::new();
        let mut state = write(&self.state);
        match event {
            Event::Apply(invocation) => {
                touched.insert(command_key(&invocation));
                put(&mut state.records, &invocation);
            }
            Event::Delete(invocation) => {
                touched.insert(command_key(&invocation));
                remove(&mut state.records, &invocation);
            }
            Event::Init => state.listing = Some(ByCommand::default()),
            Event::InitApply(invocation) => put(state.listing.get_or_insert_default(), &invocation),
            Event::InitDone => {
                let listed = state.listing.take().unwrap_or_default();
                let before = std::mem::replace(&mut state.records, listed);
                // Told now that it can be seen; of those that are gone nobody else will tell.
                touched = before
                    .values()
                    .chain(state.records.values())
                    .map(|known| known.command.clone())
                    .collect();
                drop(state);
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
    let mut record = record(invocation);
    let of_command = records
        .entry(invocation.spec.command_uid.clone())
        .or_insert_with(|| OfCommand { command: command_key(invocation), invocations: BTreeMap::new() });
    let invocations = &mut of_command.invocations;
    if let Some(known) = invocations.get(&record.name).filter(|known| known.uid == record.uid) {
        // What comes later may be older, since an insert and the watch overtake each other: nothing goes back.
        if progress(known) > progress(&record) {
            return;
        }
        record.cancel |= known.cancel;
    }
    invocations.insert(record.name.clone(), record);
}

fn remove(records: &mut ByCommand, invocation: &Invocation) {
    if let Some(of_command) = records.get_mut(&invocation.spec.command_uid) {
        of_command.invocations.remove(&invocation.name_any());
        if of_command.invocations.is_empty() {
            records.remove(&invocation.spec.command_uid);
        }
    }
}

/// How far an Invocation has come; it never goes back.
fn progress(record: &InvocationRecord) -> u8 {
    match record.status {
        None => 0,
        Some(RunStatus::Pending) => 1,
        Some(RunStatus::InProgress | RunStatus::Cancelling) => 2,
        Some(RunStatus::Success | RunStatus::Cancelled | RunStatus::Failed | RunStatus::TimedOut) => 3,
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

fn read(lock: &RwLock<State>) -> RwLockReadGuard<'_, State> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(lock: &RwLock<State>) -> RwLockWriteGuard<'_, State> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keelson_api::{DocumentReference, InvocationSpec, InvocationStatus};

    fn invocation(name: &str, status: Option<RunStatus>) -> Invocation {
        let document = DocumentReference {
            name: "d".into(),
            version: "1".into(),
            hash: String::new(),
            revision: "d-1".into(),
            namespace: "fleet".into(),
        };
        let spec = InvocationSpec {
            command_name: "c".into(),
            command_uid: "uid-c".into(),
            node_name: name.into(),
            node_uid: format!("uid-{name}"),
            hostname: String::new(),
            document,
            called_documents: Vec::new(),
            fail_fast: false,
            strict_scripts: false,
            delivery_timeout_seconds: 600,
            execution_timeout_seconds: 3600,
            cancel: false,
        };
        let mut invocation = Invocation::new(name, spec);
        invocation.metadata.uid = Some(format!("uid-invocation-{name}"));
        invocation.status = status.map(|status| InvocationStatus { status, ..InvocationStatus::default() });
        invocation
    }

    fn names(index: &InvocationIndex) -> Vec<String> {
        index.of_command("uid-c").into_keys().collect()
    }

    #[test]
    fn an_insert_that_the_watch_overtook_takes_nothing_back() {
        let index = InvocationIndex::default();
        index.take(Event::Apply(invocation("a", Some(RunStatus::InProgress))));
        index.insert(&invocation("a", None));
        assert_eq!(index.of_command("uid-c")["a"].status, Some(RunStatus::InProgress));
        index.take(Event::Apply(invocation("a", Some(RunStatus::Failed))));
        index.take(Event::Apply(invocation("a", Some(RunStatus::InProgress))));
        assert!(index.of_command("uid-c")["a"].is_terminal());
    }

    #[test]
    fn an_invocation_made_during_a_listing_is_not_lost_with_it() {
        let index = InvocationIndex::default();
        index.take(Event::Apply(invocation("gone", None)));
        index.take(Event::Init);
        index.take(Event::InitApply(invocation("listed", None)));
        index.insert(&invocation("made", None));
        assert_eq!(names(&index), ["gone", "made"], "what was known stays until the listing is complete");
        index.take(Event::InitDone);
        assert_eq!(names(&index), ["listed", "made"]);
    }

    #[test]
    fn what_changed_during_an_outage_is_told_when_it_can_be_seen() {
        let index = InvocationIndex::default();
        index.take(Event::Apply(invocation("a", None)));
        index.take(Event::Init);
        assert!(index.take(Event::InitApply(invocation("a", Some(RunStatus::Success)))).is_empty());
        assert_eq!(index.take(Event::InitDone), BTreeSet::from([(String::new(), "c".to_owned())]));
        index.take(Event::Init);
        assert_eq!(index.take(Event::InitDone).len(), 1, "those that vanished are told, too");
    }

    #[test]
    fn a_deleted_invocation_is_forgotten() {
        let index = InvocationIndex::default();
        index.insert(&invocation("a", None));
        index.take(Event::Delete(invocation("a", None)));
        assert!(names(&index).is_empty());
    }
}
