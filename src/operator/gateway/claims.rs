//! Which nodes are connected to this replica, and since when.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use keelson_core::fleet::{Epoch, NodeIdentity};

use super::news::News;

/// Namespace and name of a `ManagedNode`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl From<&NodeIdentity> for NodeKey {
    fn from(node: &NodeIdentity) -> Self {
        Self { namespace: node.namespace.clone(), name: node.name.clone() }
    }
}

/// A node that is connected here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The node's uid.
    pub uid: String,
    /// The epoch of its connection.
    pub epoch: Epoch,
    /// When it was claimed.
    pub since: Instant,
}

/// The nodes that are connected here.
#[derive(Default)]
pub struct Claims(RwLock<HashMap<NodeKey, Claim>>);

impl Claims {
    /// Takes a claim in, in place of an older one of the same node.
    pub fn insert(&self, key: NodeKey, claim: Claim) {
        let mut claims = self.write();
        if claims.get(&key).is_none_or(|known| known.uid != claim.uid || known.epoch < claim.epoch) {
            claims.insert(key, claim);
        }
    }

    /// Ends the claim of this epoch; a newer one stays.
    pub fn remove(&self, key: &NodeKey, epoch: Epoch) {
        let mut claims = self.write();
        if claims.get(key).is_some_and(|known| known.epoch == epoch) {
            claims.remove(key);
        }
    }

    /// Ends the claim that news take away.
    pub fn hear(&self, news: &News) {
        let (key, ends): (_, &dyn Fn(&Claim) -> bool) = match news {
            News::Assignments(_) => return,
            News::Removed { key, uid } => (key, &|claim| claim.uid == *uid),
            News::Superseded { key, epoch } => (key, &|claim| claim.epoch < *epoch),
        };
        let mut claims = self.write();
        if claims.get(key).is_some_and(ends) {
            claims.remove(key);
        }
    }

    /// The claim of a node.
    pub fn get(&self, key: &NodeKey) -> Option<Claim> {
        self.read().get(key).cloned()
    }

    /// Whether a node is connected here.
    pub fn contains(&self, key: &NodeKey) -> bool {
        self.read().contains_key(key)
    }

    /// How many nodes are connected here.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// All claims.
    pub fn all(&self) -> Vec<(NodeKey, Claim)> {
        self.read().iter().map(|(key, claim)| (key.clone(), claim.clone())).collect()
    }

    // A panic elsewhere leaves the map whole, since each entry is written at once: go on with it.
    fn read(&self) -> RwLockReadGuard<'_, HashMap<NodeKey, Claim>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<NodeKey, Claim>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> NodeKey {
        NodeKey { namespace: "web".into(), name: "mi-1".into() }
    }

    fn claim(epoch: Epoch) -> Claim {
        Claim { uid: "u".into(), epoch, since: Instant::now() }
    }

    #[test]
    fn the_end_of_an_older_connection_leaves_the_newer_claim() {
        let claims = Claims::default();
        claims.insert(key(), claim(1));
        claims.insert(key(), claim(2));
        claims.remove(&key(), 1);
        assert_eq!(claims.get(&key()).unwrap().epoch, 2);
        claims.remove(&key(), 2);
        assert!(!claims.contains(&key()));
    }

    #[test]
    fn a_claim_ends_with_its_node_and_with_a_newer_connection_elsewhere() {
        let claims = Claims::default();
        claims.insert(key(), claim(2));
        claims.hear(&News::Superseded { key: key(), epoch: 2 });
        claims.hear(&News::Removed { key: key(), uid: "another".into() });
        assert!(claims.contains(&key()));
        claims.hear(&News::Superseded { key: key(), epoch: 3 });
        assert!(!claims.contains(&key()));
        claims.insert(key(), claim(4));
        claims.hear(&News::Removed { key: key(), uid: "u".into() });
        assert!(!claims.contains(&key()));
    }

    #[test]
    fn an_older_claim_does_not_replace_a_newer_one() {
        let claims = Claims::default();
        claims.insert(key(), claim(2));
        claims.insert(key(), claim(1));
        assert_eq!(claims.get(&key()).unwrap().epoch, 2);
    }

    #[test]
    fn a_node_made_again_begins_at_its_own_epoch() {
        let claims = Claims::default();
        claims.insert(key(), claim(7));
        claims.insert(key(), Claim { uid: "another".into(), ..claim(1) });
        assert_eq!(claims.get(&key()).unwrap().epoch, 1);
    }
}
