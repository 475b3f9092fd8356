//! Remembers where runs keep their output, so that a thousand pieces of one run ask the control plane once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keelson_core::fleet::{NodeIdentity, Placement};

/// How many runs each of the two generations holds; a run takes a few hundred bytes.
const GENERATION: usize = 2048;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    node_uid: String,
    invocation: String,
    command_uid: String,
}

/// Placements lately used. Bounded: when the newer generation is full it becomes the older one, and what was
/// not used since then is forgotten.
#[derive(Debug, Default)]
pub(crate) struct Placements {
    generations: Mutex<[HashMap<Key, Placement>; 2]>,
}

impl Placements {
    /// What is remembered of a run of this node.
    pub fn get(&self, node: &NodeIdentity, invocation: &str, command_uid: &str) -> Option<Placement> {
        let key = key(node, invocation, command_uid);
        let mut generations = self.lock();
        let [newer, older] = &mut *generations;
        if let Some(placement) = newer.get(&key) {
            return Some(placement.clone());
        }
        let placement = older.remove(&key)?;
        insert(&mut generations, key, placement.clone());
        Some(placement)
    }

    /// Remembers a run of this node.
    pub fn put(&self, node: &NodeIdentity, invocation: &str, command_uid: &str, placement: Placement) {
        insert(&mut self.lock(), key(node, invocation, command_uid), placement);
    }

    /// Forgets a node, so that the control plane is asked about it again.
    pub fn forget(&self, node_uid: &str) {
        for generation in &mut *self.lock() {
            generation.retain(|key, _| key.node_uid != node_uid);
        }
    }

    fn lock(&self) -> MutexGuard<'_, [HashMap<Key, Placement>; 2]> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(node: &NodeIdentity, invocation: &str, command_uid: &str) -> Key {
    Key { node_uid: node.uid.clone(), invocation: invocation.to_owned(), command_uid: command_uid.to_owned() }
}

fn insert(generations: &mut [HashMap<Key, Placement>; 2], key: Key, placement: Placement) {
    let [newer, older] = generations;
    if newer.len() >= GENERATION {
        *older = std::mem::take(newer);
    }
    newer.insert(key, placement);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(uid: &str) -> NodeIdentity {
        NodeIdentity { namespace: "n".into(), name: "mi-1".into(), uid: uid.into(), fingerprint: "f".into() }
    }

    fn placement() -> Placement {
        Placement {
            namespace: "n".into(),
            date: "2026-11-23".into(),
            command_uid: "c".into(),
            node: "mi-1".into(),
        }
    }

    #[test]
    fn a_run_is_remembered_for_its_node_alone_until_the_node_is_forgotten() {
        let placements = Placements::default();
        placements.put(&node("a"), "i", "c", placement());
        assert_eq!(placements.get(&node("a"), "i", "c"), Some(placement()));
        assert_eq!(placements.get(&node("b"), "i", "c"), None);
        assert_eq!(placements.get(&node("a"), "i", "d"), None);
        placements.forget("a");
        assert_eq!(placements.get(&node("a"), "i", "c"), None);
    }

    #[test]
    fn what_is_in_use_stays_and_what_is_not_goes() {
        let placements = Placements::default();
        placements.put(&node("a"), "used", "c", placement());
        placements.put(&node("a"), "unused", "c", placement());
        for run in 0..GENERATION * 4 {
            placements.put(&node("b"), &run.to_string(), "c", placement());
            assert!(placements.get(&node("a"), "used", "c").is_some(), "{run}");
        }
        assert_eq!(placements.get(&node("a"), "unused", "c"), None);
        assert!(placements.lock().iter().map(HashMap::len).sum::<usize>() <= GENERATION * 2);
    }
}
