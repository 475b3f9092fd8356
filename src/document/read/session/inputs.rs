//! The `inputs` and `properties` of a session: as far as their form is known before parameters are put in.

use serde_json::{Map, Value};

use crate::errors::{Problems, described, element, member};
use crate::fields::Fields;
use crate::session::SessionType;

const KEYS: [&str; 12] = [
    "s3BucketName",
    "s3KeyPrefix",
    "s3EncryptionEnabled",
    "cloudWatchLogGroupName",
    "cloudWatchEncryptionEnabled",
    "cloudWatchStreamingEnabled",
    "kmsKeyId",
    "runAsEnabled",
    "runAsDefaultUser",
    "idleSessionTimeout",
    "maxSessionDuration",
    "shellProfile",
];
const TEXTS: [&str; 5] =
    ["s3BucketName", "s3KeyPrefix", "cloudWatchLogGroupName", "kmsKeyId", "runAsDefaultUser"];
/// Switches that may also be written in quotes.
const SWITCHES: [&str; 3] = ["s3EncryptionEnabled", "cloudWatchEncryptionEnabled", "runAsEnabled"];
/// A switch that the agent does not read from quotes.
const STREAMING: &str = "cloudWatchStreamingEnabled";
/// Minutes, and the most that AWS takes.
const MINUTES: [(&str, u64); 2] = [("idleSessionTimeout", 60), ("maxSessionDuration", 1440)];
const PLATFORMS: [&str; 3] = ["linux", "windows", "macos"];

/// Checks where a session is recorded, as whom it runs and how long it may take.
pub(super) fn check(inputs: &Map<String, Value>, path: &str, problems: &mut Problems) {
    let fields = Fields::read(inputs, path, &KEYS, problems);
    for key in TEXTS {
        fields.text(key, problems);
    }
    for key in SWITCHES {
        let fits = |value: &Value| {
            value.is_boolean() || value.as_str().is_some_and(|text| ["", "true", "false"].contains(&text))
        };
        check_value(&fields, key, "true or false", fits, problems);
    }
    check_value(&fields, STREAMING, "true or false without quotes", Value::is_boolean, problems);
    for (key, most) in MINUTES {
        let fits = |value: &Value| match value {
            Value::String(text) if text.is_empty() => true,
            Value::String(text) => text.parse().is_ok_and(|minutes: u64| (1..=most).contains(&minutes)),
            other => other.as_u64().is_some_and(|minutes| (1..=most).contains(&minutes)),
        };
        check_value(&fields, key, &format!("minutes from 1 to {most}"), fits, problems);
    }
    let path = fields.path_of("shellProfile");
    match fields.get("shellProfile") {
        None => {}
        Some(Value::Object(profile)) => {
            let profile = Fields::read(profile, &path, &["linux", "windows"], problems);
            profile.text("linux", problems);
            profile.text("windows", problems);
        }
        Some(other) => {
            problems
                .add(path, format!("expected an object with linux and windows, found {}", described(other)));
        }
    }
}

/// Checks what a session does: its commands on each platform, or its port.
pub(super) fn check_properties(
    session_type: SessionType,
    properties: &Map<String, Value>,
    path: &str,
    problems: &mut Problems,
) {
    match session_type {
        SessionType::StandardStream => {}
        SessionType::InteractiveCommands | SessionType::NonInteractiveCommands => {
            check_commands(properties, path, problems);
        }
        SessionType::Port => {
            let known = ["portNumber", "host", "type", "localPortNumber", "localConnectionType"];
            let fields = Fields::read(properties, path, &known, problems);
            for key in known {
                let fits = |value: &Value| value.is_string() || value.is_u64();
                check_value(&fields, key, "a string", fits, problems);
            }
        }
    }
}

fn check_commands(properties: &Map<String, Value>, path: &str, problems: &mut Problems) {
    let platforms = Fields::read(properties, path, &PLATFORMS, problems);
    if PLATFORMS.iter().all(|platform| platforms.get(platform).is_none()) {
        problems.add(path, format!("has no commands: give them for one of {}", PLATFORMS.join(", ")));
    }
    for platform in PLATFORMS {
        let path = member(path, platform);
        let object = match platforms.get(platform) {
            None => continue,
            Some(Value::Object(object)) => object,
            Some(other) => {
                problems.add(path, format!("expected an object with commands, found {}", described(other)));
                continue;
            }
        };
        let fields = Fields::read(object, &path, &["commands", "runAsElevated"], problems);
        check_value(&fields, "runAsElevated", "true or false", Value::is_boolean, problems);
        let path = fields.path_of("commands");
        match fields.get("commands") {
            None => problems.add(path, "is missing: give the commands as a string or a list of strings"),
            Some(Value::String(_)) => {}
            Some(Value::Array(lines)) => {
                for (index, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_string()) {
                    problems
                        .add(element(&path, index), format!("expected a string, found {}", described(line)));
                }
            }
            Some(other) => problems
                .add(path, format!("expected a string or a list of strings, found {}", described(other))),
        }
    }
}

/// Checks a value that may also refer to a parameter.
fn check_value(
    fields: &Fields<'_>,
    key: &str,
    expected: &str,
    fits: impl Fn(&Value) -> bool,
    problems: &mut Problems,
) {
    let refers = |value: &Value| value.as_str().is_some_and(|text| text.contains("{{"));
    if let Some(value) = fields.get(key).filter(|value| !fits(value) && !refers(value)) {
        problems.add(fields.path_of(key), format!("expected {expected}, found {}", described(value)));
    }
}
