use super::*;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::association::fixtures::{ended_command, entry, node, record, request, second};

/// What an Invocation that ended so makes of a node.
fn after(
    command: &str,
    invocation: Option<&str>,
    previous: Option<&NodeAssociation>,
) -> Option<NodeAssociation> {
    let command = ended_command("c1", command);
    let record = invocation.map(|details| record("a", details));
    let ended = Ended {
        association: "web-servers",
        severity: ComplianceSeverity::High,
        command: &command,
        invocation: record.as_ref(),
    };
    ended.entry(&node("a", true), previous)
}

#[test]
fn each_end_of_an_invocation_has_its_status_and_compliance() {
    use ComplianceStatus::{Compliant, NonCompliant};
    let cases = [
        ("Success", "Success", Compliant),
        ("Failed", "Failed", NonCompliant),
        ("InvalidPlatform", "Failed", NonCompliant),
        ("ExecutionTimedOut", "TimedOut", NonCompliant),
        ("DeliveryTimedOut", "Pending", NonCompliant),
        ("Undeliverable", "Pending", NonCompliant),
        ("Cancelled", "Pending", NonCompliant),
        ("Terminated", "Pending", NonCompliant),
    ];
    for (details, status, compliance) in cases {
        let entry = after("Incomplete", Some(details), None).unwrap();
        assert_eq!((entry.status.as_str(), entry.compliance), (status, compliance), "{details}");
        assert_eq!(entry.status_details, details);
        assert_eq!((entry.command.as_str(), entry.severity), ("c1", ComplianceSeverity::High));
    }
}

#[test]
fn a_run_that_finds_everything_as_it_was_writes_nothing() {
    for details in ["Success", "Failed", "ExecutionTimedOut"] {
        let mut first = after("Success", Some(details), None).unwrap();
        first.command = "an-earlier-one".into();
        first.since = None;
        assert_eq!(after("Success", Some(details), Some(&first)), None, "{details}");
    }
}

#[test]
fn what_did_not_run_leaves_compliance_and_version_as_they_were() {
    let before = NodeAssociation { document_version: "4".into(), ..entry("Success", "Success") };
    for details in ["DeliveryTimedOut", "Cancelled"] {
        let owed = after("Incomplete", Some(details), Some(&before)).unwrap();
        assert_eq!((owed.status.as_str(), owed.compliance), (PENDING, ComplianceStatus::Compliant));
        assert_eq!(owed.document_version, "4");
    }
}

#[test]
fn a_node_that_was_away_during_a_run_owes_it_and_is_written_once() {
    let before = entry("Success", "Success");
    let owed = after("Success", None, Some(&before)).unwrap();
    assert_eq!((owed.status.as_str(), owed.status_details.as_str()), (PENDING, MISSED));
    assert!(is_owed(Some(&owed)));
    assert_eq!(after("Success", None, Some(&owed)), None, "the next run that it misses changes nothing");
}

#[test]
fn a_node_left_out_by_the_limit_of_errors_or_a_cancel_is_not_caught_up_with() {
    for ended in ["Failed", "Cancelled"] {
        let left_out = after(ended, None, None).unwrap();
        assert_eq!(left_out.status_details, "Terminated");
        assert!(!is_owed(Some(&left_out)), "{ended}");
    }
}

#[test]
fn a_new_version_and_a_new_severity_are_written() {
    let before = after("Success", Some("Success"), None).unwrap();
    let older = NodeAssociation { document_version: "0".into(), ..before.clone() };
    assert_eq!(after("Success", Some("Success"), Some(&older)).unwrap().document_version, "1");
    assert_eq!(with_severity(&before, ComplianceSeverity::High), None);
    assert_eq!(with_severity(&before, ComplianceSeverity::Low).unwrap().severity, ComplianceSeverity::Low);
}

/// When the request was made that a run which was released at second 60 is said to have answered.
fn answered(asked: i64, details: Option<&str>, previous: Option<&NodeAssociation>) -> Option<i64> {
    let (command, record) = (ended_command("c1", "Success"), details.map(|details| record("a", details)));
    let ended = Ended {
        association: "web-servers",
        severity: ComplianceSeverity::High,
        command: &command,
        invocation: record.as_ref(),
    };
    let mut node = node("a", true);
    request(&mut node, "web-servers", asked);
    let time = ended.entry(&node, previous)?.refresh_time?;
    Some(time.0.as_second() - second(0).as_second())
}

#[test]
fn a_run_says_which_request_it_has_answered_and_one_that_never_came_answers_none() {
    let before = NodeAssociation { refresh_time: Some(Time(second(20))), ..entry("Success", "Success") };
    for details in ["Success", "Failed", "Cancelled"] {
        assert_eq!(answered(50, Some(details), Some(&before)), Some(50), "{details}");
    }
    assert_eq!(answered(70, Some("Failed"), Some(&before)), Some(20), "it was asked for meanwhile");
    for details in [Some("DeliveryTimedOut"), None] {
        assert_eq!(answered(50, details, Some(&before)), Some(20), "{details:?}");
    }
    assert_eq!(answered(70, Some("Success"), Some(&before)), None, "nothing new, nothing to write");
}
