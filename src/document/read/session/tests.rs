//! Behaviour of checking Session documents.

#![allow(clippy::needless_pass_by_value, reason = "literals read better without a reference")]

use serde_json::json;

use super::*;

fn refused(document: Value) -> Vec<String> {
    let errors = session(document).unwrap_err();
    errors.to_string().lines().map(str::to_owned).collect()
}

fn accepted(document: Value) -> Session {
    session(document).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn a_shell_says_where_it_is_recorded() {
    let shell =
        |inputs: Value| json!({"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": inputs});
    let session = accepted(shell(json!({
        "s3BucketName": "", "s3EncryptionEnabled": "true", "runAsEnabled": true, "idleSessionTimeout": "20",
        "maxSessionDuration": "", "cloudWatchStreamingEnabled": "{{ p }}", "shellProfile": {"linux": "pwd"}})));
    assert_eq!(session.session_type, SessionType::StandardStream);
    for (inputs, line) in [
        (json!({"s3BucketName": 5}), ".s3BucketName: expected a string, found the number 5"),
        (json!({"s3Bucketname": "", "s3bucketname": ""}), ".s3bucketname: is given twice"),
        (json!({"runAsEnabled": "yes"}), ".runAsEnabled: expected true or false, found the string \"yes\""),
        (
            json!({"cloudWatchStreamingEnabled": "true"}),
            ".cloudWatchStreamingEnabled: expected true or false without quotes",
        ),
        (
            json!({"idleSessionTimeout": "61"}),
            ".idleSessionTimeout: expected minutes from 1 to 60, found the string \"61\"",
        ),
        (json!({"shellProfile": "pwd"}), ".shellProfile: expected an object with linux and windows"),
        (
            json!({"kmsKeyID": "", "s3KeyPrefx": ""}),
            ".s3KeyPrefx: unknown key \"s3KeyPrefx\" (did you mean \"s3KeyPrefix\"?)",
        ),
        (json!([]), ": expected an object, found a list"),
    ] {
        let lines = refused(shell(inputs));
        assert!(lines.len() == 1 && lines[0].starts_with(&format!("inputs{line}")), "{lines:?}");
    }
}

#[test]
fn commands_are_given_for_a_platform() {
    let commands = |properties: Value| json!({"schemaVersion": "1.0", "sessionType": "InteractiveCommands", "properties": properties});
    accepted(commands(
        json!({"linux": {"commands": "ls", "runAsElevated": true}, "windows": {"commands": ["dir"]}}),
    ));
    for (properties, line) in [
        (json!({}), ": has no commands: give them for one of linux, windows, macos"),
        (
            json!({"linx": {"commands": "ls"}, "windows": {"commands": "dir"}}),
            ".linx: unknown key \"linx\" (did you mean \"linux\"?)",
        ),
        (json!({"linux": {}}), ".linux.commands: is missing"),
        (json!({"linux": {"commands": [5]}}), ".linux.commands[0]: expected a string, found the number 5"),
        (
            json!({"linux": {"commands": "ls", "runAsElevated": "yes"}}),
            ".linux.runAsElevated: expected true or false",
        ),
        (json!({"linux": "ls"}), ".linux: expected an object with commands, found the string \"ls\""),
    ] {
        let lines = refused(commands(properties));
        assert!(lines.len() == 1 && lines[0].starts_with(&format!("properties{line}")), "{lines:?}");
    }
}

#[test]
fn a_port_may_be_a_parameter() {
    let port = |number: Value| json!({"schemaVersion": "1.0", "sessionType": "Port", "properties": {"portNumber": number}});
    accepted(port(json!("{{ portNumber }}")));
    assert_eq!(refused(port(json!(["80"]))), ["properties.portNumber: expected a string, found a list"]);
}

#[test]
fn a_session_has_its_own_version_and_type() {
    assert_eq!(
        refused(json!({"schemaVersion": "1.0", "sessionType": "Standard_stream"})),
        [
            "sessionType: \"Standard_stream\" is not a type of session (did you mean \"Standard_Stream\"?): use one of Standard_Stream, InteractiveCommands, NonInteractiveCommands, Port"
        ]
    );
    assert_eq!(
        refused(json!({"schemaVersion": "2.2"})),
        [
            "schemaVersion: version \"2.2\" is not supported in this type of document: set documentType: Command, or use one of 1.0"
        ]
    );
}
