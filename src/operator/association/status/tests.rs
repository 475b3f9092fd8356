use super::*;
use crate::association::fixtures::{association, command, ended_command, entry, member, second};
use keelson_api::condition::{COMPLIANT, READY, RECONCILING, STALLED, breach, get, is_true};

fn problem() -> Problem {
    Problem { reason: "DocumentNotFound", message: "spec.documentName: there is no Document \"web\"".into() }
}

fn failing(node: &str) -> FailingNode {
    FailingNode {
        node: node.into(),
        hostname: format!("host-{node}"),
        invocation: format!("c-{node}"),
        status_details: "Failed".into(),
        response_code: Some(3),
        message: "no space left on device\nmore".into(),
    }
}

/// The association with the status that it had before.
fn with(status: AssociationStatus) -> Association {
    Association { status: Some(status), ..association() }
}

fn concluded(draft: Draft, problem: Option<&Problem>, live: Option<&Command>) -> AssociationStatus {
    let status = draft.conclude(&association(), problem, live, second(100));
    assert_eq!(breach(&status.conditions), None);
    assert_eq!(status.observed_generation, Some(1));
    status
}

/// A status after a run that ended so.
fn after_run(details: &str, failing: Vec<FailingNode>) -> AssociationStatus {
    let mut draft = Draft::new(&association());
    draft.started(&command("c1"));
    draft.finished(&ended_command("c1", details), &|_| true, failing);
    concluded(draft, None, None)
}

fn message(status: &AssociationStatus) -> &str {
    &get(&status.conditions, READY).unwrap().message
}

#[test]
fn a_problem_stalls_it_with_its_reason_and_heals_without_a_trace() {
    let stalled = concluded(Draft::new(&association()), Some(&problem()), None);
    assert!(is_true(&stalled.conditions, STALLED) && !is_true(&stalled.conditions, READY));
    assert_eq!(get(&stalled.conditions, READY).unwrap().reason, "DocumentNotFound");
    assert!(message(&stalled).starts_with("spec.documentName"));
    let healed = concluded(Draft::new(&with(stalled)), None, None);
    assert!(is_true(&healed.conditions, READY) && get(&healed.conditions, STALLED).is_none());
}

#[test]
fn a_problem_that_comes_during_a_run_shows_as_stalled_alone() {
    let mut draft = Draft::new(&association());
    draft.started(&command("c1"));
    let status = concluded(draft, Some(&problem()), Some(&command("c1")));
    assert!(is_true(&status.conditions, STALLED) && get(&status.conditions, RECONCILING).is_none());
}

#[test]
fn its_first_run_makes_it_ready_when_it_ends_and_not_before() {
    let mut draft = Draft::new(&association());
    draft.started(&command("c1"));
    let running = concluded(draft, None, Some(&command("c1")));
    assert!(is_true(&running.conditions, RECONCILING) && !is_true(&running.conditions, READY));
    let mut draft = Draft::new(&with(running));
    draft.finished(&ended_command("c1", "Success"), &|_| true, Vec::new());
    let ended = concluded(draft, None, None);
    assert!(is_true(&ended.conditions, READY) && get(&ended.conditions, RECONCILING).is_none());
    assert_eq!(ended.current_command, None);
    assert_eq!(ended.last_command.unwrap().name, "c1");
}

#[test]
fn it_stays_ready_during_later_runs() {
    let mut draft = Draft::new(&with(after_run("Success", Vec::new())));
    draft.started(&command("c2"));
    let running = concluded(draft, None, Some(&command("c2")));
    assert!(is_true(&running.conditions, READY) && is_true(&running.conditions, RECONCILING));
}

#[test]
fn a_run_beyond_max_errors_is_told_with_the_node_and_its_stderr() {
    let failed = after_run("Failed", vec![failing("mi-2")]);
    assert!(!is_true(&failed.conditions, READY));
    assert_eq!(message(&failed), "1 of 3 nodes failed: host-mi-2 (mi-2) exit 3: no space left on device");
    let borne = after_run("Incomplete", vec![failing("mi-2")]);
    assert!(is_true(&borne.conditions, READY), "maxErrors allows it");
}

#[test]
fn a_command_that_could_not_begin_is_told_with_its_reason() {
    let mut ended = ended_command("c1", "Failed");
    if let Some(status) = &mut ended.status {
        status.counts = None;
        status.message = Some("spec.targets: none".into());
    }
    let mut draft = Draft::new(&association());
    draft.finished(&ended, &|_| false, Vec::new());
    let status = concluded(draft, None, None);
    assert_eq!(message(&status), "Command c1 failed: spec.targets: none");
}

#[test]
fn a_catch_up_that_goes_well_does_not_hide_what_failed_elsewhere() {
    let failed = after_run("Failed", vec![failing("mi-2"), failing("mi-3")]);
    let mut catch_up = ended_command("c2", "Success");
    catch_up.annotations_mut().insert(CAUSE_ANNOTATION.into(), "CatchUp".into());
    let mut draft = Draft::new(&with(failed.clone()));
    draft.finished(&catch_up, &|node| node == "mi-3", Vec::new());
    let status = concluded(draft, None, None);
    assert_eq!(message(&status), message(&failed));
    assert_eq!(status.failing_nodes, [failing("mi-2")]);
}

#[test]
fn a_started_command_says_what_it_answers_whoever_made_it() {
    let mut made = command("c1");
    made.annotations_mut().insert(RECONCILE_ANNOTATION.into(), "now".into());
    let mut draft = Draft::new(&association());
    draft.started(&made);
    let once = draft.status.clone();
    assert_eq!(once.last_tick.as_ref().unwrap().0, second(60));
    assert_eq!(
        (once.applied_hash.as_deref(), once.last_handled_reconcile_at.as_deref()),
        (Some("h"), Some("now"))
    );
    assert_eq!((once.current_command.as_deref(), once.document_version.as_deref()), (Some("c1"), Some("1")));
    draft.started(&made);
    assert_eq!(draft.status, once, "seeing it again changes nothing");
}

#[test]
fn a_catch_up_answers_neither_tick_nor_change() {
    let mut catch_up = command("c2");
    *catch_up.annotations_mut() = [(CAUSE_ANNOTATION.to_owned(), "CatchUp".to_owned())].into();
    let mut draft = Draft::new(&with(after_run("Success", Vec::new())));
    let (tick, hash) = (draft.status.last_tick.clone(), draft.status.applied_hash.clone());
    draft.started(&catch_up);
    assert_eq!((draft.status.last_tick, draft.status.applied_hash), (tick, hash));
}

#[test]
fn a_command_that_somebody_deleted_is_not_waited_for() {
    let mut draft = Draft::new(&association());
    draft.started(&command("c1"));
    draft.lost("c1");
    let status = concluded(draft, None, None);
    assert_eq!((status.current_command.as_deref(), is_true(&status.conditions, READY)), (None, false));
}

#[test]
fn compliant_says_whether_every_node_is() {
    let cases = [
        (vec![], true, "no node matches"),
        (vec![member("a", Some(entry("Success", "Success")))], true, "1 of 1 nodes are compliant"),
        (
            vec![member("a", Some(entry("Success", "Success"))), member("b", None)],
            false,
            "1 of 2 nodes are compliant",
        ),
    ];
    for (members, compliant, message) in cases {
        let mut draft = Draft::new(&association());
        draft.nodes(&association(), &members, second(100));
        let status = concluded(draft, None, None);
        assert_eq!(is_true(&status.conditions, COMPLIANT), compliant, "{message}");
        assert_eq!(get(&status.conditions, COMPLIANT).unwrap().message, message);
    }
}

#[test]
fn a_failing_node_is_dropped_when_it_recovers_or_goes() {
    let mut draft = Draft::new(&with(after_run("Failed", vec![failing("a"), failing("b"), failing("gone")])));
    let members =
        [member("a", Some(entry("Failed", "Failed"))), member("b", Some(entry("Success", "Success")))];
    draft.nodes(&association(), &members, second(100));
    assert_eq!(draft.status.failing_nodes, [failing("a")]);
}

#[test]
fn a_look_that_finds_nothing_new_changes_nothing() {
    let members = [member("a", Some(entry("Success", "Success")))];
    let mut draft = Draft::new(&with(after_run("Success", Vec::new())));
    draft.nodes(&association(), &members, second(100));
    let first = concluded(draft, None, None);
    let mut draft = Draft::new(&with(first.clone()));
    draft.nodes(&association(), &members, second(900));
    assert_eq!(draft.conclude(&association(), None, None, second(900)), first);
}
