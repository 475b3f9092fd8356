//! Reports as people read them with `kubectl get invocations`.

use super::*;

fn step(name: &str, status: StepStatus, code: i32, output: &str) -> StepReport {
    StepReport {
        name: name.into(),
        action: "aws:runShellScript".into(),
        status,
        code,
        output: output.into(),
        started_unix_ms: 1_800_000_000_000,
        ended_unix_ms: 1_800_000_000_034,
        stdout_bytes: output.len() as u64,
        stderr_bytes: 0,
        stdout_sha256: "ab".repeat(32),
        stderr_sha256: String::new(),
        output_key: "v1/web/2027-01-15/c1/mi-1/0".into(),
    }
}

fn run(details: StatusDetails, steps: Vec<StepReport>) -> RunReport {
    RunReport {
        details,
        message: String::new(),
        steps,
        started_unix_ms: 1_800_000_000_000,
        ended_unix_ms: 1_800_000_001_999,
        duration: Duration::from_millis(34),
        output_key: "v1/web/2027-01-15/c1/mi-1/".into(),
        output_pending: false,
        refresh_associations: None,
    }
}

fn status_of(run: RunReport) -> InvocationStatus {
    of(&Report::Finished(run))
}

#[test]
fn a_run_shows_status_code_duration_steps_and_where_its_output_is() {
    let status =
        status_of(run(StatusDetails::Success, vec![step("install", StepStatus::Success, 0, "done\n")]));
    assert_eq!((status.status, status.status_details.as_str()), (RunStatus::Success, "Success"));
    assert_eq!((status.response_code, status.duration_seconds.as_deref()), (Some(0), Some("0.034")));
    assert_eq!(status.execution_end_time, Some(Time(Timestamp::from_second(1_800_000_001).unwrap())));
    assert_eq!(status.output_key.as_deref(), Some("v1/web/2027-01-15/c1/mi-1/"));
    assert_eq!((status.steps[0].output.as_str(), status.steps[0].stdout_bytes), ("done\n", 5));
    assert_eq!(status.message, None);
}

#[test]
fn the_exit_code_is_that_of_the_first_failure_else_of_the_last_step_that_ran() {
    let code = |steps: &[(StepStatus, i32)]| {
        let steps = steps.iter().map(|(status, code)| step("s", *status, *code, "")).collect();
        status_of(run(StatusDetails::Failed, steps)).response_code
    };
    let (success, failed, skipped) = (StepStatus::Success, StepStatus::Failed, StepStatus::Skipped);
    assert_eq!(code(&[(success, 0), (failed, 3), (failed, 4), (success, 0)]), Some(3));
    assert_eq!(code(&[(success, 0), (success, 7), (skipped, 0), (StepStatus::NotStarted, 0)]), Some(7));
    assert_eq!(code(&[(StepStatus::TimedOut, 137)]), Some(137));
    assert_eq!(code(&[(skipped, 0)]), None);
    assert_eq!(code(&[]), None);
}

#[test]
fn each_end_has_its_coarse_status() {
    let coarse = |details| status_of(run(details, Vec::new())).status;
    assert_eq!(coarse(StatusDetails::ExecutionTimedOut), RunStatus::TimedOut);
    assert_eq!(coarse(StatusDetails::Cancelled), RunStatus::Cancelled);
    let refused =
        of(&Report::Refused { details: StatusDetails::DeliveryTimedOut, message: "too late".into() });
    assert_eq!((refused.status, refused.status_details.as_str()), (RunStatus::TimedOut, "DeliveryTimedOut"));
    assert_eq!(refused.message.as_deref(), Some("too late"));
    assert_eq!(of(&Report::InProgress).status, RunStatus::InProgress);
}

#[test]
fn a_status_reads_back_as_it_was_written() {
    let status = status_of(run(StatusDetails::Failed, vec![step("a", StepStatus::Failed, 1, "no")]));
    let read: InvocationStatus = serde_json::from_value(serde_json::to_value(&status).unwrap()).unwrap();
    assert_eq!(read, status, "else a repeated result would be written again");
}

#[test]
fn numbers_that_the_api_server_cannot_hold_do_not_get_there() {
    let mut odd = step("a", StepStatus::Success, 0, "");
    (odd.started_unix_ms, odd.ended_unix_ms, odd.stdout_bytes) = (-1, i64::MAX, u64::MAX);
    let status = status_of(run(StatusDetails::Success, vec![odd]));
    assert_eq!((status.steps[0].start_time.clone(), status.steps[0].end_time.clone()), (None, None));
    assert_eq!(status.steps[0].stdout_bytes, i64::MAX.unsigned_abs());
}

#[test]
fn a_status_has_at_most_16_kibibytes() {
    let noisy = |count: usize, status| (0..count).map(|_| step("s", status, 1, &"é".repeat(1250))).collect();
    for count in [7, 20, 60, 400] {
        let status = status_of(run(StatusDetails::Failed, noisy(count, StepStatus::Failed)));
        assert!(size(&status) <= MAX_STATUS, "{count} steps");
        assert!(status.steps.len() == count || status.message.is_some());
    }
}

#[test]
fn steps_that_failed_are_shown_before_those_that_went_well() {
    let mut steps: Vec<_> = (0..200).map(|_| step("well", StepStatus::Success, 0, "ok")).collect();
    steps.push(step("bad", StepStatus::Failed, 9, "why"));
    let status = status_of(run(StatusDetails::Failed, steps));
    assert_eq!((status.response_code, status.steps.last().unwrap().name.as_str()), (Some(9), "bad"));
    assert!(status.message.unwrap().contains("of 201 steps"));
}
