//! The Invocations that are released and not finished, by node.
//!
//! They are watched with a field selector that leaves the finished ones out, so that the gateway neither holds
//! nor receives results of runs that are over: the API server shows their end as a deletion.

mod record;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use futures::StreamExt as _;
use k8s_openapi::jiff::Timestamp;
use keelson_api::Invocation;
use keelson_core::clock::Ages;
use keelson_core::fleet::{Assignment, NodeIdentity};
use kube::Client;
use kube::core::{DeserializeGuard, ObjectMeta};
use kube::runtime::watcher::{self, Event};
use tokio::sync::watch;

use super::claims::NodeKey;
use crate::watch::{guarded, readable};
pub use record::InvocationRecord;

/// Invocations whose status is not terminal, those without a status among them.
const UNFINISHED: &str =
    "status.status!=Success,status.status!=Failed,status.status!=TimedOut,status.status!=Cancelled";

type ByNode = HashMap<NodeKey, BTreeMap<String, InvocationRecord>>;

/// The unfinished Invocations of every node.
pub struct AssignmentIndex {
    records: RwLock<ByNode>,
    listing: RwLock<ByNode>,
    ages: Ages,
    filled: watch::Sender<bool>,
}

impl AssignmentIndex {
    /// An empty index of a process that started at `started`.
    pub fn new(started: Timestamp) -> Self {
        Self {
            records: RwLock::default(),
            listing: RwLock::default(),
            ages: Ages::new(started),
            filled: watch::Sender::new(false),
        }
    }

    /// What a node is to run, in order of name.
    pub fn of_node(&self, node: &NodeIdentity) -> Vec<Assignment> {
        let records = read(&self.records);
        let own = records.get(&NodeKey::from(node)).into_iter().flat_map(BTreeMap::values);
        own.filter(|record| record.node_uid == node.uid)
            .map(|record| record.assignment(self.age(record)))
            .collect()
    }

    /// An unfinished Invocation of a node.
    pub fn get(&self, node: &NodeKey, invocation: &str) -> Option<InvocationRecord> {
        read(&self.records).get(node)?.get(invocation).cloned()
    }

    /// Takes in what was just written, which the watch may not show yet.
    pub fn update(&self, invocation: &Invocation) {
        put(&mut write(&self.records), InvocationRecord::from(invocation));
    }

    /// Waits until the first listing is complete.
    pub async fn filled(&self) {
        let mut receiver = self.filled.subscribe();
        let _ = receiver.wait_for(|filled| *filled).await; // the sender lives as long as self
    }

    /// Forgets the ages of what has ended.
    pub fn forget_ages(&self) {
        let records = read(&self.records);
        let uids: BTreeSet<&str> =
            records.values().flat_map(BTreeMap::values).map(|record| record.uid.as_str()).collect();
        self.ages.retain(|uid| uids.contains(uid));
    }

    /// Follows a watch; answers with the nodes whose Invocations changed.
    fn take(&self, event: Event<DeserializeGuard<Invocation>>) -> BTreeSet<NodeKey> {
        let mut touched = BTreeSet::new();
        match event {
            Event::Apply(invocation) => {
                if let Some(record) = self.seen(invocation) {
                    self.age(&record); // its age begins now
                    touched.insert(record.node());
                    put(&mut write(&self.records), record);
                }
            }
            Event::Delete(invocation) => {
                if let Some(record) = self.seen(invocation) {
                    let node = record.node();
                    remove(&mut write(&self.records), &node, &record.name);
                    touched.insert(node);
                }
            }
            Event::Init => write(&self.listing).clear(),
            Event::InitApply(invocation) => {
                if let Some(record) = self.seen(invocation) {
                    self.age(&record);
                    put(&mut write(&self.listing), record);
                }
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut *write(&self.listing));
                touched.extend(listed.keys().cloned());
                let before = std::mem::replace(&mut *write(&self.records), listed);
                touched.extend(before.into_keys());
                self.filled.send_replace(true);
            }
        }
        touched
    }

    /// What to know of an Invocation: of one that cannot be read, what was known before.
    fn seen(&self, guard: DeserializeGuard<Invocation>) -> Option<InvocationRecord> {
        readable(guard).map_or_else(|named| self.known(&named), |invocation| Some((&invocation).into()))
    }

    fn known(&self, named: &ObjectMeta) -> Option<InvocationRecord> {
        let (name, uid) = (named.name.as_ref()?, named.uid.as_ref()?);
        let records = read(&self.records);
        records.values().find_map(|of_node| of_node.get(name).filter(|record| record.uid == *uid)).cloned()
    }

    fn age(&self, record: &InvocationRecord) -> std::time::Duration {
        self.ages.age(&record.uid, record.created, crate::context::now(), Instant::now())
    }
}

/// Follows the Invocations until the process ends. `changed` gets each node whose Invocations changed.
pub async fn follow(client: Client, index: &AssignmentIndex, changed: impl Fn(NodeKey)) {
    let config = watcher::Config::default().fields(UNFINISHED);
    let mut stream = std::pin::pin!(guarded::<Invocation>(client, config));
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => index.take(event).into_iter().for_each(&changed),
            Err(error) => {
                tracing::warn!(kind = "Invocation", error = %error, "a watch was interrupted and will be taken up again");
            }
        }
    }
}

/// Puts a record in unless a newer state of it is known; takes it out if it is finished.
fn put(records: &mut ByNode, record: InvocationRecord) {
    let node = record.node();
    let known = records.get(&node).and_then(|of_node| of_node.get(&record.name));
    if known.is_some_and(|known| known.is_newer_than(&record)) {
        return;
    }
    if record.is_terminal() {
        remove(records, &node, &record.name);
    } else {
        records.entry(node).or_default().insert(record.name.clone(), record);
    }
}

fn remove(records: &mut ByNode, node: &NodeKey, name: &str) {
    if let Some(of_node) = records.get_mut(node) {
        of_node.remove(name);
        if of_node.is_empty() {
            records.remove(node);
        }
    }
}

fn read(lock: &RwLock<ByNode>) -> RwLockReadGuard<'_, ByNode> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(lock: &RwLock<ByNode>) -> RwLockWriteGuard<'_, ByNode> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
