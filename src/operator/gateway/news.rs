//! What the caches have to tell the connections, on its way to the gateway.

use keelson_core::fleet::Epoch;

use tokio::sync::mpsc;

use super::claims::NodeKey;

/// Something a connection has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The node's Invocations changed.
    Assignments(NodeKey),
    /// The `ManagedNode` with this uid is gone.
    Removed {
        /// Which.
        key: NodeKey,
        /// The uid that is gone; another node may have its name by now.
        uid: String,
    },
    /// The node has a newer connection, here or elsewhere.
    Superseded {
        /// Which.
        key: NodeKey,
        /// Of the newer connection.
        epoch: Epoch,
    },
}

/// Where the caches send news. Passing news on waits for nothing, so the channel needs no bound.
pub type NewsSender = mpsc::UnboundedSender<News>;
