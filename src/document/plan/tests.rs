//! Behaviour of decisions, held against recorded answers of the agent.

#![allow(clippy::needless_pass_by_value, reason = "literals read better without a reference")]

use serde_json::json;

use super::*;
use crate::from_value;

fn support(action: &str) -> Support {
    match action {
        "aws:runShellScript" | "aws:runPowerShellScript" => Support::Handled,
        _ if plugins::is_known(action) => Support::NoHandler,
        _ => Support::Unknown,
    }
}

fn decide_on(platform: Platform, version: &str, action: &str, precondition: Value) -> Decision {
    let document = from_value(json!({
        "schemaVersion": version,
        "parameters": {"p": {"type": "String"}, "q": {"type": "String"}},
        "mainSteps": [{"name": "s", "action": action, "precondition": precondition, "inputs": {"id": "{{ p }}"}}],
    }))
    .unwrap();
    let Value::Object(values) = json!({"p": "v", "q": "v"}) else { panic!("an object") };
    plan(&document, &values, platform, &support).unwrap().remove(0).decision
}

fn decide_with(action: &str, precondition: Value) -> Decision {
    decide_on(Platform::Linux, "2.2", action, precondition)
}

fn shell(arguments: Value) -> Decision {
    decide_with("aws:runShellScript", json!({"StringEquals": arguments}))
}

fn run() -> Decision {
    Decision::Run(json!({"id": "v"}))
}

fn skip(text: &str) -> Decision {
    Decision::Skip(text.to_owned())
}

fn fail(text: &str) -> Decision {
    Decision::Fail(text.to_owned())
}

#[test]
fn a_step_without_precondition_runs_if_its_plugin_can() {
    assert_eq!(decide_with("aws:runShellScript", json!(null)), run());
    assert_eq!(
        decide_with("aws:psModule", json!({})),
        skip("Step execution skipped due to unsupported plugin: aws:psModule. Step name: s")
    );
    assert_eq!(
        decide_with("aws:noSuchPlugin", json!(null)),
        fail(
            "Plugin with name aws:noSuchPlugin is not supported by this version of ssm agent, please update to latest \
             version. Step name: s"
        )
    );
}

#[test]
fn the_platform_is_compared_without_regard_to_case_or_order() {
    for arguments in
        [json!(["platformType", "Linux"]), json!(["platformType", "linux"]), json!(["LINUX", "platformType"])]
    {
        assert_eq!(shell(arguments), run());
    }
    assert_eq!(
        shell(json!(["platformType", "Windows"])),
        skip(
            "Step execution skipped due to unsatisfied preconditions: '\"StringEquals\": [platformType, Windows]'. \
             Step name: s"
        )
    );
}

#[test]
fn parameters_are_compared_exactly() {
    for arguments in [json!(["{{ p }}", "v"]), json!(["{{ p }}", "{{ q }}"]), json!(["x-{{ p }}", "x-v"])] {
        assert_eq!(shell(arguments), run());
    }
    assert_eq!(
        shell(json!(["{{ p }}", "V"])),
        skip(
            "Step execution skipped due to unsatisfied preconditions: '\"StringEquals\": [{{ p }}, V]'. Step name: s"
        )
    );
}

#[test]
fn a_precondition_that_makes_no_sense_fails_the_step() {
    for (arguments, reason) in [
        (json!(["platformType", "platformType"]), "[platformType platformType]"),
        (json!(["x", "x"]), "operator's arguments can't be identical"),
        (json!(["{{ p }}", "{{ p }}"]), "operator's arguments can't be identical"),
        (
            json!(["platformType", "{{ p }}"]),
            "the second argument for the platformType variable can't contain document parameters",
        ),
        (
            json!(["{{ nothere }}", "x"]),
            "at least one of operator's arguments must contain a valid document parameter",
        ),
        (json!(["{{ ssm:x }}", "x"]), "operator's arguments can't contain SSM parameters"),
        (json!(["x", "{{ssm-secure:x}}"]), "operator's arguments can't contain secure SSM parameters"),
    ] {
        let text = format!(
            "Unrecognized precondition(s): '\"StringEquals\": {reason}', please update agent to latest version. Step name: s"
        );
        assert_eq!(shell(arguments), fail(&text));
    }
}

#[test]
fn an_unmet_operator_wins_over_an_unknown_one() {
    let both = |platform: &str| json!({"StringEquals": ["platformType", platform], "Foo": ["a", "b"]});
    assert_eq!(
        decide_with("aws:runShellScript", both("Windows")),
        skip(
            "Step execution skipped due to unsatisfied preconditions: 'unrecognized operator: \"Foo\", \
             \"StringEquals\": [platformType, Windows]'. Step name: s"
        )
    );
    assert_eq!(
        decide_with("aws:runShellScript", both("Linux")),
        fail(
            "Unrecognized precondition(s): 'unrecognized operator: \"Foo\"', please update agent to latest version. \
             Step name: s"
        )
    );
}

#[test]
fn a_plugin_of_another_platform_is_skipped_before_its_precondition_is_weighed() {
    let text = "Step execution skipped due to unsupported plugin: aws:psModule. Step name: s";
    for precondition in [json!({"StringEquals": ["platformType", "Windows"]}), json!({"Foo": []})] {
        assert_eq!(decide_with("aws:psModule", precondition), skip(text));
    }
    let windows = json!({"StringEquals": ["platformType", "Windows"]});
    assert!(matches!(decide_with("aws:noSuchPlugin", windows), Decision::Skip(_)));
    let linux = json!({"StringEquals": ["platformType", "Linux"]});
    assert!(matches!(decide_with("aws:noSuchPlugin", linux), Decision::Fail(_)));
}

#[test]
fn before_2_2_a_step_that_cannot_run_fails() {
    let old = |action: &str, precondition: Value| decide_on(Platform::Linux, "2.0", action, precondition);
    assert_eq!(old("aws:runShellScript", json!(null)), run());
    assert_eq!(
        old("aws:runShellScript", json!({"StringEquals": ["platformType", "Linux"]})),
        fail("Precondition is not supported for document schema version prior to 2.2. Step name: s")
    );
    assert_eq!(
        old("aws:psModule", json!(null)),
        fail("Plugin with name aws:psModule not found. Step name: s")
    );
    assert!(
        matches!(old("aws:noSuchPlugin", json!(null)), Decision::Fail(text) if text.contains("please update"))
    );
    assert_eq!(
        decide_on(Platform::MacOS, "2.0", "aws:runDocument", json!(null)),
        fail("Plugin with name aws:runDocument is not supported in current platform. Step name: s")
    );
}

#[test]
fn a_value_that_cannot_be_compared_is_an_error_and_not_a_crash() {
    let document = from_value(json!({
        "schemaVersion": "2.2",
        "parameters": {"p": {"type": "String"}},
        "mainSteps": [{"name": "s", "action": "aws:runShellScript", "precondition": {"StringEquals": ["x", "{{ p }}"]}}],
    }))
    .unwrap();
    for value in [json!(["x"]), json!(null), json!(5)] {
        let Value::Object(values) = json!({ "p": value }) else { panic!("an object") };
        let errors = plan(&document, &values, Platform::Linux, &support).unwrap_err();
        assert_eq!(errors.0[0].path, "mainSteps[0].precondition.StringEquals[1]");
    }
}

#[test]
fn a_plugin_of_schema_1_has_its_properties_interpolated_and_its_name_as_its_step() {
    let document = from_value(json!({
        "schemaVersion": "1.2",
        "parameters": {"p": {"type": "String"}},
        "runtimeConfig": {
            "aws:runShellScript": {"properties": [{"id": "0", "workingDirectory": "{{ p }}"}, {"id": "1"}]},
            "aws:noSuchPlugin": {"properties": "x"},
            "aws:psModule": {},
        },
    }))
    .unwrap();
    let Value::Object(values) = json!({"p": "v"}) else { panic!("an object") };
    let steps = plan(&document, &values, Platform::Linux, &support).unwrap();
    let decisions: Vec<_> = steps.into_iter().map(|step| step.decision).collect();
    assert_eq!(
        decisions,
        [
            fail(
                "Plugin with name aws:noSuchPlugin is not supported by this version of ssm agent, please update to \
                 latest version. Step name: aws:noSuchPlugin"
            ),
            fail("Plugin with name aws:psModule not found. Step name: aws:psModule"),
            Decision::Run(json!([{"id": "0", "workingDirectory": "v"}, {"id": "1"}])),
        ]
    );
}

#[test]
fn a_step_that_needs_a_parameter_store_fails_where_it_would_run() {
    let document = from_value(json!({
        "schemaVersion": "2.2",
        "parameters": {"p": {"type": "String"}},
        "mainSteps": [
            {"name": "a", "action": "aws:runShellScript", "inputs": {"runCommand": ["echo {{ p }}"]}},
            {"name": "b", "action": "aws:runShellScript", "precondition": {"StringEquals": ["platformType", "Windows"]},
             "inputs": {"runCommand": ["echo {{ p }}"]}},
        ],
    }))
    .unwrap();
    let Value::Object(values) = json!({"p": "{{ssm:x}}"}) else { panic!("an object") };
    let steps = plan(&document, &values, Platform::Linux, &support).unwrap();
    assert!(
        matches!(&steps[0].decision, Decision::Fail(reason) if reason.contains("parameter store is not read"))
    );
    assert!(matches!(&steps[1].decision, Decision::Skip(_)));
    let in_environment = from_value(json!({
        "schemaVersion": "2.2",
        "parameters": {"p": {"type": "String", "interpolationType": "ENV_VAR"}},
        "mainSteps": [{"name": "a", "action": "aws:runShellScript", "inputs": {"runCommand": ["echo $SSM_p"]}}],
    }))
    .unwrap();
    let steps = plan(&in_environment, &values, Platform::Linux, &support).unwrap();
    assert!(matches!(&steps[0].decision, Decision::Fail(_)));
}
