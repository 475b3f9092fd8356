//! What a Command's status says, and when it is written.

use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use keelson_api::condition::{self, COMPLETE, FAILED, READY, RECONCILING, STALLED};
use keelson_api::{CommandStatus, RunStatus};
use keelson_core::status::StatusDetails::{self, Failed, InProgress, Success};

use super::fleet::{Records, frozen, limits, record, target};
use crate::command::deadline::Elapsed;
use crate::command::freeze::FrozenTarget;
use crate::command::plan::{Limits, NodeState, Observation, tally};
use crate::command::status::{Due, Moment, due, refused, running};
use crate::command::validate::Refusal;

fn moment(second: i64) -> Moment {
    Moment { generation: Some(1), now: Timestamp::from_second(second).unwrap() }
}

/// The status at `second` of a Command whose nodes stand so; `None` for one that was not sent to.
fn status(
    previous: &CommandStatus,
    second: i64,
    limits: &Limits,
    nodes: &[Option<StatusDetails>],
) -> CommandStatus {
    let targets: Vec<FrozenTarget> = (0..nodes.len()).map(|number| target(&format!("mi-{number}"))).collect();
    let sent = targets.iter().zip(nodes).filter_map(|(target, node)| Some((target, (*node)?)));
    let records: Records =
        sent.map(|(target, node)| (target.name.clone(), record(target, Some(node)))).collect();
    let observations: Vec<_> = targets
        .iter()
        .map(|target| Observation {
            target,
            invocation: records.get(&target.name),
            elapsed: Elapsed::default(),
            node: NodeState::Online,
        })
        .collect();
    let tally = tally(limits, &observations, 0);
    let status = running(previous, moment(second), &frozen(targets.clone()), limits, &tally, &observations);
    assert_eq!(condition::breach(&status.conditions), None);
    status
}

fn text(status: &CommandStatus) -> (RunStatus, &str) {
    (status.status.unwrap(), status.status_details.as_deref().unwrap())
}

#[test]
fn a_command_goes_from_waiting_over_running_to_complete() {
    let (limits, new) = (limits(2, 0), CommandStatus::default());
    let waiting = status(&new, 10, &limits, &[None, None]);
    assert_eq!(text(&waiting), (RunStatus::Pending, "Pending"));
    let running = status(&waiting, 11, &limits, &[Some(Success), Some(InProgress)]);
    assert_eq!(text(&running), (RunStatus::InProgress, "InProgress"));
    assert!(condition::is_true(&running.conditions, RECONCILING));
    assert_eq!(running.start_time, waiting.start_time);
    assert_eq!(
        (running.target_count, running.completed_count, running.error_count),
        (Some(2), Some(1), Some(0))
    );
    let complete = status(&running, 12, &limits, &[Some(Success), Some(Success)]);
    assert_eq!(text(&complete), (RunStatus::Success, "Success"));
    assert!(condition::is_true(&complete.conditions, COMPLETE));
    assert!(condition::is_true(&complete.conditions, READY));
    assert!(condition::get(&complete.conditions, RECONCILING).is_none());
    assert!(complete.completion_time.is_some());
}

#[test]
fn a_failed_command_names_who_failed() {
    let failed = status(&CommandStatus::default(), 10, &limits(2, 0), &[Some(Success), Some(Failed), None]);
    assert_eq!(text(&failed), (RunStatus::Failed, "Failed"));
    assert!(
        condition::is_true(&failed.conditions, FAILED) && condition::is_true(&failed.conditions, STALLED)
    );
    let message = failed.message.unwrap();
    assert!(message.contains("1 of 3 nodes ended well, 1 failed, 1 not sent to"), "{message}");
    assert!(message.contains("mi-1.example (Failed)"), "{message}");
    assert!(message.contains("errors: 1 where maxErrors allows 0"), "{message}");
}

#[test]
fn a_cancel_shows_until_all_have_ended() {
    let limits = Limits { cancelled: true, ..limits(2, 0) };
    let cancelling = status(&CommandStatus::default(), 10, &limits, &[Some(InProgress), None]);
    assert_eq!(text(&cancelling), (RunStatus::Cancelling, "Cancelling"));
    let cancelled = status(&cancelling, 11, &limits, &[Some(Success), None]);
    assert_eq!(text(&cancelled), (RunStatus::Cancelled, "Cancelled"));
}

#[test]
fn no_target_is_a_success_that_says_so() {
    let none = status(&CommandStatus::default(), 10, &limits(2, 0), &[]);
    assert_eq!(text(&none), (RunStatus::Success, "NoInstancesInTag"));
    assert!(none.message.unwrap().contains("no node matches"));
}

#[test]
fn a_spec_that_cannot_run_fails_with_its_reason() {
    let refusal = Refusal { reason: "DocumentNotFound", message: "spec.documentName: there is none".into() };
    let status = refused(&CommandStatus::default(), moment(10), &refusal);
    assert_eq!(text(&status), (RunStatus::Failed, "Failed"));
    assert_eq!(condition::breach(&status.conditions), None);
    for type_ in [FAILED, STALLED] {
        assert_eq!(condition::get(&status.conditions, type_).unwrap().reason, "DocumentNotFound");
    }
    assert_eq!(status.message.as_deref(), Some("spec.documentName: there is none"));
}

#[test]
fn what_is_said_of_a_spec_is_bounded_whatever_it_quotes() {
    let refusal = Refusal { reason: "InvalidParameters", message: "x".repeat(2_000_000) };
    let status = refused(&CommandStatus::default(), moment(10), &refusal);
    assert!(serde_json::to_string(&status).unwrap().len() < 32_768, "the API server could not store it");
}

#[test]
fn results_that_arrive_together_are_written_together_and_the_end_at_once() {
    let limits = limits(3, 0);
    let first = status(&CommandStatus::default(), 10, &limits, &[Some(InProgress); 3]);
    let written = Instant::now();
    let soon = written + Duration::from_millis(300);
    assert_eq!(due(&CommandStatus::default(), &first, None, written), Due::Now);
    assert_eq!(due(&first, &first, Some(written), soon), Due::Never);
    let one = status(&first, 10, &limits, &[Some(Success), Some(InProgress), Some(InProgress)]);
    assert_eq!(due(&first, &one, Some(written), soon), Due::In(Duration::from_millis(700)));
    assert_eq!(due(&first, &one, Some(written), written + Duration::from_secs(1)), Due::Now);
    let all = status(&first, 10, &limits, &[Some(Success); 3]);
    assert_eq!(due(&first, &all, Some(written), soon), Due::Now);
}

#[test]
fn time_alone_changes_no_status() {
    let limits = limits(2, 0);
    let first = status(&CommandStatus::default(), 10, &limits, &[Some(InProgress), None]);
    assert_eq!(first, status(&first, 99, &limits, &[Some(InProgress), None]));
}
