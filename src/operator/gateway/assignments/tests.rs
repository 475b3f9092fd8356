//! What a node is offered, as Invocations come, change and go.

use std::time::Duration;

use keelson_api::RunStatus;
use serde_json::json;

use super::*;

fn invocation(name: &str, version: u64, status: Option<&str>) -> Invocation {
    let created = crate::context::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut invocation = json!({
        "metadata": {
            "namespace": "web", "name": name, "uid": format!("uid-of-{name}"),
            "resourceVersion": version.to_string(), "creationTimestamp": created,
        },
        "spec": {
            "commandName": "patch", "commandUid": "c1", "nodeName": "mi-1", "nodeUid": "n1", "hostname": "web-1",
            "document": {"name": "d", "version": "1", "hash": "h", "revision": "d-v1", "namespace": "web"},
            "deliveryTimeoutSeconds": 600, "executionTimeoutSeconds": 3600,
        },
    });
    if let Some(status) = status {
        invocation["status"] = json!({"status": status, "statusDetails": status});
    }
    serde_json::from_value(invocation).unwrap()
}

fn node(uid: &str) -> NodeIdentity {
    NodeIdentity { namespace: "web".into(), name: "mi-1".into(), uid: uid.into(), fingerprint: String::new() }
}

fn key() -> NodeKey {
    NodeKey::from(&node("n1"))
}

fn index() -> AssignmentIndex {
    AssignmentIndex::new(Timestamp::UNIX_EPOCH)
}

fn names(index: &AssignmentIndex) -> Vec<String> {
    index.of_node(&node("n1")).into_iter().map(|assignment| assignment.invocation).collect()
}

#[test]
fn a_released_invocation_is_offered_to_its_node_alone() {
    let index = index();
    assert_eq!(index.take(Event::Apply(invocation("a", 1, None))), [key()].into());
    let assignments = index.of_node(&node("n1"));
    assert_eq!(assignments.len(), 1);
    assert!(!assignments[0].in_progress && !assignments[0].cancel);
    assert!(assignments[0].expires_in <= Duration::from_secs(600));
    assert!(assignments[0].expires_in > Duration::from_secs(500));
    assert_eq!(index.of_node(&node("n2")), [], "a node of the same name that was made again");
}

#[test]
fn without_delivery_time_it_is_never_to_be_sent() {
    let index = index();
    let mut late = invocation("a", 1, None);
    late.spec.delivery_timeout_seconds = 0;
    index.take(Event::Apply(late));
    assert_eq!(index.of_node(&node("n1"))[0].expires_in, Duration::ZERO);
}

#[test]
fn what_the_node_has_and_what_is_cancelled_is_said() {
    let index = index();
    let mut running = invocation("a", 1, Some("InProgress"));
    running.spec.cancel = true;
    index.take(Event::Apply(running));
    let assignments = index.of_node(&node("n1"));
    assert!(assignments[0].in_progress && assignments[0].cancel);
}

#[test]
fn what_was_just_written_counts_before_the_watch_shows_it() {
    let index = index();
    index.take(Event::Apply(invocation("a", 1, None)));
    index.update(&invocation("a", 5, Some("InProgress")));
    index.take(Event::Apply(invocation("a", 3, None)));
    assert_eq!(index.get(&key(), "a").unwrap().status, Some(RunStatus::InProgress));
    index.update(&invocation("a", 7, Some("Success")));
    assert_eq!(names(&index), [] as [&str; 0]);
}

#[test]
fn a_new_listing_replaces_what_was_known() {
    let index = index();
    index.take(Event::Apply(invocation("a", 1, None)));
    index.take(Event::Init);
    index.take(Event::InitApply(invocation("b", 2, None)));
    assert_eq!(names(&index), ["a"]);
    assert_eq!(index.take(Event::InitDone), [key()].into());
    assert_eq!(names(&index), ["b"]);
    index.take(Event::Delete(invocation("b", 3, None)));
    assert_eq!(names(&index), [] as [&str; 0]);
}
