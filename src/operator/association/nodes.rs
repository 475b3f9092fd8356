//! The nodes that an Association is for, as the cache shows them.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use keelson_api::{
    Association, AssociationCompliance, AssociationOverview, AssociationSpec, ComplianceStatus, ManagedNode,
};
use keelson_api::{NodeAssociation, OverviewStatus};
use keelson_core::target::{NodeView, TargetQuery};
use kube::ResourceExt as _;

use crate::command::is_online;
use crate::compliance::{entry, refresh};
use crate::context::Context;

/// A node that matches, and what is known of it.
#[derive(Debug, Clone)]
pub struct Member {
    /// The node.
    pub node: Arc<ManagedNode>,
    /// What the Association last made of it.
    pub entry: Option<NodeAssociation>,
}

impl Member {
    /// Whether this is the node of that name, and its last run did not end well.
    pub fn is_failing(&self, node: &str) -> bool {
        self.node.metadata.name.as_deref() == Some(node)
            && self
                .entry
                .as_ref()
                .is_some_and(|entry| [entry::FAILED, entry::TIMED_OUT].contains(&entry.status.as_str()))
    }
}

/// The nodes of a namespace that match, by name.
pub fn members(context: &Context, namespace: &str, association: &str, query: &TargetQuery) -> Vec<Member> {
    let mut nodes = context.index.nodes.state();
    nodes.retain(|node| {
        node.metadata.namespace.as_deref() == Some(namespace)
            && node.metadata.deletion_timestamp.is_none()
            && matches(query, node)
    });
    nodes.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    nodes.into_iter().map(|node| Member { entry: entry::of(&node, association).cloned(), node }).collect()
}

/// Whether a node is meant.
pub fn matches(query: &TargetQuery, node: &ManagedNode) -> bool {
    let name = node.metadata.name.as_deref().unwrap_or_default();
    query.matches(&NodeView { name, tags: &node.spec.tags, labels: node.labels() })
}

/// Nodes that are owed a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owing {
    /// Their names.
    pub names: Vec<String>,
    /// A run on one of them has asked for it.
    pub refresh: bool,
}

/// The nodes that could now be given a run that they missed, or that was asked for on them.
pub fn owing(association: &Association, members: &[Member], now: Timestamp) -> Owing {
    let mut owing = Owing { names: Vec::new(), refresh: false };
    for member in members.iter().filter(|member| is_online(&member.node)) {
        let entry = member.entry.as_ref();
        // One that runs at ticks only gives nobody what he missed.
        let missed = !association.spec.apply_only_at_cron_interval && entry::is_owed(entry);
        let asked = refresh::is_owed(association, &member.node, entry, now);
        if missed || asked {
            owing.names.push(member.node.name_any());
            owing.refresh |= asked;
        }
    }
    owing
}

/// The nodes at a glance.
pub fn overview(members: &[Member]) -> AssociationOverview {
    let mut overview =
        AssociationOverview { target_count: number(members.len()), ..AssociationOverview::default() };
    for member in members {
        let status = member.entry.as_ref().map_or(entry::PENDING, |entry| entry.status.as_str());
        *match status {
            entry::SUCCESS => &mut overview.success_count,
            entry::FAILED | entry::TIMED_OUT => &mut overview.failed_count,
            _ => &mut overview.pending_count,
        } += 1;
    }
    overview.status = match (overview.failed_count, overview.pending_count) {
        (0, 0) => OverviewStatus::Success,
        (0, _) => OverviewStatus::Pending,
        _ => OverviewStatus::Failed,
    };
    overview
}

/// The nodes by compliance. Of a node that never ran it nothing is known, which is not compliant.
pub fn compliance(spec: &AssociationSpec, members: &[Member]) -> AssociationCompliance {
    let entries = members.iter().filter_map(|member| member.entry.as_ref());
    let compliant = entries.filter(|entry| entry.compliance == ComplianceStatus::Compliant).count();
    AssociationCompliance {
        status: if compliant == members.len() {
            ComplianceStatus::Compliant
        } else {
            ComplianceStatus::NonCompliant
        },
        severity: spec.compliance_severity,
        compliant_count: number(compliant),
        non_compliant_count: number(members.len() - compliant),
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::association::fixtures::{association, entry as entry_with, member, node, request, second};

    fn owed(members: &[Member]) -> Vec<String> {
        let owing = owing(&association(), members, second(100));
        assert!(!owing.refresh);
        owing.names
    }

    #[test]
    fn a_node_on_which_a_run_asked_for_it_is_owed_one_whatever_it_last_was() {
        let asked = |name: &str, entry| {
            let mut node = node(name, true);
            request(&mut node, "web-servers", 80);
            Member { node: Arc::new(node), entry }
        };
        let members = [
            asked("ran", Some(entry_with("Success", "Success"))),
            asked("stopped", Some(entry_with("Pending", "Terminated"))),
            member("other", Some(entry_with("Success", "Success"))),
        ];
        let owing = |association: &Association| super::owing(association, &members, second(100));
        let both = Owing { names: vec!["ran".into(), "stopped".into()], refresh: true };
        assert_eq!(owing(&association()), both);
        let mut at_ticks = association();
        at_ticks.spec.apply_only_at_cron_interval = true;
        assert_eq!(owing(&at_ticks), both);
    }

    #[test]
    fn counts_add_up_and_the_worst_decides() {
        let members = [
            member("a", Some(entry_with("Success", "Success"))),
            member("b", Some(entry_with("TimedOut", "ExecutionTimedOut"))),
            member("c", Some(entry_with("Pending", "Missed"))),
            member("d", None),
        ];
        let seen = overview(&members);
        assert_eq!(
            (seen.success_count, seen.failed_count, seen.pending_count, seen.target_count),
            (1, 1, 2, 4)
        );
        assert_eq!(seen.status, OverviewStatus::Failed);
        assert_eq!(overview(&members[2..]).status, OverviewStatus::Pending);
        assert_eq!(overview(&members[..1]).status, OverviewStatus::Success);
        let compliance = compliance(&association().spec, &members);
        assert_eq!((compliance.compliant_count, compliance.non_compliant_count), (1, 3));
        assert_eq!(compliance.status, ComplianceStatus::NonCompliant);
    }

    #[test]
    fn new_nodes_and_nodes_that_were_away_owe_a_run_once_they_are_online() {
        let members = [
            member("new", None),
            member("away", Some(entry_with("Pending", "Missed"))),
            member("unreached", Some(entry_with("Pending", "DeliveryTimedOut"))),
            member("ran", Some(entry_with("Success", "Success"))),
            member("failed", Some(entry_with("Failed", "Failed"))),
            member("stopped", Some(entry_with("Pending", "Terminated"))),
            member("cancelled", Some(entry_with("Pending", "Cancelled"))),
        ];
        assert_eq!(owed(&members), ["new", "away", "unreached"]);
        let offline = Member { node: Arc::new(node("off", false)), entry: None };
        assert!(owed(&[offline]).is_empty());
    }

    #[test]
    fn reconnecting_alone_owes_nothing() {
        let before = member("a", Some(entry_with("Success", "Success")));
        let away = Member { node: Arc::new(node("a", false)), ..before.clone() };
        for member in [away, before] {
            assert!(owed(&[member]).is_empty());
        }
    }
}
