//! What becomes of a report whose Invocation has ended already.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use keelson_api::{InvocationStatus, LateResult};

/// What to write.
#[derive(Debug, PartialEq)]
pub enum Decision {
    /// Everything is there.
    Nothing,
    /// The end is the same; the report knows more of it.
    Complete,
    /// The end is another one and stays: the report goes beside it.
    Beside(LateResult),
}

/// Decides, from the status as it ended and as the report would have it.
pub fn decide(ended: &InvocationStatus, report: &InvocationStatus, now: Timestamp) -> Decision {
    if !report.status.is_terminal() {
        return Decision::Nothing;
    }
    if (ended.status, &ended.status_details) == (report.status, &report.status_details) {
        let written = InvocationStatus { late_result: None, ..ended.clone() };
        return if written == *report || is_poorer(report, &written) {
            Decision::Nothing
        } else {
            Decision::Complete
        };
    }
    let kept = ended.late_result.as_ref();
    let same = |late: &LateResult| {
        late.status_details == report.status_details && late.response_code == report.response_code
    };
    if kept.is_some_and(same) {
        return Decision::Nothing;
    }
    Decision::Beside(LateResult {
        status_details: report.status_details.clone(),
        response_code: report.response_code,
        received_time: Time(now),
    })
}

/// Whether a report has no steps where steps are known: it would only take away.
fn is_poorer(report: &InvocationStatus, written: &InvocationStatus) -> bool {
    report.steps.is_empty() && !written.steps.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use keelson_api::{RunStatus, StepResult};

    fn status(status: RunStatus, details: &str, code: Option<i32>) -> InvocationStatus {
        InvocationStatus {
            status,
            status_details: details.into(),
            response_code: code,
            ..InvocationStatus::default()
        }
    }

    fn with_step(mut status: InvocationStatus) -> InvocationStatus {
        let step: StepResult = serde_json::from_value(
            serde_json::json!({"name": "a", "action": "aws:runShellScript", "status": "TimedOut", "responseCode": 137}),
        )
        .unwrap();
        status.steps.push(step);
        status
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    #[test]
    fn a_repeated_result_writes_nothing() {
        let ended = status(RunStatus::Success, "Success", Some(0));
        assert_eq!(decide(&ended, &ended, now()), Decision::Nothing);
    }

    #[test]
    fn a_report_of_the_beginning_writes_nothing_after_the_end() {
        let ended = status(RunStatus::Failed, "Failed", Some(1));
        assert_eq!(
            decide(&ended, &status(RunStatus::InProgress, "InProgress", None), now()),
            Decision::Nothing
        );
    }

    #[test]
    fn another_end_is_kept_beside_the_first_and_only_once() {
        let mut ended = status(RunStatus::TimedOut, "ExecutionTimedOut", None);
        let report = status(RunStatus::Success, "Success", Some(0));
        let Decision::Beside(late) = decide(&ended, &report, now()) else { unreachable!("it must be kept") };
        assert_eq!((late.status_details.as_str(), late.response_code), ("Success", Some(0)));
        assert_eq!(late.received_time, Time(now()));
        ended.late_result = Some(late);
        assert_eq!(decide(&ended, &report, now()), Decision::Nothing);
    }

    #[test]
    fn the_node_completes_an_end_that_was_written_for_it() {
        let given_up = status(RunStatus::TimedOut, "ExecutionTimedOut", None);
        let report = with_step(status(RunStatus::TimedOut, "ExecutionTimedOut", Some(137)));
        assert_eq!(decide(&given_up, &report, now()), Decision::Complete);
        assert_eq!(decide(&report, &given_up, now()), Decision::Nothing, "never the other way round");
    }

    #[test]
    fn output_that_arrived_after_the_result_is_no_longer_pending() {
        let pending =
            InvocationStatus { output_pending: true, ..status(RunStatus::Success, "Success", Some(0)) };
        let arrived = InvocationStatus { output_pending: false, ..pending.clone() };
        assert_eq!(decide(&pending, &arrived, now()), Decision::Complete);
    }
}
