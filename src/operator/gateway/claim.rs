//! Who holds a node: taking it over when it connects, letting it go when it does not, and what ends its right to.
//!
//! `status.agent` and the conditions `Ready` and `DuplicateIdentity` of a `ManagedNode` are the gateway's. Every
//! write of them carries the resource version that it was decided on, so that of two replicas one has to look
//! again and sees the other's epoch.

mod status;

use std::time::{Duration, Instant};

use keelson_api::ManagedNode;
use keelson_core::fleet::{Epoch, NodeFacts, NodeIdentity, Refusal};
use kube::api::{DeleteParams, Preconditions};
use kube::{Api, ResourceExt as _};

use super::call::{ATTEMPTS, CallError, apply_status, call, get};
use super::claims::{Claim, NodeKey};
use super::fleet::KubernetesFleet;
pub use status::{Connection, OwnStatus};

/// How long a node stays connected without another machine using its key before it counts as one machine again.
pub const SETTLED_AFTER: Duration = Duration::from_secs(600);

impl KubernetesFleet {
    /// Takes a node over for this replica.
    pub async fn take_over(
        &self,
        node: &NodeIdentity,
        facts: &NodeFacts,
        boot_id: &str,
    ) -> Result<Epoch, Refusal> {
        let connection = Connection { gateway: &self.replica, facts, boot_id };
        for _ in 0..ATTEMPTS {
            let current = self.identified(node).await?;
            let next = OwnStatus::online(&current, &connection, crate::context::now());
            match self.apply_own_status(&current, &next).await {
                Ok(_) => {
                    if next.is_duplicate() {
                        tracing::warn!(
                            namespace = node.namespace,
                            node = node.name,
                            "two machines use the key of one node"
                        );
                    }
                    let claim = Claim { uid: node.uid.clone(), epoch: next.epoch(), since: Instant::now() };
                    self.claims.insert(NodeKey::from(node), claim);
                    return Ok(next.epoch());
                }
                Err(CallError::Conflict) => {}
                Err(CallError::NotFound) => return Err(gone(node)),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refusal::Unavailable("the node's status changes too often to be written".into()))
    }

    /// Says that a connection has ended, unless a newer one exists. What cannot be written now is written by the
    /// next round of [`super::upkeep`].
    pub async fn let_go(&self, key: &NodeKey, uid: &str, epoch: Epoch) -> Result<(), CallError> {
        let api = self.nodes_of(&key.namespace);
        for _ in 0..ATTEMPTS {
            let current = match get(&api, &key.name).await {
                Err(CallError::NotFound) => return Ok(()),
                other => other?,
            };
            let back = self.claims.get(key).is_some_and(|claim| claim.epoch > epoch);
            if back || current.uid().as_deref() != Some(uid) {
                return Ok(());
            }
            let Some(next) = OwnStatus::lost(&current, &self.replica, epoch, crate::context::now()) else {
                return Ok(());
            };
            match self.apply_own_status(&current, &next).await {
                Err(CallError::Conflict) => {}
                other => return other.map(drop),
            }
        }
        Err(CallError::Conflict)
    }

    /// Writes again what the status of a node that is connected here should say.
    pub async fn reassert(&self, key: &NodeKey, claim: &Claim) -> Result<(), CallError> {
        let current = get(&self.nodes_of(&key.namespace), &key.name).await?;
        if current.uid().as_deref() != Some(&claim.uid) {
            return Ok(());
        }
        let settled = claim.since.elapsed() >= SETTLED_AFTER;
        match OwnStatus::still_online(&current, &self.replica, claim.epoch, settled, crate::context::now()) {
            Some(next) if self.claims.get(key).as_ref() == Some(claim) => {
                self.apply_own_status(&current, &next).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// The node that a certificate names, if it still is that node.
    pub async fn identified(&self, node: &NodeIdentity) -> Result<ManagedNode, Refusal> {
        let current = match get(&self.nodes_of(&node.namespace), &node.name).await {
            Ok(current) => current,
            Err(CallError::NotFound) => return Err(gone(node)),
            Err(error) => return Err(error.into()),
        };
        check(&current, node)?;
        Ok(current)
    }

    /// Removes a node at its own request. One that is gone already is as it should be.
    pub async fn remove(&self, node: &NodeIdentity) -> Result<(), Refusal> {
        self.identified(node).await?;
        let this_one = Preconditions { uid: Some(node.uid.clone()), resource_version: None };
        let parameters = DeleteParams::default().preconditions(this_one);
        match call(self.nodes_of(&node.namespace).delete(&node.name, &parameters)).await {
            Ok(_) | Err(CallError::NotFound | CallError::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the gateway's part of a node's status, if the node is still as it was seen.
    pub async fn apply_own_status(
        &self,
        node: &ManagedNode,
        status: &OwnStatus,
    ) -> Result<ManagedNode, CallError> {
        let version = node.resource_version().unwrap_or_default();
        let api = self.nodes_of(&node.namespace().unwrap_or_default());
        apply_status(&api, &node.name_any(), &version, status).await
    }

    /// `ManagedNodes` of a namespace.
    pub fn nodes_of(&self, namespace: &str) -> Api<ManagedNode> {
        Api::namespaced(self.client.clone(), namespace)
    }
}

/// Whether a `ManagedNode` is the one that a certificate was issued for.
fn check(current: &ManagedNode, node: &NodeIdentity) -> Result<(), Refusal> {
    let named = format!("ManagedNode {}/{}", node.namespace, node.name);
    let reason = if current.metadata.deletion_timestamp.is_some() {
        format!("{named} is being deleted")
    } else if current.uid().as_deref() != Some(&node.uid) {
        format!("{named} was deleted and made again")
    } else if current.spec.key_fingerprint != node.fingerprint {
        format!("{named} has another key")
    } else {
        return Ok(());
    };
    Err(Refusal::Unknown(format!("{reason}; enrol this server again")))
}

fn gone(node: &NodeIdentity) -> Refusal {
    Refusal::Unknown(format!(
        "ManagedNode {}/{} does not exist; enrol this server again",
        node.namespace, node.name
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn identity() -> NodeIdentity {
        NodeIdentity {
            namespace: "web".into(),
            name: "mi-1".into(),
            uid: "u".into(),
            fingerprint: "f".into(),
        }
    }

    fn node(uid: &str, fingerprint: &str) -> ManagedNode {
        serde_json::from_value(json!({
            "metadata": {"namespace": "web", "name": "mi-1", "uid": uid},
            "spec": {"keyFingerprint": fingerprint},
        }))
        .unwrap()
    }

    #[test]
    fn a_node_is_known_by_uid_and_key_together() {
        assert_eq!(check(&node("u", "f"), &identity()), Ok(()));
        for (uid, fingerprint, reason) in [("v", "f", "made again"), ("u", "g", "another key")] {
            let Err(Refusal::Unknown(message)) = check(&node(uid, fingerprint), &identity()) else {
                unreachable!("{uid} {fingerprint} must be refused");
            };
            assert!(message.contains(reason) && message.contains("enrol"), "{message}");
        }
    }
}
