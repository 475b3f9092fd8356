//! What of a change of a node matters to which Associations. Every entry that an Association writes is a change of
//! the node too, and must not wake all others.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use keelson_api::{ManagedNode, NodeAssociation, RefreshRequest};
use kube::ResourceExt as _;

use crate::command::is_online;
use crate::compliance::refresh;

/// The nodes as they were last seen, by namespace and name.
#[derive(Default)]
pub struct Sight(Mutex<HashMap<(String, String), Seen>>);

struct Seen {
    node: Node,
    entries: BTreeMap<String, NodeAssociation>,
}

/// What decides whether a node is meant and could run something.
#[derive(PartialEq, Eq)]
struct Node {
    uid: Option<String>,
    online: bool,
    leaving: bool,
    tags: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    refresh_requests: Vec<RefreshRequest>,
}

/// Whom a change of a node matters to.
#[derive(Debug, PartialEq, Eq)]
pub enum Concern {
    /// Every Association that it matches or matched.
    All,
    /// Those whose entries changed.
    Entries(BTreeSet<String>),
}

impl Sight {
    /// Takes a node in as it is now; `None` where it is gone.
    pub fn look(&self, namespace: &str, name: &str, node: Option<&ManagedNode>) -> Concern {
        let key = (namespace.to_owned(), name.to_owned());
        let mut known = self.lock();
        let before = known.remove(&key);
        let Some(node) = node else { return Concern::All };
        let now = known.entry(key).insert_entry(seen(node)).into_mut();
        match before {
            Some(before) if before.node == now.node => {
                Concern::Entries(changed(&before.entries, &now.entries))
            }
            _ => Concern::All,
        }
    }

    /// A panic elsewhere leaves entries whole: go on with them.
    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seen(node: &ManagedNode) -> Seen {
    let entries = node.status.iter().flat_map(|status| &status.associations);
    Seen {
        node: Node {
            uid: node.uid(),
            online: is_online(node),
            leaving: node.metadata.deletion_timestamp.is_some(),
            tags: node.spec.tags.clone(),
            labels: node.labels().clone(),
            refresh_requests: refresh::requests(node).to_vec(),
        },
        entries: entries.map(|entry| (entry.name.clone(), entry.clone())).collect(),
    }
}

/// The Associations whose entries came, went or differ.
fn changed(
    before: &BTreeMap<String, NodeAssociation>,
    now: &BTreeMap<String, NodeAssociation>,
) -> BTreeSet<String> {
    let names = before.keys().chain(now.keys());
    names.filter(|name| before.get(*name) != now.get(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::association::fixtures::{entry, node, request};

    fn look(sight: &Sight, node: &ManagedNode) -> Concern {
        sight.look("fleet", "a", Some(node))
    }

    #[test]
    fn an_entry_matters_to_its_own_association_alone() {
        let (sight, mut node) = (Sight::default(), node("a", true));
        assert_eq!(look(&sight, &node), Concern::All);
        assert_eq!(look(&sight, &node), Concern::Entries(BTreeSet::new()));
        let ours = Concern::Entries(BTreeSet::from(["web-servers".to_owned()]));
        for entries in [vec![entry("Success", "Success")], vec![entry("Failed", "Failed")], vec![]] {
            if let Some(status) = &mut node.status {
                status.associations = entries;
            }
            assert_eq!(look(&sight, &node), ours);
        }
    }

    #[test]
    fn coming_going_other_tags_and_requests_matter_to_all() {
        let (sight, mut web) = (Sight::default(), node("a", true));
        look(&sight, &web);
        assert_eq!(look(&sight, &node("a", false)), Concern::All);
        web.spec.tags.insert("Role".into(), "db".into());
        assert_eq!(look(&sight, &web), Concern::All);
        request(&mut web, "web-servers", 0);
        assert_eq!(look(&sight, &web), Concern::All);
        assert_eq!(sight.look("fleet", "a", None), Concern::All);
    }
}
