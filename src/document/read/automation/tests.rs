//! Behaviour of checking runbooks.

#![allow(clippy::needless_pass_by_value, reason = "literals read better without a reference")]

use serde_json::json;

use super::*;

fn refused(document: Value) -> Vec<String> {
    let errors = automation(DocumentType::Automation, document).unwrap_err();
    errors.to_string().lines().map(str::to_owned).collect()
}

fn accepted(document: Value) -> Automation {
    automation(DocumentType::Automation, document).unwrap_or_else(|errors| panic!("{errors}"))
}

/// A runbook of two steps whose first has more keys.
fn with_step(more: Value) -> Value {
    let mut step = json!({"name": "first", "action": "aws:sleep", "inputs": {"Duration": "PT1S"}});
    for (key, value) in more.as_object().unwrap() {
        step[key] = value.clone();
    }
    json!({"schemaVersion": "0.3", "mainSteps": [step, {"name": "second", "action": "aws:pause", "inputs": {}}]})
}

fn with_parameter(definition: Value) -> Value {
    let mut document = with_step(json!({}));
    document["parameters"] = json!({ "p": definition });
    document
}

#[test]
fn a_runbook_has_parameters_of_many_types_and_steps_that_lead_to_each_other() {
    let mut document = with_step(json!({
        "onFailure": "step:second", "onCancel": "Abort", "nextStep": "second", "isEnd": false, "isCritical": "true",
        "timeoutSeconds": "{{ t }}", "maxAttempts": 3, "outputs": [{"Name": "a", "Selector": "$.b", "Type": "String"}]}));
    document["parameters"] = json!({
        "AutomationAssumeRole": {"type": "AWS::IAM::Role::Arn", "default": ""},
        "ids": {"type": "List<AWS::EC2::Instance::Id>", "default": ["i-1"], "maxItems": 5},
        "t": {"type": "Integer", "default": 5, "minValue": 1, "allowedPattern": "^(?!0)\\d{1,5000}$"}});
    document["variables"] = json!({"v": {"type": "StringMap", "default": {}}});
    document["files"] = json!({"a.zip": {"checksums": {"sha256": "x"}}});
    document["outputs"] = json!(["first.a"]);
    document["assumeRole"] = json!("{{ AutomationAssumeRole }}");
    let runbook = accepted(document);
    assert_eq!(runbook.parameters, ["AutomationAssumeRole", "ids", "t"]);
    assert_eq!(runbook.steps[1].action, "aws:pause");
}

#[test]
fn an_action_that_aws_may_have_added_since_is_accepted() {
    accepted(with_step(json!({"action": "aws:startSomethingNew", "isEnd": "True"})));
}

#[test]
fn a_step_says_what_it_does_and_where_it_goes() {
    let path = "mainSteps[0]";
    for (more, line) in [
        (
            json!({"action": "aws:executeAwsAPI"}),
            ".action: unknown action \"aws:executeAwsAPI\" (did you mean \"aws:executeAwsApi\"?)",
        ),
        (
            json!({"action": "aws:runShellScript"}),
            ".action: unknown action \"aws:runShellScript\": use one of aws:approve, ",
        ),
        (
            json!({"action": "sleep a while"}),
            ".action: unknown action \"sleep a while\": use one of aws:approve, ",
        ),
        (json!({"name": "a b"}), ".name: \"a b\" is not allowed: use letters, digits and '_' only"),
        (json!({"nextStep": "secnd"}), ".nextStep: there is no step \"secnd\" (did you mean \"second\"?)"),
        (json!({"onFailure": "step:third"}), ".onFailure: there is no step \"third\""),
        (
            json!({"onFailure": "abort"}),
            ".onFailure: expected Abort, Continue or step:NAME, found \"abort\" (did you mean \"Abort\"?)",
        ),
        (json!({"onCancel": "Continue"}), ".onCancel: expected Abort or step:NAME, found \"Continue\""),
        (
            json!({"isEnd": "yes"}),
            ".isEnd: expected true or false, or a reference to a parameter, found the string \"yes\"",
        ),
        (json!({"timeoutSeconds": -1}), ".timeoutSeconds: expected a whole number, or a reference"),
        (json!({"inputs": ["x"]}), ".inputs: expected an object, found a list"),
        (json!({"outputs": {"Name": "a"}}), ".outputs: expected a list of outputs, found an object"),
        (json!({"outputs": [{"Selector": "$"}]}), ".outputs[0].Name: is missing"),
        (json!({"isCritcal": true}), ".isCritcal: unknown key \"isCritcal\" (did you mean \"isCritical\"?)"),
    ] {
        let lines = refused(with_step(more));
        assert!(lines.len() == 1 && lines[0].starts_with(&format!("{path}{line}")), "{lines:?}");
    }
    assert_eq!(refused(with_step(json!({"name": "second"}))).len(), 1);
}

#[test]
fn branches_and_loops_lead_to_steps_that_are_there() {
    accepted(with_step(json!({"action": "aws:branch",
        "inputs": {"Choices": [{"NextStep": "second", "Variable": "{{ p }}", "StringEquals": "x"}], "Default": "second"}})));
    let branch = json!({"action": "aws:branch", "inputs": {"Choices": [{"NextStep": "x"}, {"NextStep": "second"}], "Default": "y"}});
    let lines = refused(with_step(branch));
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines.iter().any(|line| line == "mainSteps[0].inputs.Choices[0].NextStep: there is no step \"x\"")
    );
    let nested = json!({"action": "aws:loop", "inputs": {"Steps": [{"name": "inner", "action": "aws:sleep", "nextStep": "second"}]}});
    assert_eq!(
        refused(with_step(nested)),
        ["mainSteps[0].inputs.Steps[0].nextStep: there is no step \"second\""]
    );
}

#[test]
fn parameters_have_a_type_and_a_default_that_fits() {
    for (definition, line) in [
        (json!({}), ".type: is missing: use one of String, "),
        (json!({"type": "Sting"}), ".type: \"Sting\" is not a type (did you mean \"String\"?): use one of"),
        (json!({"type": "AWS::"}), ".type: \"AWS::\" is not a type"),
        (json!({"type": "Boolean", "default": "yes"}), ".default: expected true or false, found \"yes\""),
        (
            json!({"type": "String", "maxChars": "x"}),
            ".maxChars: expected a whole number, found the string \"x\"",
        ),
        (
            json!({"type": "String", "allowedValues": "a"}),
            ".allowedValues: expected a list, found the string \"a\"",
        ),
    ] {
        let lines = refused(with_parameter(definition));
        assert!(lines.len() == 1 && lines[0].starts_with(&format!("parameters.p{line}")), "{lines:?}");
    }
}

#[test]
fn another_version_is_that_of_another_type() {
    let lines = refused(json!({"schemaVersion": "2.2", "mainSteps": []}));
    assert_eq!(
        lines,
        [
            "schemaVersion: version \"2.2\" is not supported in this type of document: set documentType: Command, or use one of 0.3"
        ]
    );
    assert_eq!(refused(json!({"schemaVersion": "0.3"})).len(), 1);
}
