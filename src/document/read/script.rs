//! The inputs of script plugins as far as they can be judged before interpolation: what cannot but fail on the node is
//! refused while its author is there to mend it.

use serde_json::{Map, Value};

use crate::errors::{Problems, described, element, member, quoted};
use crate::suggest;

use super::names;

const KEYS: [&str; 8] = [
    "runCommand",
    "timeoutSeconds",
    "workingDirectory",
    "environment",
    "id",
    "onFailure",
    "onSuccess",
    "finallyStep",
];

pub(super) fn check(inputs: &Map<String, Value>, path: &str, problems: &mut Problems) {
    for (key, value) in inputs {
        let path = member(path, key);
        match KEYS.iter().copied().find(|name| name.eq_ignore_ascii_case(key)) {
            Some("runCommand") => check_run_command(value, &path, problems),
            Some("environment") => check_environment(value, &path, problems),
            Some("workingDirectory") => check_text(value, || path, problems),
            Some("id") => check_id(value, &path, problems),
            Some(_) => {}
            None => {
                if let Some(name) = suggest::nearest(key, KEYS) {
                    problems.add(path, format!("unknown input {} (did you mean {name:?}?)", quoted(key)));
                }
            }
        }
    }
}

/// A script's id is the name of a folder within its step's.
fn check_id(value: &Value, path: &str, problems: &mut Problems) {
    check_text(value, || path.to_owned(), problems);
    if let Value::String(id) = value
        && !id.contains("{{")
    {
        names::check(id, path, problems);
    }
}

fn check_run_command(value: &Value, path: &str, problems: &mut Problems) {
    match value {
        Value::Null => {}
        Value::Array(lines) => {
            for (index, line) in lines.iter().enumerate() {
                check_text(line, || element(path, index), problems);
            }
        }
        Value::String(text) if text.contains("{{") => {}
        other => problems.add(
            path,
            format!(
                "expected a list of strings, one a line of the script, or a reference to a StringList, found {}",
                described(other)
            ),
        ),
    }
}

fn check_environment(value: &Value, path: &str, problems: &mut Problems) {
    match value {
        Value::Null => {}
        Value::Object(variables) => {
            for (name, value) in variables {
                check_text(value, || member(path, name), problems);
            }
        }
        Value::String(text) if text.contains("{{") => {}
        other => problems.add(path, format!("expected an object of strings, found {}", described(other))),
    }
}

/// Scripts have a great many lines, so the path of one is made only when it is needed.
fn check_text(value: &Value, path: impl FnOnce() -> String, problems: &mut Problems) {
    let mend = match value {
        Value::Null | Value::String(_) => return,
        _ if problems.is_told_enough() => return,
        Value::Number(_) | Value::Bool(_) => format!(": write it in quotes, \"{value}\""),
        _ => String::new(),
    };
    problems.add(path(), format!("expected a string, found {}{mend}", described(value)));
}
