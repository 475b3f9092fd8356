//! What no event tells: nodes whose status says that they are connected here and that are not, and the reverse.
//!
//! Nodes are left behind by a replica that was killed and started again under its name, and by a loss that could
//! not be written at its time. A node is given up here once it has been seen so for a while. The reverse comes about
//! when this replica could not renew its lease for a time and the operator gave its nodes up.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use keelson_core::fleet::Epoch;
use keelson_gateway::Gateway;

use super::call::CallError;
use super::claim::SETTLED_AFTER;
use super::claims::{Claim, NodeKey};
use super::fleet::KubernetesFleet;
use super::nodes::NodeRecord;

/// How often statuses are compared with connections.
const INTERVAL: Duration = Duration::from_secs(10);
/// How long a node of a replica that was started again has time to come back. Longer than a claim may take.
const GRACE: Duration = Duration::from_secs(30);

/// Compares until the process ends.
pub async fn run(fleet: &KubernetesFleet, gateway: &Gateway<KubernetesFleet>) {
    let mut orphans = Orphans::default();
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if fleet.is_stopping() {
            return;
        }
        fleet.assignments.forget_ages();
        let connected = gateway.connected_nodes();
        let connected = connected.iter().map(|connected| NodeKey::from(&connected.node)).collect();
        give_up(fleet, &connected, &mut orphans).await;
        reassert(fleet, gateway).await;
    }
}

async fn give_up(fleet: &KubernetesFleet, connected: &HashSet<NodeKey>, orphans: &mut Orphans) {
    let shown = fleet.nodes.of_gateway(&fleet.replica);
    let away = shown.into_iter().filter(|(key, node)| node.online && !connected.contains(key));
    for (key, node) in orphans.due(away.collect(), Instant::now()) {
        tracing::info!(namespace = key.namespace, node = key.name, "a node did not come back");
        fleet.claims.remove(&key, node.epoch);
        if let Err(error) = fleet.let_go(&key, &node.uid, node.epoch).await {
            tracing::warn!(namespace = key.namespace, node = key.name, error = %error, "failed to say that a node is lost");
        }
    }
}

async fn reassert(fleet: &KubernetesFleet, gateway: &Gateway<KubernetesFleet>) {
    for (key, claim) in fleet.claims.all() {
        // A node that the cache does not show may have been made and deleted between two listings.
        if fleet.nodes.get(&key).is_some_and(|node| !is_wrong(&node, &claim, &fleet.replica)) {
            continue;
        }
        match fleet.reassert(&key, &claim).await {
            Ok(()) => {}
            Err(CallError::NotFound) => gateway.node_removed(&key.namespace, &key.name, &claim.uid),
            Err(error) => {
                tracing::warn!(namespace = key.namespace, node = key.name, error = %error, "failed to say that a node is connected");
            }
        }
    }
}

/// Whether the status of a node that is connected here says otherwise, or speaks of a double that is gone.
fn is_wrong(node: &NodeRecord, claim: &Claim, replica: &str) -> bool {
    let ours = node.uid == claim.uid && node.epoch == claim.epoch && node.gateway == replica;
    ours && (!node.online || (node.duplicate && claim.since.elapsed() >= SETTLED_AFTER))
}

/// Nodes that are said to be connected here and are not, since when this replica has seen it so.
#[derive(Default)]
struct Orphans(HashMap<(NodeKey, Epoch), Instant>);

impl Orphans {
    /// Those of `away` that have been so, by the same connection, for the time of grace.
    fn due(&mut self, away: Vec<(NodeKey, NodeRecord)>, now: Instant) -> Vec<(NodeKey, NodeRecord)> {
        let mut seen = HashMap::new();
        let mut due = Vec::new();
        for (key, node) in away {
            let id = (key.clone(), node.epoch);
            let since = self.0.get(&id).copied().unwrap_or(now);
            seen.insert(id, since);
            if now.duration_since(since) >= GRACE {
                due.push((key, node));
            }
        }
        self.0 = seen;
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(epoch: Epoch) -> (NodeKey, NodeRecord) {
        let record = NodeRecord {
            uid: "u".into(),
            fingerprint: String::new(),
            gateway: "gateway-0".into(),
            epoch,
            online: true,
            duplicate: false,
            deleting: false,
        };
        (NodeKey { namespace: "web".into(), name: "mi-1".into() }, record)
    }

    #[test]
    fn a_node_is_given_up_after_the_grace_and_not_before() {
        let (mut orphans, start) = (Orphans::default(), Instant::now());
        assert_eq!(orphans.due(vec![node(1)], start), []);
        assert_eq!(orphans.due(vec![node(1)], start + INTERVAL), []);
        assert_eq!(orphans.due(vec![node(1)], start + GRACE), [node(1)]);
    }

    #[test]
    fn a_node_that_came_back_and_went_again_has_the_grace_again() {
        let (mut orphans, start) = (Orphans::default(), Instant::now());
        orphans.due(vec![node(1)], start);
        assert_eq!(orphans.due(vec![node(2)], start + GRACE), []);
        orphans.due(Vec::new(), start + GRACE + INTERVAL);
        assert_eq!(orphans.due(vec![node(2)], start + GRACE * 2), []);
    }

    #[test]
    fn a_connected_node_that_is_said_to_be_lost_is_wrong() {
        let claim = Claim { uid: "u".into(), epoch: 3, since: Instant::now() };
        let (_, online) = node(3);
        let lost = NodeRecord { online: false, ..online.clone() };
        assert!(!is_wrong(&online, &claim, "gateway-0"));
        assert!(is_wrong(&lost, &claim, "gateway-0"));
        assert!(!is_wrong(&lost, &claim, "gateway-1"));
        assert!(
            !is_wrong(&NodeRecord { epoch: 4, ..lost }, &claim, "gateway-0"),
            "a newer connection decides"
        );
        let duplicate = NodeRecord { duplicate: true, ..online };
        assert!(!is_wrong(&duplicate, &claim, "gateway-0"), "too early to tell");
    }
}
