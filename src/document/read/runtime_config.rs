//! The `runtimeConfig` section of schema 1.x: plugins by name, each with its properties.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::document::Step;
use crate::errors::{Problems, described, element, member, quoted};
use crate::fields::Fields;
use crate::plugins;

use super::{names, script, steps};

const KEY: &str = "runtimeConfig";
const KEYS: [&str; 3] = ["settings", "properties", "description"];

/// One step for each plugin, in the order of their names: the agent's own order is by chance.
pub(super) fn read(document: &Fields<'_>, problems: &mut Problems) -> Vec<Step> {
    let path = document.path_of(KEY);
    let plugins = match document.get(KEY) {
        Some(Value::Object(plugins)) => plugins.iter().collect::<BTreeMap<_, _>>(),
        None => {
            let mend = match document.get("mainSteps") {
                Some(_) => ": mainSteps belong to the schema versions 2.0 to 2.2",
                None => ": write an object of plugins, each with its properties",
            };
            problems.add(path, format!("is missing{mend}"));
            return Vec::new();
        }
        Some(other) => {
            problems.add(path, format!("expected an object of plugins, found {}", described(other)));
            return Vec::new();
        }
    };
    if plugins.is_empty() {
        problems.add(&path, "is empty: a document needs at least one plugin");
    }
    plugins
        .into_iter()
        .filter_map(|(name, value)| step(name, value, &member(&path, name), problems))
        .collect()
}

fn step(name: &str, value: &Value, path: &str, problems: &mut Problems) -> Option<Step> {
    if name.is_empty() {
        problems.add(path, "a plugin without a name: give a plugin such as aws:runShellScript");
    } else if let Some(nearest) = steps::nearest_plugin(name) {
        problems.add(path, format!("unknown plugin {} (did you mean {nearest:?}?)", quoted(name)));
    } else {
        names::check(name, path, problems);
    }
    let Value::Object(object) = value else {
        problems.add(path, format!("expected an object with properties, found {}", described(value)));
        return None;
    };
    let fields = Fields::read(object, path, &KEYS, problems);
    fields.text("description", problems);
    let inputs = fields.get("properties").cloned().unwrap_or_default();
    if plugins::is_script(name) {
        check_properties(&inputs, &fields.path_of("properties"), problems);
    }
    Some(Step {
        name: name.to_owned(),
        action: name.to_owned(),
        inputs,
        settings: fields.get("settings").cloned().unwrap_or_default(),
        precondition: BTreeMap::new(),
    })
}

/// The properties of a script: once, or in a list. A text can only be a reference to them.
fn check_properties(properties: &Value, path: &str, problems: &mut Problems) {
    let check_one = |value: &Value, path: &str, expected: &str, problems: &mut Problems| match value {
        Value::Null => {}
        Value::Object(inputs) => script::check(inputs, path, problems),
        Value::String(text) if text.contains("{{") => {}
        _ if problems.is_told_enough() => {}
        other => problems.add(path, format!("expected {expected}, found {}", described(other))),
    };
    match properties {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check_one(item, &element(path, index), "an object", problems);
            }
        }
        other => check_one(other, path, "an object or a list of objects", problems),
    }
}

/// Checks that a section that this schema version does not use has the type that the agent wants nevertheless.
pub(super) fn check_unused(document: &Fields<'_>, problems: &mut Problems) {
    if let Some(other) = document.get(KEY).filter(|value| !value.is_object()) {
        problems.add(
            document.path_of(KEY),
            format!("expected an object, found {}: it has no effect here, so leave it out", described(other)),
        );
    }
}
