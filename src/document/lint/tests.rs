//! Which documents are warned of, rule by rule.

#![allow(clippy::needless_pass_by_value, reason = "literals read better without a reference")]

use serde_json::{Value, json};

use super::*;
use crate::{DocumentType, from_value_as, parse_as};

fn command(document: Value) -> Vec<Warning> {
    warnings(&from_value_as(DocumentType::Command, document).unwrap())
}

fn lint(document: Value) -> Vec<(String, String)> {
    coded(command(document))
}

fn coded(found: Vec<Warning>) -> Vec<(String, String)> {
    found.into_iter().map(|warning| (warning.code.to_string(), warning.path)).collect()
}

/// A document of schema 2.2 with these parameters and steps.
fn document(parameters: Value, steps: Value) -> Value {
    json!({"schemaVersion": "2.2", "parameters": parameters, "mainSteps": steps})
}

/// A step that runs these lines with the shell.
fn shell(lines: Value) -> Value {
    json!({"name": "a", "action": "aws:runShellScript", "inputs": {"runCommand": lines}})
}

fn one(code: &str, path: &str) -> Vec<(String, String)> {
    vec![(code.to_owned(), path.to_owned())]
}

#[test]
fn every_rule_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<&str> = Rule::ALL.into_iter().map(Rule::as_str).collect();
    assert_eq!(names.len(), Rule::ALL.len());
}

#[test]
fn a_well_made_document_is_not_warned_of() {
    let parameters = json!({
        "port": {"type": "String", "default": "8080", "allowedPattern": "^[1-9][0-9]{1,4}$"},
        "text": {"type": "String", "interpolationType": "ENV_VAR"},
        "wait": {"type": "String", "default": "60"}});
    let steps = json!([
        {"name": "a", "action": "aws:runShellScript", "precondition": {"StringEquals": ["platformType", "Linux"]},
         "inputs": {"timeoutSeconds": "{{ wait }}", "onFailure": "exit",
                    "runCommand": ["set -eu", "serve --port {{ port }} \"$SSM_text\""]}},
        {"name": "w", "action": "aws:runPowerShellScript", "precondition": {"StringEquals": ["platformType", "Windows"]},
         "inputs": {"runCommand": ["Write-Output $env:SSM_text"]}},
        {"name": "b", "action": "aws:runShellScript", "inputs": {"runCommand": ["rm -f /run/lock/{{ port }}"],
         "finallyStep": true}}]);
    assert_eq!(lint(document(parameters, steps)), []);
}

#[test]
fn a_parameter_that_can_break_out_of_a_script_is_warned_of_once_a_script() {
    let parameters = json!({"name": {"type": "String"}});
    let steps = json!([shell(json!(["true", "echo '{{ name }}'", "echo \"{{name}}\""]))]);
    let found = command(document(parameters, steps));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].code, found[0].path.as_str()),
        (Rule::UnquotedParameter, "mainSteps[0].inputs.runCommand[1]")
    );
    for part in
        ["echo '{{ name }}'", "one more place", "interpolationType: ENV_VAR", "\"$SSM_name\"", "quotes"]
    {
        assert!(found[0].message.contains(part), "{part}: {}", found[0].message);
    }
}

#[test]
fn a_parameter_of_the_environment_is_warned_of_where_it_is_put_into_text_too() {
    let parameters = json!({"name": {"type": "String", "interpolationType": "ENV_VAR"}});
    let steps = json!([shell(json!(["echo {{ name }}"]))]);
    let found = command(document(parameters, steps));
    assert!(found[0].message.contains("in the environment too, so write \"$SSM_name\""), "{found:?}");
}

#[test]
fn a_command_that_is_a_parameter_runs_it_on_purpose() {
    let parameters = json!({"command": {"type": "String"}, "commands": {"type": "StringList"}});
    let steps = json!([shell(json!(["set -e", "{{ command }}"])),
        {"name": "b", "action": "aws:runPowerShellScript", "precondition": {"StringEquals": ["platformType", "Windows"]},
         "inputs": {"runCommand": "{{ commands }}"}}]);
    let found = lint(document(parameters.clone(), steps));
    assert!(!found.iter().any(|(code, _)| code == "unquoted-parameter"), "{found:?}");
    let in_here_document =
        json!([shell(json!(["cat > /etc/motd <<EOF\n{{ command }}\nEOF", "{{ commands }}"]))]);
    let found = lint(document(parameters, in_here_document));
    assert!(found.iter().any(|(code, _)| code == "unquoted-parameter"), "{found:?}");
}

#[test]
fn a_document_that_goes_on_after_a_failed_step_is_warned_of_once() {
    let step =
        |name: &str, action: &str, inputs: Value| json!({"name": name, "action": action, "inputs": inputs});
    let first = step("a", "aws:runShellScript", json!({}));
    let rule = || one("no-fail-fast", "mainSteps[0].inputs");
    let also = step("b", "aws:runDocument", json!({}));
    let third = step("c", "aws:runDocument", json!({}));
    assert_eq!(lint(document(json!({}), json!([first, also, third]))), rule());
    for left_alone in [
        json!([first]),
        json!([first, step("b", "aws:psModule", json!({}))]),
        json!([step("a", "aws:runShellScript", json!({"onFailure": "exit"})), also]),
        json!([step("a", "aws:runShellScript", json!({"onFailure": "successAndExit"})), also]),
        json!([first, step("b", "aws:runShellScript", json!({"finallyStep": true}))]),
    ] {
        assert_eq!(lint(document(json!({}), left_alone.clone())), [], "{left_alone}");
    }
}

#[test]
fn a_secret_is_named_by_its_parameter_and_never_shown() {
    let parameters = |default: Value| json!({"dbPassword": {"type": "String", "default": default}});
    let steps = json!([{"name": "a", "action": "aws:runDocument", "inputs": {"documentParameters": "{{ dbPassword }}"}}]);
    let found = command(document(parameters(json!("hunter2")), steps.clone()));
    assert_eq!(
        (found[0].code, found[0].path.as_str()),
        (Rule::SecretInDefault, "parameters.dbPassword.default")
    );
    assert!(!found[0].message.contains("hunter2"));
    for harmless in [json!(""), json!("{{ssm:db-password}}"), Value::Null] {
        assert_eq!(lint(document(parameters(harmless.clone()), steps.clone())), [], "{harmless}");
    }
}

#[test]
fn a_step_without_a_platform_is_warned_of() {
    let step = |action: &str, platform: &str| {
        document(
            json!({}),
            json!([{"name": "a", "action": action, "precondition": {"StringEquals": ["platformType", platform]}}]),
        )
    };
    assert_eq!(lint(step("aws:psModule", "Linux")), one("step-never-runs", "mainSteps[0].precondition"));
    assert_eq!(
        lint(step("aws:runShellScript", "Ubuntu")),
        one("step-never-runs", "mainSteps[0].precondition")
    );
    assert_eq!(lint(step("aws:runShellScript", "linux")), []);
    let nowhere = document(json!({}), json!([{"name": "a", "action": "aws:configureDaemon"}]));
    assert_eq!(lint(nowhere), one("step-never-runs", "mainSteps[0].action"));
    let unknown = document(json!({}), json!([{"name": "a", "action": "aws:brewCoffee"}]));
    assert_eq!(lint(unknown), one("unknown-plugin", "mainSteps[0].action"));
}

#[test]
fn a_precondition_before_schema_2_2_fails_the_step() {
    let old = json!({"schemaVersion": "2.0", "mainSteps": [{"name": "a", "action": "aws:runShellScript",
        "precondition": {"StringEquals": ["platformType", "Linux"]}}]});
    let codes: Vec<String> = lint(old).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["step-never-runs", "deprecated-schema"]);
}

#[test]
fn parameters_without_references_and_references_without_parameters_are_found() {
    let parameters = json!({"port": {"type": "Integer"}, "spare": {"type": "String"},
        "fromEnvironment": {"type": "String", "interpolationType": "ENV_VAR"}});
    let steps =
        json!([shell(json!(["serve {{ prot }} $SSM_fromEnvironment '{{.Names}}' {{ssm:x}} {{ port }}"]))]);
    let found = command(document(parameters, steps));
    let shown: Vec<_> = found.iter().map(|warning| (warning.code, warning.path.as_str())).collect();
    assert_eq!(
        shown,
        [
            (Rule::UnusedParameter, "parameters.spare"),
            (Rule::UndeclaredParameter, "mainSteps[0].inputs.runCommand[0]")
        ]
    );
    assert!(found[1].message.contains("did you mean \"port\"?"), "{}", found[1].message);
}

#[test]
fn keys_of_automation_have_no_effect_on_a_step() {
    let steps = json!([{"name": "a", "action": "aws:runShellScript", "timeoutSeconds": 60, "isEnd": true,
        "onFailure": "Abort", "inputs": {}}]);
    assert_eq!(
        lint(document(json!({}), steps)),
        [
            ("dead-step-key".to_owned(), "mainSteps[0].isEnd".to_owned()),
            ("dead-step-key".to_owned(), "mainSteps[0].onFailure".to_owned()),
            ("dead-step-key".to_owned(), "mainSteps[0].timeoutSeconds".to_owned()),
        ]
    );
}

#[test]
fn modifiers_that_the_agent_does_not_take_are_found() {
    let with = |inputs: Value| {
        document(json!({}), json!([{"name": "a", "action": "aws:runShellScript", "inputs": inputs}]))
    };
    let rule = |key: &str| one("dead-modifier", &format!("mainSteps[0].inputs.{key}"));
    assert_eq!(lint(with(json!({"onFailure": "Exit"}))), rule("onFailure"));
    assert_eq!(lint(with(json!({"onSuccess": "successAndExit"}))), rule("onSuccess"));
    assert_eq!(lint(with(json!({"onfailure": "exit"}))), rule("onfailure"));
    assert_eq!(lint(with(json!({"onFailure": "exit", "onSuccess": "exit", "finallyStep": "true"}))), []);
    let early = json!([{"name": "a", "action": "aws:runShellScript", "inputs": {"finallyStep": true}},
        {"name": "b", "action": "aws:psModule"}]);
    assert_eq!(lint(document(json!({}), early)), rule("finallyStep"));
}

#[test]
fn timeouts_that_are_not_taken_are_found() {
    let with = |timeout: Value| {
        let inputs = json!({"timeoutSeconds": timeout});
        lint(document(
            json!({"t": {"type": "String"}}),
            json!([{"name": "a", "action": "aws:runShellScript", "inputs": inputs,
                    "precondition": {"StringEquals": ["{{ t }}", "x"]}}]),
        ))
    };
    for ignored in [json!("5m"), json!(4), json!("172801"), json!(true), json!(" 60 ")] {
        assert_eq!(
            with(ignored.clone()),
            one("timeout-ignored", "mainSteps[0].inputs.timeoutSeconds"),
            "{ignored}"
        );
    }
    for taken in [json!("60"), json!(60.5), json!(3600), json!("3600"), json!("{{ t }}"), Value::Null] {
        assert_eq!(with(taken.clone()), [], "{taken}");
    }
}

#[test]
fn schema_1_2_is_looked_at_property_by_property() {
    let old = json!({"schemaVersion": "1.2", "parameters": {"name": {"type": "String"}}, "runtimeConfig": {
        "aws:runShellScript": {"properties": [{"id": "0", "runCommand": ["one", "two {{ name }}"], "timeoutSeconds": "1h"}]}}});
    let place = "runtimeConfig.aws:runShellScript.properties[0]";
    assert_eq!(
        lint(old),
        [
            ("unquoted-parameter".to_owned(), format!("{place}.runCommand[1]")),
            ("no-set-e".to_owned(), format!("{place}.runCommand[0]")),
            ("timeout-ignored".to_owned(), format!("{place}.timeoutSeconds")),
            ("deprecated-schema".to_owned(), "schemaVersion".to_owned()),
        ]
    );
}

#[test]
fn commands_of_sessions_are_scripts_too() {
    let session = r#"
schemaVersion: "1.0"
sessionType: InteractiveCommands
parameters:
  file: {type: String, default: /var/log/messages}
  spare: {type: String}
properties:
  linux: {commands: "tail -f {{ file }}", runAsElevated: true}
"#;
    let found = warnings(&parse_as(DocumentType::Session, session).unwrap());
    assert!(
        found[0].message.contains("allowedPattern") && !found[0].message.contains("ENV_VAR"),
        "{found:?}"
    );
    assert_eq!(
        coded(found),
        [
            ("unquoted-parameter".to_owned(), "properties.linux.commands".to_owned()),
            ("unused-parameter".to_owned(), "parameters.spare".to_owned())
        ]
    );
}

#[test]
fn runbooks_are_asked_for_their_parameters_only() {
    let runbook = r#"
schemaVersion: "0.3"
assumeRole: "{{ Role }}"
parameters:
  Role: {type: String, default: ""}
  Spare: {type: String, default: ""}
  ApiToken: {type: String, default: t0ken}
mainSteps:
  - name: a
    action: aws:sleep
    onFailure: Abort
    inputs: {Duration: "{{ Unknown }} {{ a.Out }} {{ ApiToken }}"}
"#;
    assert_eq!(
        coded(warnings(&parse_as(DocumentType::Automation, runbook).unwrap())),
        [
            ("secret-in-default".to_owned(), "parameters.ApiToken.default".to_owned()),
            ("unused-parameter".to_owned(), "parameters.Spare".to_owned())
        ]
    );
}

#[test]
fn an_action_that_is_not_known_is_warned_of() {
    let runbook =
        json!({"schemaVersion": "0.3", "mainSteps": [{"name": "a", "action": "aws:startSomethingNew"}]});
    let content = from_value_as(DocumentType::Automation, runbook).unwrap();
    assert_eq!(coded(warnings(&content)), one("unknown-plugin", "mainSteps[0].action"));
}
