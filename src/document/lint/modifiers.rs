//! What is meant to steer the flow and does not: keys of steps that only Automation reads, and modifiers with other
//! values than the agent's.

use serde_json::Value;

use super::subject::{input, step_inputs};
use super::{Rule, Warnings};
use crate::document::Document;
use crate::errors::{member, quoted};

/// Keys of Automation's steps. The agent does not look at them.
const AUTOMATION_KEYS: [&str; 7] =
    ["timeoutSeconds", "maxAttempts", "onFailure", "onCancel", "nextStep", "isEnd", "isCritical"];

pub(super) fn check(document: &Document, warnings: &mut Warnings) {
    for index in 0..document.steps.len() {
        check_keys(document, index, warnings);
        for (path, inputs) in step_inputs(document, index) {
            check_modifiers(inputs, index + 1 == document.steps.len(), &path, warnings);
        }
    }
}

fn check_keys(document: &Document, index: usize, warnings: &mut Warnings) {
    let source = document.source.as_object();
    let steps =
        source.and_then(|object| object.iter().find(|(key, _)| key.eq_ignore_ascii_case("mainSteps")));
    let Some(step) = steps.and_then(|(_, steps)| steps.get(index)?.as_object()) else { return };
    let path = document.step_path(index);
    for (key, value) in step {
        let Some(known) = AUTOMATION_KEYS.iter().find(|known| known.eq_ignore_ascii_case(key)) else {
            continue;
        };
        let mend = match (*known, value) {
            (_, Value::Null) => continue,
            ("timeoutSeconds", _) => "write it inside inputs",
            ("onFailure", _) => "write onFailure: exit or successAndExit inside inputs",
            ("maxAttempts", _) => "a step runs once, so let the script try again itself",
            _ => "it belongs to Automation runbooks, so take it away",
        };
        warnings.add(
            Rule::DeadStepKey,
            member(&path, key),
            format!("{known} has no effect on a step of a Command document: {mend}"),
        );
    }
}

fn check_modifiers(inputs: &Value, is_last: bool, path: &str, warnings: &mut Warnings) {
    for (key, allowed) in [
        ("onFailure", &["exit", "successAndExit"][..]),
        ("onSuccess", &["exit"]),
        ("finallyStep", &["true", "false"]),
    ] {
        let Some((spelled, value)) = input(inputs, key) else { continue };
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(value) => value.to_string(),
            _ => String::new(),
        };
        if text.contains("{{") || value.is_null() {
            continue;
        }
        let why = if spelled != key {
            format!("the key is {key}, in just this spelling")
        } else if !allowed.contains(&text.as_str()) {
            format!("use {}", allowed.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(" or "))
        } else if key == "finallyStep" && text == "true" && !is_last {
            "only the last step of a document can run in spite of an exit".to_owned()
        } else {
            continue;
        };
        warnings.add(Rule::DeadModifier, member(path, spelled), format!("this {key} has no effect: {why}"));
    }
}
