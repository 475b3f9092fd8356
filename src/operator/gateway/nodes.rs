//! What this replica knows of every `ManagedNode`, slim, and the news it makes of their changes.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use futures::StreamExt as _;
use keelson_api::{ManagedNode, PingStatus, condition};
use keelson_core::fleet::Epoch;
use kube::core::DeserializeGuard;
use kube::runtime::watcher::{self, Event};
use kube::{Client, ResourceExt as _};
use tokio::sync::watch;

use super::claims::NodeKey;
use super::news::News;
use crate::watch::{guarded, readable};

/// What is kept of a `ManagedNode`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    /// Its uid.
    pub uid: String,
    /// `spec.keyFingerprint`.
    pub fingerprint: String,
    /// The replica that holds, or last held, its stream.
    pub gateway: String,
    /// The epoch of that connection; 0 before the first.
    pub epoch: Epoch,
    /// Whether its status says that it is connected.
    pub online: bool,
    /// Whether its status says that two machines use its key.
    pub duplicate: bool,
    /// Whether somebody has asked to delete it.
    pub deleting: bool,
}

impl From<&ManagedNode> for NodeRecord {
    fn from(node: &ManagedNode) -> Self {
        let agent = node.status.as_ref().and_then(|status| status.agent.as_ref());
        let conditions = node.status.as_ref().map_or(&[][..], |status| &status.conditions);
        Self {
            uid: node.uid().unwrap_or_default(),
            fingerprint: node.spec.key_fingerprint.clone(),
            gateway: agent.map(|agent| agent.gateway.clone()).unwrap_or_default(),
            epoch: agent.map_or(0, |agent| Epoch::try_from(agent.epoch).unwrap_or(0)),
            online: agent.is_some_and(|agent| agent.ping_status == PingStatus::Online),
            duplicate: condition::is_true(conditions, condition::DUPLICATE_IDENTITY),
            deleting: node.metadata.deletion_timestamp.is_some(),
        }
    }
}

type Records = HashMap<NodeKey, NodeRecord>;

/// A node as it was and as it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub key: NodeKey,
    /// As it was; `None` where it was not known.
    pub before: Option<NodeRecord>,
    /// As it is; `None` where it is gone.
    pub now: Option<NodeRecord>,
}

/// Every `ManagedNode`.
pub struct NodeIndex {
    records: RwLock<Records>,
    listing: RwLock<Records>,
    filled: watch::Sender<bool>,
}

impl Default for NodeIndex {
    fn default() -> Self {
        Self { records: RwLock::default(), listing: RwLock::default(), filled: watch::Sender::new(false) }
    }
}

impl NodeIndex {
    /// What is known of a node.
    pub fn get(&self, key: &NodeKey) -> Option<NodeRecord> {
        read(&self.records).get(key).cloned()
    }

    /// The node of a namespace that has this key.
    pub fn with_fingerprint(&self, namespace: &str, fingerprint: &str) -> Option<NodeKey> {
        let records = read(&self.records);
        let found =
            records.iter().find(|(key, node)| key.namespace == namespace && node.fingerprint == fingerprint);
        found.map(|(key, _)| key.clone())
    }

    /// The nodes that a replica holds or last held, as their status says.
    pub fn of_gateway(&self, gateway: &str) -> Vec<(NodeKey, NodeRecord)> {
        let records = read(&self.records);
        let own = records.iter().filter(|(_, node)| node.gateway == gateway);
        own.map(|(key, node)| (key.clone(), node.clone())).collect()
    }

    /// Waits until the first listing is complete.
    pub async fn filled(&self) {
        let mut receiver = self.filled.subscribe();
        let _ = receiver.wait_for(|filled| *filled).await; // the sender lives as long as self
    }

    /// Follows a watch; answers with what changed.
    fn take(&self, event: Event<DeserializeGuard<ManagedNode>>) -> Vec<Change> {
        match event {
            Event::Apply(node) => {
                let Some((key, record)) = self.seen(node) else { return Vec::new() };
                let before = write(&self.records).insert(key.clone(), record.clone());
                vec![Change { key, before, now: Some(record) }]
            }
            Event::Delete(node) => {
                let Some((key, record)) = self.seen(node) else { return Vec::new() };
                write(&self.records).remove(&key);
                vec![Change { key, before: Some(record), now: None }]
            }
            Event::Init => {
                write(&self.listing).clear();
                Vec::new()
            }
            Event::InitApply(node) => {
                write(&self.listing).extend(self.seen(node));
                Vec::new()
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut *write(&self.listing));
                let changes = differences(&read(&self.records), &listed);
                *write(&self.records) = listed;
                self.filled.send_replace(true);
                changes
            }
        }
    }

    /// What to know of a node: of one that cannot be read, what was known before, so that nothing another version
    /// wrote into a `ManagedNode` cuts its node off.
    fn seen(&self, guard: DeserializeGuard<ManagedNode>) -> Option<(NodeKey, NodeRecord)> {
        match readable(guard) {
            Ok(node) => Some((key(&node), NodeRecord::from(&node))),
            Err(named) => {
                let key = NodeKey { namespace: named.namespace?, name: named.name? };
                let known = self.get(&key).filter(|known| Some(&known.uid) == named.uid.as_ref())?;
                Some((key, NodeRecord { deleting: named.deletion_timestamp.is_some(), ..known }))
            }
        }
    }
}

/// Follows the nodes until the process ends. `changed` gets each change once the index shows it.
pub async fn follow(client: Client, index: &NodeIndex, changed: impl Fn(Change)) {
    let mut stream = std::pin::pin!(guarded::<ManagedNode>(client, watcher::Config::default()));
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => index.take(event).into_iter().for_each(&changed),
            Err(error) => {
                tracing::warn!(kind = "ManagedNode", error = %error, "a watch was interrupted and will be taken up again");
            }
        }
    }
}

/// What the connections have to know of a change. They know themselves whom it concerns.
pub fn news(change: Change) -> Vec<News> {
    let Change { key, before, now } = change;
    let now = now.filter(|node| !node.deleting);
    let gone = before.filter(|before| now.as_ref().is_none_or(|now| now.uid != before.uid));
    let removed = gone.map(|gone| News::Removed { key: key.clone(), uid: gone.uid });
    let superseded = now.map(|now| News::Superseded { key: key.clone(), epoch: now.epoch });
    removed.into_iter().chain(superseded).collect()
}

fn differences(old: &Records, new: &Records) -> Vec<Change> {
    let changed = new.iter().filter(|(key, record)| old.get(key) != Some(record)).map(|(key, record)| {
        Change { key: key.clone(), before: old.get(key).cloned(), now: Some(record.clone()) }
    });
    let gone = old.iter().filter(|(key, _)| !new.contains_key(key)).map(|(key, record)| Change {
        key: key.clone(),
        before: Some(record.clone()),
        now: None,
    });
    changed.chain(gone).collect()
}

fn key(node: &ManagedNode) -> NodeKey {
    NodeKey { namespace: node.namespace().unwrap_or_default(), name: node.name_any() }
}

fn read(lock: &RwLock<Records>) -> RwLockReadGuard<'_, Records> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(lock: &RwLock<Records>) -> RwLockWriteGuard<'_, Records> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use kube::core::error_boundary::InvalidObject;

    use super::*;

    fn node(name: &str, uid: &str, gateway: &str, epoch: i64) -> ManagedNode {
        serde_json::from_value(serde_json::json!({
            "metadata": {"namespace": "web", "name": name, "uid": uid},
            "spec": {"keyFingerprint": format!("key-of-{name}")},
            "status": {"agent": {"pingStatus": "Online", "gateway": gateway, "epoch": epoch}},
        }))
        .unwrap()
    }

    fn mi(name: &str) -> NodeKey {
        NodeKey { namespace: "web".into(), name: name.into() }
    }

    fn take(index: &NodeIndex, event: Event<ManagedNode>) -> Vec<Change> {
        index.take(match event {
            Event::Apply(node) => Event::Apply(DeserializeGuard(Ok(node))),
            Event::Delete(node) => Event::Delete(DeserializeGuard(Ok(node))),
            Event::InitApply(node) => Event::InitApply(DeserializeGuard(Ok(node))),
            Event::Init => Event::Init,
            Event::InitDone => Event::InitDone,
        })
    }

    fn unreadable(uid: &str) -> DeserializeGuard<ManagedNode> {
        let metadata = node("mi-1", uid, "", 0).metadata;
        DeserializeGuard(Err(InvalidObject { error: "unknown variant".into(), metadata }))
    }

    fn news_of(index: &NodeIndex, event: Event<ManagedNode>) -> Vec<News> {
        take(index, event).into_iter().flat_map(news).collect()
    }

    fn superseded(epoch: Epoch) -> News {
        News::Superseded { key: mi("mi-1"), epoch }
    }

    fn removed(uid: &str) -> News {
        News::Removed { key: mi("mi-1"), uid: uid.into() }
    }

    #[test]
    fn each_epoch_is_told_so_that_older_connections_end() {
        let index = NodeIndex::default();
        assert_eq!(news_of(&index, Event::Apply(node("mi-1", "u1", "gateway-0", 3))), [superseded(3)]);
        assert_eq!(news_of(&index, Event::Apply(node("mi-1", "u1", "gateway-1", 4))), [superseded(4)]);
    }

    #[test]
    fn a_node_deleted_or_made_again_is_removed_under_its_old_uid() {
        let index = NodeIndex::default();
        take(&index, Event::Apply(node("mi-1", "u1", "gateway-0", 3)));
        let again = news_of(&index, Event::Apply(node("mi-1", "u2", "gateway-1", 1)));
        assert_eq!(again, [removed("u1"), superseded(1)]);
        assert_eq!(news_of(&index, Event::Delete(node("mi-1", "u2", "gateway-1", 1))), [removed("u2")]);
    }

    #[test]
    fn a_node_that_waits_for_its_finalizers_is_removed() {
        let index = NodeIndex::default();
        take(&index, Event::Apply(node("mi-1", "u1", "gateway-0", 3)));
        let mut deleting = node("mi-1", "u1", "gateway-0", 3);
        deleting.metadata.deletion_timestamp =
            Some(serde_json::from_str("\"2026-11-23T00:00:00Z\"").unwrap());
        assert_eq!(news_of(&index, Event::Apply(deleting)), [removed("u1")]);
    }

    #[test]
    fn a_node_that_a_new_listing_leaves_out_is_gone() {
        let index = NodeIndex::default();
        take(&index, Event::Apply(node("mi-1", "u1", "gateway-0", 1)));
        take(&index, Event::Apply(node("mi-2", "u2", "gateway-0", 1)));
        for event in [Event::Init, Event::InitApply(node("mi-2", "u2", "gateway-0", 1))] {
            assert_eq!(take(&index, event), []);
        }
        assert_eq!(news_of(&index, Event::InitDone), [removed("u1")]);
        assert_eq!(index.get(&mi("mi-1")), None);
        assert_eq!(index.with_fingerprint("web", "key-of-mi-2"), Some(mi("mi-2")));
        assert_eq!(index.with_fingerprint("db", "key-of-mi-2"), None);
    }

    #[test]
    fn a_node_that_cannot_be_read_is_not_cut_off() {
        let index = NodeIndex::default();
        let connected = node("mi-1", "u1", "gateway-0", 3);
        take(&index, Event::Apply(connected.clone()));
        index.take(Event::Apply(unreadable("u1")));
        index.take(Event::Init);
        index.take(Event::InitApply(unreadable("u1")));
        assert_eq!(index.take(Event::InitDone), []);
        assert_eq!(index.get(&mi("mi-1")), Some(NodeRecord::from(&connected)));
        let gone = index.take(Event::Delete(unreadable("u1")));
        assert_eq!(gone.into_iter().flat_map(news).collect::<Vec<_>>(), [removed("u1")]);
    }

    #[test]
    fn a_node_that_was_made_again_and_cannot_be_read_is_not_the_former() {
        let index = NodeIndex::default();
        take(&index, Event::Apply(node("mi-1", "u1", "gateway-0", 3)));
        index.take(Event::Init);
        index.take(Event::InitApply(unreadable("u2")));
        let gone = index.take(Event::InitDone);
        assert_eq!(gone.into_iter().flat_map(news).collect::<Vec<_>>(), [removed("u1")]);
    }
}
