//! What runs on a node have asked for by `aws:refreshAssociation`: that an Association runs there again. Pure.
//!
//! The gateway writes the requests, the Association remembers in its entry which one it has answered. Nobody takes
//! a request back, so that each field has one writer; after a day it counts no more.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use keelson_api::{Association, ManagedNode, NodeAssociation, RefreshRequest};
use kube::ResourceExt as _;

/// The name in a request for every Association that is for the node.
pub const ALL: &str = "*";
/// How long a request counts.
pub const VALID: SignedDuration = SignedDuration::from_hours(24);

/// The requests on a node.
pub fn requests(node: &ManagedNode) -> &[RefreshRequest] {
    let agent = node.status.as_ref().and_then(|status| status.agent.as_ref());
    agent.map(|agent| agent.refresh_requests.as_slice()).unwrap_or_default()
}

/// Whether the node has asked for a run since the one that answered last. An Association that was made later is not
/// meant, and none asks for itself.
pub fn is_owed(
    association: &Association,
    node: &ManagedNode,
    entry: Option<&NodeAssociation>,
    now: Timestamp,
) -> bool {
    let answered = entry.and_then(|entry| entry.refresh_time.as_ref()).map(|time| time.0);
    let created = association.creation_timestamp().map_or(now, |time| time.0);
    meant(&association.name_any(), node).any(|time| {
        answered.is_none_or(|answered| time > answered) && time >= created && now.duration_since(time) < VALID
    })
}

/// The newest request that a run answers which has begun then.
pub fn answered(association: &str, node: &ManagedNode, begun: Option<Timestamp>) -> Option<Time> {
    // Times are whole seconds: a run that began within the second of the request may have begun before it.
    let before = |time: &Timestamp| begun.is_some_and(|begun| *time < begun);
    meant(association, node).filter(before).max().map(Time)
}

/// When an Association was asked for.
fn meant<'a>(association: &'a str, node: &'a ManagedNode) -> impl Iterator<Item = Timestamp> + 'a {
    let requests = requests(node).iter();
    requests
        .filter(move |request| [association, ALL].contains(&request.name.as_str()))
        .filter(move |request| request.asked_by != association)
        .map(|request| request.request_time.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::association::fixtures::{association, entry, node, request, second};

    /// A node that has asked for an Association at a second.
    fn asked(name: &str, at: i64) -> ManagedNode {
        let mut node = node("a", true);
        request(&mut node, name, at);
        node
    }

    fn owed(node: &ManagedNode, answered: Option<i64>, now: i64) -> bool {
        let mut entry = entry("Success", "Success");
        entry.refresh_time = answered.map(second).map(Time);
        is_owed(&association(), node, Some(&entry), second(now))
    }

    #[test]
    fn a_request_by_name_or_for_all_is_owed_until_it_is_answered() {
        for name in ["web-servers", ALL] {
            let node = asked(name, 50);
            assert!(owed(&node, None, 60) && owed(&node, Some(49), 60), "{name}");
            assert!(!owed(&node, Some(50), 60), "{name}");
        }
        assert!(!owed(&asked("others", 50), None, 60));
        assert!(!owed(&node("a", true), None, 60));
    }

    #[test]
    fn a_request_from_before_the_association_or_from_yesterday_does_not_count() {
        assert!(!owed(&asked(ALL, -1), None, 60));
        let day = 24 * 3600;
        assert!(owed(&asked(ALL, 50), None, 50 + day - 1));
        assert!(!owed(&asked(ALL, 50), None, 50 + day));
    }

    #[test]
    fn an_association_never_runs_because_its_own_run_asked() {
        for name in ["web-servers", ALL] {
            let mut node = asked(name, 50);
            let by = |node: &mut ManagedNode, name: &str| {
                let agent = node.status.as_mut().unwrap().agent.as_mut().unwrap();
                agent.refresh_requests[0].asked_by = name.into();
            };
            by(&mut node, "web-servers");
            assert!(!owed(&node, None, 60), "{name}");
            by(&mut node, "others");
            assert!(owed(&node, None, 60), "{name}");
        }
    }

    #[test]
    fn a_run_answers_what_was_asked_before_it_began() {
        let mut node = asked("web-servers", 50);
        request(&mut node, ALL, 55);
        let answered = |begun| answered("web-servers", &node, Some(second(begun)));
        assert_eq!(answered(50), None);
        assert_eq!(answered(51), Some(Time(second(50))));
        assert_eq!(answered(56), Some(Time(second(55))));
    }
}
