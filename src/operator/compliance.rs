//! Compliance of nodes. Each Association writes its own entry into a node's status (`entry`, `write`); the
//! controller here takes off entries that nobody stands for any more, and writes the node's summary. Both only on
//! change, and both from what is there, so that nothing is left behind by a deletion that nobody saw.

pub mod entry;
pub mod refresh;
pub mod write;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use keelson_api::{Association, ComplianceStatus, ManagedNode, NodeAssociation};
use keelson_core::target::TargetQuery;
use kube::ResourceExt as _;
use kube::runtime::Controller;
use kube::runtime::controller::{self, Action};
use kube::runtime::reflector::{ObjectRef, Store};

use crate::association::matches;
use crate::command::query;
use crate::context::Context;
use crate::error::{self, Error};
use crate::index::{Change, RESYNC};

/// Uid and generation: another one of them means another spec.
type SpecVersion = (Option<String>, Option<i64>);

/// How many nodes are looked at at once.
const CONCURRENCY: u16 = 8;

/// Runs until the process ends.
pub async fn controller(context: Arc<Context>) {
    let nodes = context.index.nodes.clone();
    let all = nodes.clone();
    let triggers = context.index.triggers(
        move || all.state().iter().map(|node| ObjectRef::from_obj(&**node)).collect(),
        concerned(context.clone()),
    );
    Controller::for_stream(futures::stream::pending(), nodes)
        .reconcile_on(triggers)
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .run(reconcile, error::policy, context)
        .for_each(|_| std::future::ready(())) // errors went through the policy
        .await;
}

/// The nodes that a change may matter to. Of an Association only its spec does, not its status.
fn concerned(context: Arc<Context>) -> impl Fn(Change) -> Vec<ObjectRef<ManagedNode>> + Send {
    let specs: Mutex<HashMap<(String, String), SpecVersion>> = Mutex::default();
    move |change| match change {
        Change::Node { namespace, name } => vec![ObjectRef::new(&name).within(&namespace)],
        Change::Association { namespace, name } => {
            let association = context.index.associations.get(&ObjectRef::new(&name).within(&namespace));
            let now = association.map(|association| (association.uid(), association.metadata.generation));
            let mut specs = specs.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (namespace.clone(), name.clone());
            let before = match now.clone() {
                Some(now) => specs.insert(key, now),
                None => specs.remove(&key),
            };
            if now.is_some() && before == now {
                return Vec::new();
            }
            with_entry(&context.index.nodes, &namespace, &name)
        }
        _ => Vec::new(),
    }
}

/// The nodes that have an entry of an Association.
fn with_entry(nodes: &Store<ManagedNode>, namespace: &str, association: &str) -> Vec<ObjectRef<ManagedNode>> {
    let mut nodes = nodes.state();
    nodes.retain(|node| {
        node.metadata.namespace.as_deref() == Some(namespace) && entry::of(node, association).is_some()
    });
    nodes.iter().map(|node| ObjectRef::from_obj(&**node)).collect()
}

async fn reconcile(node: Arc<ManagedNode>, context: Arc<Context>) -> Result<Action, Error> {
    context.metrics.reconcile("Compliance");
    if node.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let namespace = node.namespace().unwrap_or_default();
    let status = node.status.as_ref();
    let entries = status.map(|status| status.associations.as_slice()).unwrap_or_default();
    let association = |name: &str| context.index.associations.get(&ObjectRef::new(name).within(&namespace));
    let (kept, orphaned): (Vec<_>, Vec<_>) =
        entries.iter().partition(|entry| stands(association(&entry.name).as_deref(), &node));
    for entry in orphaned {
        write::remove(&context, &node, &entry.name).await?;
    }
    let summary = summary(kept.into_iter());
    if status.and_then(|status| status.compliance) != summary {
        write::summarize(&context, &node, summary).await?;
    }
    Ok(Action::requeue(RESYNC))
}

/// Whether an Association is there and for this node. Of one whose targets cannot be read, nobody can say that it
/// is not.
fn stands(association: Option<&Association>, node: &ManagedNode) -> bool {
    association.is_some_and(|association| {
        let spec = &association.spec;
        let targets: Result<TargetQuery, _> =
            query(&spec.targets, spec.label_selector.as_ref(), &spec.exclude);
        association.metadata.deletion_timestamp.is_none()
            && targets.map_or(true, |query| matches(&query, node))
    })
}

/// `COMPLIANT` when every Association is; nothing where there is none.
fn summary<'a>(entries: impl Iterator<Item = &'a NodeAssociation>) -> Option<ComplianceStatus> {
    entries.map(|entry| entry.compliance).reduce(|all, one| match (all, one) {
        (ComplianceStatus::Compliant, ComplianceStatus::Compliant) => ComplianceStatus::Compliant,
        _ => ComplianceStatus::NonCompliant,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::association::fixtures::{association, entry, node};

    #[test]
    fn an_entry_stands_as_long_as_its_association_is_for_the_node() {
        let (association, node) = (association(), node("a", true));
        assert!(stands(Some(&association), &node));
        assert!(!stands(None, &node), "deleted");
        let mut others = association.clone();
        others.spec.targets[0].values = vec!["db".into()];
        assert!(!stands(Some(&others), &node), "for other nodes by now");
        let mut unreadable = association;
        unreadable.spec.targets[0].key = "Role".into();
        assert!(stands(Some(&unreadable), &node));
    }

    #[test]
    fn a_node_is_compliant_when_every_association_is() {
        let (good, bad) = (entry("Success", "Success"), entry("Failed", "Failed"));
        assert_eq!(summary([&good, &good].into_iter()), Some(ComplianceStatus::Compliant));
        assert_eq!(summary([&good, &bad].into_iter()), Some(ComplianceStatus::NonCompliant));
        assert_eq!(summary([].into_iter()), None);
    }
}
