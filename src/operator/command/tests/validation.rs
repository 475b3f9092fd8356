//! Specs that cannot run, and what is said about them.

use serde_json::json;

use super::fleet::spec;
use crate::command::validate::{Refusal, validate};

pub const DOCUMENT: &str = r"
schemaVersion: '2.2'
parameters:
  port: {type: String, allowedPattern: '^[0-9]+$'}
  greeting: {type: String, default: hello}
mainSteps:
- name: one
  action: aws:runShellScript
  inputs: {timeoutSeconds: '30', runCommand: ['echo {{ greeting }}']}
- name: two
  action: aws:runShellScript
  inputs: {timeoutSeconds: '12', runCommand: ['echo']}
";

const PORT: &str = r#"{"port": ["8080"]}"#;

fn check(fields: serde_json::Value) -> Result<u64, Refusal> {
    let document = keelson_document::parse(DOCUMENT).unwrap();
    let validated = validate(&spec(fields), &document)?;
    Ok(document.execution_timeout_with(&validated.bound).as_secs())
}

fn parameters(text: &str) -> serde_json::Value {
    json!({ "parameters": serde_json::from_str::<serde_json::Value>(text).unwrap() })
}

#[test]
fn a_valid_spec_runs_as_long_as_its_steps_together_may() {
    assert_eq!(check(parameters(PORT)), Ok(42));
}

#[test]
fn wrong_parameters_are_told_with_their_path() {
    for (given, path) in [
        ("{}", "spec.parameters"),
        (r#"{"port": ["eighty"]}"#, "spec.parameters.port"),
        (r#"{"port": ["1"], "prot": ["2"]}"#, "spec.parameters.prot"),
    ] {
        let refusal = check(parameters(given)).unwrap_err();
        assert_eq!(refusal.reason, "InvalidParameters");
        assert!(refusal.message.starts_with(path), "{}", refusal.message);
    }
}

#[test]
fn a_reference_to_awss_parameter_store_is_refused_with_the_place_where_it_would_go() {
    let refusal =
        check(json!({ "parameters": { "port": ["1"], "greeting": ["{{ssm:greeting}}"] } })).unwrap_err();
    assert_eq!(refusal.reason, "ParameterStoreReference");
    assert!(refusal.message.starts_with("mainSteps[0].inputs.runCommand[0]: "), "{}", refusal.message);
}

#[test]
fn wrong_targets_and_limits_are_told_with_their_path() {
    let with = |mut fields: serde_json::Value| {
        fields["parameters"] = serde_json::from_str(PORT).unwrap();
        check(fields).unwrap_err()
    };
    let refusal = with(json!({ "targets": [{ "key": "Role", "values": ["web"] }] }));
    assert_eq!(refusal.reason, "InvalidTargets");
    assert!(refusal.message.starts_with("spec.targets[0].key: "), "{}", refusal.message);
    let refusal = with(json!({ "maxConcurrency": "0" }));
    assert_eq!(refusal.reason, "InvalidMaxConcurrency");
    assert!(refusal.message.starts_with("spec.maxConcurrency \"0\""), "{}", refusal.message);
    assert_eq!(with(json!({ "maxErrors": "ten" })).reason, "InvalidMaxErrors");
    let selector = json!({ "matchExpressions": [{ "key": "zone", "operator": "Is" }] });
    let refusal = with(json!({ "labelSelector": selector }));
    assert!(
        refusal.message.starts_with("spec.labelSelector.matchExpressions[0].operator"),
        "{}",
        refusal.message
    );
}
