//! What a node is offered, as Invocations come, change and go.

use std::time::Duration;

use keelson_api::RunStatus;
use kube::core::error_boundary::InvalidObject;
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

fn take(index: &AssignmentIndex, event: Event<Invocation>) -> BTreeSet<NodeKey> {
    index.take(match event {
        Event::Apply(invocation) => Event::Apply(DeserializeGuard(Ok(invocation))),
        Event::Delete(invocation) => Event::Delete(DeserializeGuard(Ok(invocation))),
        Event::InitApply(invocation) => Event::InitApply(DeserializeGuard(Ok(invocation))),
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
    })
}

fn unreadable(mut invocation: Invocation) -> DeserializeGuard<Invocation> {
    let metadata = std::mem::take(&mut invocation.metadata);
    DeserializeGuard(Err(InvalidObject { error: "unknown variant".into(), metadata }))
}

fn names(index: &AssignmentIndex) -> Vec<String> {
    index.of_node(&node("n1")).into_iter().map(|assignment| assignment.invocation).collect()
}

#[test]
fn a_released_invocation_is_offered_to_its_node_alone() {
    let index = index();
    assert_eq!(take(&index, Event::Apply(invocation("a", 1, None))), [key()].into());
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
    take(&index, Event::Apply(late));
    assert_eq!(index.of_node(&node("n1"))[0].expires_in, Duration::ZERO);
}

#[test]
fn what_the_node_has_and_what_is_cancelled_is_said() {
    let index = index();
    let mut running = invocation("a", 1, Some("InProgress"));
    running.spec.cancel = true;
    take(&index, Event::Apply(running));
    let assignments = index.of_node(&node("n1"));
    assert!(assignments[0].in_progress && assignments[0].cancel);
}

#[test]
fn what_was_just_written_counts_before_the_watch_shows_it() {
    let index = index();
    take(&index, Event::Apply(invocation("a", 1, None)));
    index.update(&invocation("a", 5, Some("InProgress")));
    take(&index, Event::Apply(invocation("a", 3, None)));
    assert_eq!(index.get(&key(), "a").unwrap().status, Some(RunStatus::InProgress));
    index.update(&invocation("a", 7, Some("Success")));
    assert_eq!(names(&index), [] as [&str; 0]);
}

#[test]
fn a_new_listing_replaces_what_was_known() {
    let index = index();
    take(&index, Event::Apply(invocation("a", 1, None)));
    take(&index, Event::Init);
    take(&index, Event::InitApply(invocation("b", 2, None)));
    assert_eq!(names(&index), ["a"]);
    assert_eq!(take(&index, Event::InitDone), [key()].into());
    assert_eq!(names(&index), ["b"]);
    take(&index, Event::Delete(invocation("b", 3, None)));
    assert_eq!(names(&index), [] as [&str; 0]);
}

#[test]
fn an_invocation_that_cannot_be_read_stays_as_it_was_until_it_is_gone_and_disturbs_no_other() {
    let index = index();
    take(&index, Event::Apply(invocation("a", 1, None)));
    index.take(Event::Apply(unreadable(invocation("a", 2, None))));
    index.take(Event::Apply(unreadable(invocation("never-read", 2, None))));
    take(&index, Event::Init);
    index.take(Event::InitApply(unreadable(invocation("a", 2, None))));
    take(&index, Event::InitApply(invocation("b", 3, None)));
    take(&index, Event::InitDone);
    assert_eq!(names(&index), ["a", "b"]);
    assert_eq!(index.take(Event::Delete(unreadable(invocation("a", 4, None)))), [key()].into());
    assert_eq!(names(&index), ["b"]);
}
