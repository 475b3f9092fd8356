//! Which nodes hold a stream to this replica, and how to reach into those streams from outside.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keelson_core::fleet::{Epoch, NodeIdentity};
use tokio::sync::{Notify, watch};
use tonic::Status;

/// Why a stream ends.
#[derive(Debug, Clone)]
pub(crate) enum Close {
    /// The node closed it, or was cut off.
    Gone,
    /// The node did what it may not.
    Refused(Status),
    /// A newer connection owns the node.
    Replaced,
    /// The `ManagedNode` is gone.
    Removed,
    /// This replica stops.
    Shutdown,
}

impl fmt::Display for Close {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => formatter.write_str("gone"),
            Self::Refused(status) => write!(formatter, "refused: {}", status.message()),
            Self::Replaced => formatter.write_str("replaced"),
            Self::Removed => formatter.write_str("removed"),
            Self::Shutdown => formatter.write_str("shutdown"),
        }
    }
}

/// A node that holds a stream to this replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectedNode {
    /// Who it is.
    pub node: NodeIdentity,
    /// The epoch of its stream.
    pub epoch: Epoch,
}

/// How the outside reaches a stream.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    wake: Arc<Notify>,
    close: watch::Sender<Option<Close>>,
}

impl Link {
    fn new() -> Self {
        Self { wake: Arc::default(), close: watch::Sender::new(None) }
    }

    /// Waits for news of the node's assignments. News that came before are not lost.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Waits until the stream has to end.
    pub async fn closed(&self) -> Close {
        match self.close.subscribe().wait_for(Option::is_some).await {
            Ok(close) => close.clone().unwrap_or(Close::Gone),
            Err(_) => Close::Gone, // cannot be: the sender is in `self`
        }
    }

    /// The first reason stays.
    fn end(&self, close: Close) {
        self.close.send_if_modified(|reason| {
            let first = reason.is_none();
            if first {
                *reason = Some(close);
            }
            first
        });
    }
}

#[derive(Debug)]
struct Entry {
    node: NodeIdentity,
    epoch: Epoch,
    /// None while the node may come back before it counts as disconnected.
    link: Option<Link>,
}

#[derive(Debug, Default)]
struct State {
    /// By namespace and name.
    nodes: HashMap<(String, String), Entry>,
    stopping: bool,
}

/// The streams of this replica. One a node: the one with the newest epoch.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    state: Mutex<State>,
}

impl Registry {
    /// Registers a claimed stream and ends an older one of the node. The error says why this one must end.
    pub fn connect(&self, node: &NodeIdentity, epoch: Epoch) -> Result<Link, Close> {
        let mut state = self.lock();
        if state.stopping {
            return Err(Close::Shutdown);
        }
        let former = state.nodes.get(&key(node));
        if former.is_some_and(|entry| entry.epoch > epoch) {
            return Err(Close::Replaced);
        }
        if let Some(link) = former.and_then(|entry| entry.link.as_ref()) {
            link.end(Close::Replaced);
        }
        let link = Link::new();
        let entry = Entry { node: node.clone(), epoch, link: Some(link.clone()) };
        state.nodes.insert(key(node), entry);
        Ok(link)
    }

    /// The stream has ended, and the node may be back soon.
    pub fn disconnect(&self, node: &NodeIdentity, epoch: Epoch) {
        if let Some(entry) = self.lock().nodes.get_mut(&key(node)).filter(|entry| entry.epoch == epoch) {
            entry.link = None;
        }
    }

    /// Forgets a node that has not come back since this epoch; `false` if it has.
    pub fn forget(&self, node: &NodeIdentity, epoch: Epoch) -> bool {
        let mut state = self.lock();
        let away =
            state.nodes.get(&key(node)).is_some_and(|entry| entry.epoch == epoch && entry.link.is_none());
        if away {
            state.nodes.remove(&key(node));
        }
        away
    }

    /// Wakes a node's stream, if there is one.
    pub fn notify(&self, namespace: &str, name: &str) {
        self.with(namespace, name, |_, link| link.wake.notify_one());
    }

    /// Ends the stream of a node that was deleted.
    pub fn removed(&self, namespace: &str, name: &str, uid: &str) {
        self.with(namespace, name, |entry, link| {
            if entry.node.uid == uid {
                link.end(Close::Removed);
            }
        });
    }

    /// Ends a node's stream if it is older than `epoch`.
    pub fn superseded(&self, namespace: &str, name: &str, epoch: Epoch) {
        self.with(namespace, name, |entry, link| {
            if entry.epoch < epoch {
                link.end(Close::Replaced);
            }
        });
    }

    /// Ends every stream and lets no other begin.
    pub fn stop(&self) {
        let mut state = self.lock();
        state.stopping = true;
        for link in state.nodes.values().filter_map(|entry| entry.link.as_ref()) {
            link.end(Close::Shutdown);
        }
    }

    /// The nodes that hold a stream now.
    pub fn connected(&self) -> Vec<ConnectedNode> {
        let state = self.lock();
        let connected = state.nodes.values().filter(|entry| entry.link.is_some());
        connected.map(|entry| ConnectedNode { node: entry.node.clone(), epoch: entry.epoch }).collect()
    }

    fn with(&self, namespace: &str, name: &str, act: impl FnOnce(&Entry, &Link)) {
        let state = self.lock();
        if let Some(entry) = state.nodes.get(&(namespace.to_owned(), name.to_owned()))
            && let Some(link) = &entry.link
        {
            act(entry, link);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(node: &NodeIdentity) -> (String, String) {
    (node.namespace.clone(), node.name.clone())
}
