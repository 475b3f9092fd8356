//! Behaviour of a checked document.

use super::*;
use crate::parse;

fn document(steps: &str) -> Document {
    let text = format!(
        r#"{{"schemaVersion": "2.2", "description": "d", "mainSteps": [{steps}],
            "parameters": {{"t": {{"type": "String", "default": "60"}}, "u": {{"type": "String"}},
                "secret": {{"type": "String", "interpolationType": "ENV_VAR", "default": "x"}}}}}}"#
    );
    parse(&text).unwrap_or_else(|errors| panic!("{errors}"))
}

fn platforms(step: &str) -> String {
    let names: Vec<&str> = document(step).platforms().into_iter().map(Platform::as_str).collect();
    names.join(" ")
}

const SHELL: &str = r#"{"name": "a", "action": "aws:runShellScript"}"#;

#[test]
fn canonical_json_is_sorted_whole_and_read_back_alike() {
    let document = document(r#"{"name": "a", "x": [1.5, null, "é\n"], "action": "aws:runShellScript"}"#);
    let json = document.canonical_json();
    assert!(json.starts_with(
        r#"{"description":"d","mainSteps":[{"action":"aws:runShellScript","name":"a","x":[1.5,null,"é\n"]}]"#
    ));
    let again = parse(&json).unwrap();
    assert_eq!(again.canonical_json(), json);
    assert_eq!(again.steps, document.steps);
}

#[test]
fn the_hash_is_the_sha_256_of_the_canonical_json() {
    let hash = document(SHELL).hash();
    assert_eq!(hash.len(), 64);
    assert!(hash.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)));
    assert_ne!(hash, document(r#"{"name": "b", "action": "aws:runShellScript"}"#).hash());
    let minimal =
        parse(r#"{"schemaVersion":"2.2","mainSteps":[{"name":"a","action":"aws:runShellScript"}]}"#);
    assert_eq!(minimal.unwrap().hash(), "cb4c8e9f9b65613111cbaa2e3f8bbd32ef56d7bb418557b815f9c0f810989ada");
}

#[test]
fn platforms_follow_from_plugins_and_preconditions() {
    let with = |action: &str, arguments: &str| {
        platforms(&format!(
            r#"{{"name": "a", "action": "{action}", "precondition": {{"StringEquals": [{arguments}]}}}}"#
        ))
    };
    assert_eq!(platforms(SHELL), "Linux MacOS");
    assert_eq!(platforms(r#"{"name": "a", "action": "aws:psModule"}"#), "Windows");
    assert_eq!(platforms(r#"{"name": "a", "action": "aws:runPowerShellScript"}"#), "Linux MacOS Windows");
    assert_eq!(with("aws:runShellScript", r#""platformType", "linux""#), "Linux");
    assert_eq!(with("aws:runPowerShellScript", r#""Windows", "platformType""#), "Windows");
    assert_eq!(with("aws:runShellScript", r#""platformType", "Windows""#), "");
    assert_eq!(with("aws:runShellScript", r#""{{ u }}", "x""#), "Linux MacOS");
    assert_eq!(platforms(r#"{"name": "a", "action": "aws:noSuchPlugin"}"#), "Linux MacOS Windows");
}

#[test]
fn each_step_adds_to_the_platforms() {
    let steps = r#"{"name": "a", "action": "aws:runPowerShellScript",
            "precondition": {"StringEquals": ["platformType", "Windows"]}},
        {"name": "b", "action": "aws:runShellScript", "precondition": {"StringEquals": ["platformType", "Linux"]}}"#;
    assert_eq!(platforms(steps), "Linux Windows");
}

#[test]
fn the_execution_timeout_is_the_sum_of_the_steps() {
    let document = document(
        r#"{"name": "a", "action": "aws:runShellScript", "inputs": {"timeoutSeconds": 10}},
           {"name": "b", "action": "aws:runShellScript"},
           {"name": "c", "action": "aws:runShellScript", "inputs": {"TimeoutSeconds": "{{ t }}"}},
           {"name": "d", "action": "aws:runShellScript", "inputs": {"timeoutSeconds": "{{ u }}"}}"#,
    );
    assert_eq!(document.execution_timeout().as_secs(), 10 + 3600 + 60 + 3600);
    let given = [("t", "100"), ("u", "200")].map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
    let bound = document.bind(&given.into()).unwrap();
    assert_eq!(document.execution_timeout_with(&bound).as_secs(), 10 + 3600 + 100 + 200);
}

#[test]
fn env_var_parameters_reach_scripts_by_name() {
    let document = document(SHELL);
    let bound = document.bind(&[("u".to_owned(), vec![String::new()])].into()).unwrap();
    let environment = document.environment(bound.values());
    assert_eq!(environment, [("SSM_secret".to_owned(), "x".to_owned())].into());
}
