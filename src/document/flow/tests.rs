//! Behaviour of the flow, held against recorded answers of the agent.

use serde_json::json;

use super::*;
use crate::{Platform, Support, from_value, plan};

const SUCCESS: Ended = Ended { status: StepStatus::Success, code: 0 };
const FAILED: Ended = Ended { status: StepStatus::Failed, code: 5 };
const SKIPPED: Ended = Ended { status: StepStatus::Skipped, code: 0 };

/// A flow of shell scripts `a`, `b`, `c` with these inputs.
fn flow(inputs: &[serde_json::Value]) -> Flow {
    let steps: Vec<_> = inputs
        .iter()
        .zip(["a", "b", "c"])
        .map(|(inputs, name)| json!({"name": name, "action": "aws:runShellScript", "inputs": inputs}))
        .collect();
    let document = from_value(json!({"schemaVersion": "2.2", "mainSteps": steps})).unwrap();
    let values = serde_json::Map::new();
    Flow::new(plan(&document, &values, Platform::Linux, &|_| Support::Handled).unwrap())
}

/// Runs a flow whose steps would end as in `scripts`; gives the recorded ends.
fn drive(flow: &Flow, scripts: &[Ended]) -> Vec<Ended> {
    let mut ended = Vec::new();
    while let Some(turn) = flow.next(&ended) {
        let script = scripts[ended.len()];
        ended.push(turn.decision.ended().unwrap_or_else(|| flow.conclude(turn.step, script).ended));
    }
    ended
}

fn code(code: i32) -> Ended {
    Ended { status: StepStatus::Failed, code }
}

#[test]
fn a_failed_step_does_not_stop_the_document() {
    let flow = flow(&[json!({}), json!({}), json!({})]);
    let ended = drive(&flow, &[SUCCESS, FAILED, SUCCESS]);
    assert_eq!(ended, [SUCCESS, FAILED, SUCCESS]);
    assert_eq!(flow.status(&ended), StepStatus::Failed);
    assert_eq!(flow.status(&ended[..1]), StepStatus::InProgress);
}

#[test]
fn code_168_is_success_and_skips_the_rest() {
    let flow = flow(&[json!({}), json!({}), json!({})]);
    let ended = drive(&flow, &[code(168), SUCCESS, SUCCESS]);
    assert_eq!(ended, [Ended { status: StepStatus::Success, code: 168 }, SKIPPED, SKIPPED]);
    assert_eq!(flow.status(&ended), StepStatus::Success);
    let conclusion = flow.conclude(&flow.steps()[0], code(168));
    assert!(conclusion.errors_cleared);
    assert_eq!(
        conclusion.sentence,
        "\nStep exited with code 168. Therefore, marking step as succeeded. Further document steps will be skipped."
    );
    let skipped = flow.next(&ended[..1]).unwrap().decision;
    let text =
        "Plugin with name aws:runShellScript and id b skipped due to prior step with an exit condition";
    assert_eq!(skipped, Decision::Skip(text.to_owned()));
}

#[test]
fn code_169_fails_and_skips_the_rest_but_a_final_finally_step() {
    let flow = flow(&[json!({}), json!({}), json!({"finallyStep": true})]);
    let ended = drive(&flow, &[code(169), SUCCESS, SUCCESS]);
    assert_eq!(ended, [code(169), SKIPPED, SUCCESS]);
    assert_eq!(flow.status(&ended), StepStatus::Failed);
    let conclusion = flow.conclude(&flow.steps()[0], code(169));
    assert!(!conclusion.errors_cleared);
    assert_eq!(
        conclusion.sentence,
        "\nStep exited with code 169. Therefore, marking step as Failed. Further document steps will be skipped."
    );
}

#[test]
fn on_failure_exit_keeps_the_failure() {
    let flow = flow(&[json!({"onFailure": "exit"}), json!({})]);
    assert_eq!(drive(&flow, &[FAILED, SUCCESS]), [FAILED, SKIPPED]);
    assert_eq!(drive(&flow, &[SUCCESS, SUCCESS]), [SUCCESS, SUCCESS]);
    assert_eq!(
        flow.conclude(&flow.steps()[0], FAILED).sentence,
        "\nStep was found to have onFailure property. Further document steps will be skipped."
    );
    assert_eq!(flow.conclude(&flow.steps()[0], SUCCESS).sentence, "");
}

#[test]
fn on_failure_success_and_exit_makes_a_success_of_it() {
    let flow = flow(&[json!({}), json!({"onFailure": "successAndExit"}), json!({})]);
    let ended = drive(&flow, &[FAILED, FAILED, SUCCESS]);
    assert_eq!(ended, [FAILED, Ended { status: StepStatus::Success, code: 168 }, SKIPPED]);
    assert_eq!(flow.status(&ended), StepStatus::Failed, "the failure before it still counts");
    assert!(!flow.conclude(&flow.steps()[1], FAILED).errors_cleared);
}

#[test]
fn on_failure_does_not_act_on_a_timeout_or_a_cancel() {
    let flow = flow(&[json!({"onFailure": "exit"}), json!({})]);
    for status in [StepStatus::TimedOut, StepStatus::Cancelled] {
        let ran = Ended { status, code: 137 };
        assert_eq!(
            flow.conclude(&flow.steps()[0], ran),
            Conclusion { ended: ran, errors_cleared: false, sentence: "" }
        );
        assert_eq!(drive(&flow, &[ran, SUCCESS]), [ran, SUCCESS]);
    }
}

#[test]
fn on_success_exit_acts_on_success_only() {
    let flow = flow(&[json!({"onSuccess": "exit"}), json!({}), json!({"finallyStep": "true"})]);
    assert_eq!(drive(&flow, &[SUCCESS, SUCCESS, SUCCESS]), [SUCCESS, SKIPPED, SUCCESS]);
    assert_eq!(drive(&flow, &[FAILED, SUCCESS, SUCCESS]), [FAILED, SUCCESS, SUCCESS]);
    assert!(
        matches!(flow.next(&[SKIPPED]).unwrap().decision, Decision::Run(_)),
        "a skipped step is no success"
    );
}

#[test]
fn a_finally_step_elsewhere_than_last_is_skipped_too() {
    let flow = flow(&[json!({"onFailure": "exit"}), json!({"finallyStep": true}), json!({})]);
    assert_eq!(drive(&flow, &[FAILED, SUCCESS, SUCCESS]), [FAILED, SKIPPED, SKIPPED]);
}

#[test]
fn a_step_that_fails_by_decision_exits_too() {
    let document = from_value(json!({"schemaVersion": "2.2", "mainSteps": [
        {"name": "a", "action": "aws:noSuchPlugin", "inputs": {"onFailure": "exit"}},
        {"name": "b", "action": "aws:runShellScript"}]}))
    .unwrap();
    let support =
        |action: &str| if action == "aws:runShellScript" { Support::Handled } else { Support::Unknown };
    let flow = Flow::new(plan(&document, &serde_json::Map::new(), Platform::Linux, &support).unwrap());
    assert_eq!(drive(&flow, &[SUCCESS, SUCCESS]), [code(1), SKIPPED]);
}

#[test]
fn a_wish_to_reboot_ends_the_flow_until_it_is_taken_back() {
    let flow = flow(&[json!({}), json!({}), json!({})]);
    let reboot = Ended { status: StepStatus::SuccessAndReboot, code: 194 };
    let ended = drive(&flow, &[SUCCESS, reboot, SUCCESS]);
    assert_eq!(ended, [SUCCESS, reboot]);
    assert_eq!(flow.status(&ended), StepStatus::SuccessAndReboot);
    assert_eq!(flow.next(&ended[..1]).map(|turn| turn.step.name.as_str()), Some("b"));
}

#[test]
fn failing_fast_the_first_failure_or_timeout_skips_the_rest_and_says_so() {
    let timed_out = Ended { status: StepStatus::TimedOut, code: 137 };
    for (end, word, status) in
        [(FAILED, "failed", StepStatus::Failed), (timed_out, "timed out", StepStatus::TimedOut)]
    {
        let flow = flow(&[json!({}), json!({}), json!({})]).failing_fast(true);
        let ended = drive(&flow, &[SUCCESS, end, SUCCESS]);
        assert_eq!((&ended[..], flow.status(&ended)), (&[SUCCESS, end, SKIPPED][..], status));
        let decision = flow.next(&ended[..2]).unwrap().decision;
        let text = format!(
            "Plugin with name aws:runShellScript and id c skipped due to failFast: step \"b\" {word}"
        );
        assert_eq!(decision, Decision::Skip(text));
    }
}

#[test]
fn failing_fast_a_last_finally_step_runs_and_a_success_by_modifier_is_no_failure() {
    let flow_with =
        |first: serde_json::Value| flow(&[first, json!({}), json!({"finallyStep": true})]).failing_fast(true);
    let flow = flow_with(json!({}));
    assert_eq!(drive(&flow, &[FAILED, SUCCESS, SUCCESS]), [FAILED, SKIPPED, SUCCESS]);
    let flow = flow_with(json!({"onFailure": "successAndExit"}));
    let succeeded = Ended { status: StepStatus::Success, code: 168 };
    assert_eq!(drive(&flow, &[FAILED, SUCCESS, SUCCESS]), [succeeded, SKIPPED, SUCCESS]);
}
