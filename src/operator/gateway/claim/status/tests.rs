//! What is said of a node as it connects, leaves, moves and meets its double.

use serde_json::json;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn new_node() -> ManagedNode {
    serde_json::from_value(json!({"metadata": {"name": "mi-1", "generation": 1}, "spec": {}})).unwrap()
}

fn with(status: &OwnStatus) -> ManagedNode {
    let mut node = new_node();
    node.status = Some(serde_json::from_value(serde_json::to_value(status).unwrap()).unwrap());
    node
}

fn connect(node: &ManagedNode, gateway: &str, boot: &str, second: i64) -> OwnStatus {
    let facts = NodeFacts { hostname: "web-1".into(), ..NodeFacts::default() };
    OwnStatus::online(node, &Connection { gateway, facts: &facts, boot_id: boot }, at(second))
}

/// The node after connecting with these boots, one after the other.
fn after(boots: &[&str]) -> OwnStatus {
    let mut node = new_node();
    let mut last = None;
    for (second, boot) in (0..).zip(boots) {
        let status = connect(&node, "gateway-0", boot, second);
        node = with(&status);
        last = Some(status);
    }
    last.unwrap()
}

fn ready(status: &OwnStatus) -> &Condition {
    condition::get(&status.conditions, condition::READY).unwrap()
}

#[test]
fn each_connection_has_the_next_epoch() {
    let first = connect(&new_node(), "gateway-0", "boot-a", 0);
    assert_eq!((first.epoch(), first.agent.hostname.as_str()), (1, "web-1"));
    assert_eq!(ready(&first).status, "True");
    let second = connect(&with(&first), "gateway-1", "boot-a", 9);
    assert_eq!((second.epoch(), second.agent.gateway.as_str()), (2, "gateway-1"));
    assert_eq!(ready(&second).last_transition_time.0, at(0), "it was ready all the time");
}

#[test]
fn a_node_is_lost_by_its_last_connection_only() {
    let node = with(&after(&["a", "a"]));
    assert_eq!(OwnStatus::lost(&node, "gateway-0", 1, at(5)), None, "an older connection");
    assert_eq!(OwnStatus::lost(&node, "gateway-1", 2, at(5)), None, "another replica");
    let lost = OwnStatus::lost(&node, "gateway-0", 2, at(5)).unwrap();
    assert_eq!(lost.agent.ping_status, PingStatus::ConnectionLost);
    assert_eq!(lost.agent.ping_status_time, Some(Time(at(5))));
    assert_eq!((ready(&lost).status.as_str(), ready(&lost).reason.as_str()), ("False", "ConnectionLost"));
    assert_eq!(OwnStatus::lost(&with(&lost), "gateway-0", 2, at(6)), None, "nothing is written twice");
}

#[test]
fn reconnects_and_reboots_of_one_machine_are_no_duplicate() {
    for boots in [&["a", "a", "a"][..], &["a", "b", "c", "d"], &["a", "b", "b", "c", "c"], &["", "", ""]] {
        assert!(!after(boots).is_duplicate(), "{boots:?}");
    }
}

#[test]
fn two_machines_that_take_turns_are_a_duplicate() {
    for boots in [&["a", "b", "a"][..], &["a", "a", "b", "b", "a"], &["x", "a", "b", "a", "b"]] {
        let status = after(boots);
        assert!(status.is_duplicate(), "{boots:?}");
        let duplicate = condition::get(&status.conditions, condition::DUPLICATE_IDENTITY).unwrap();
        assert!(duplicate.message.contains("enrol --force"));
        assert_eq!(condition::breach(&status.conditions), None);
    }
}

#[test]
fn a_duplicate_stays_one_until_a_connection_has_held() {
    let node = with(&after(&["a", "b", "a", "a"]));
    assert!(connect(&node, "gateway-0", "a", 9).is_duplicate());
    assert_eq!(OwnStatus::still_online(&node, "gateway-0", 4, false, at(9)), None);
    assert_eq!(OwnStatus::still_online(&node, "gateway-0", 3, true, at(9)), None, "an older connection");
    let settled = OwnStatus::still_online(&node, "gateway-0", 4, true, at(9)).unwrap();
    assert!(!settled.is_duplicate());
    assert_eq!(OwnStatus::still_online(&with(&settled), "gateway-0", 4, true, at(9)), None);
}

#[test]
fn a_connected_node_that_was_given_up_is_online_again() {
    let node = with(&after(&["a"]));
    let lost = with(&OwnStatus::lost(&node, "gateway-0", 1, at(5)).unwrap());
    let again = OwnStatus::still_online(&lost, "gateway-0", 1, false, at(7)).unwrap();
    assert_eq!((again.agent.ping_status, ready(&again).status.as_str()), (PingStatus::Online, "True"));
    assert_eq!((again.epoch(), again.agent.ping_status_time.clone()), (1, Some(Time(at(7)))));
}

#[test]
fn conditions_of_others_are_not_taken_over() {
    let mut node = with(&after(&["a"]));
    let conditions = &mut node.status.as_mut().unwrap().conditions;
    condition::set(conditions, None, at(0), "Patched", true, "UpToDate", "");
    let status = connect(&node, "gateway-0", "a", 1);
    assert_eq!(condition::get(&status.conditions, "Patched"), None);
}

#[test]
fn facts_are_cut_and_hold_no_control_characters() {
    let facts = NodeFacts { hostname: format!("a\u{1b}[31m\n{}", "ü".repeat(300)), ..NodeFacts::default() };
    let connection = Connection { gateway: "gateway-0", facts: &facts, boot_id: "a" };
    let hostname = OwnStatus::online(&new_node(), &connection, at(0)).agent.hostname;
    assert!(hostname.starts_with("a[31mü") && hostname.len() <= MAX_FACT, "{hostname}");
}

#[test]
fn what_runs_have_asked_for_outlives_connections() {
    let request = RefreshRequest {
        name: "web-servers".into(),
        request_time: Time(at(1)),
        command: "c1".into(),
        asked_by: String::new(),
    };
    let online = with(&connect(&new_node(), "gateway-0", "boot-a", 0));
    let asked = with(&OwnStatus::asked(&online, vec![request.clone()]).unwrap());
    assert_eq!(OwnStatus::asked(&asked, vec![request.clone()]), None, "it is there already");
    let lost = with(&OwnStatus::lost(&asked, "gateway-0", 1, at(2)).unwrap());
    let back = connect(&lost, "gateway-1", "boot-a", 3);
    assert_eq!((back.epoch(), back.agent.refresh_requests), (2, vec![request]));
}
