//! The steps of a runbook: their keys, and that each step they lead to is there.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::automation::{ACTIONS, AutomationStep, BRANCH, LOOP};
use crate::errors::{Problems, described, element, member, quoted};
use crate::fields::Fields;
use crate::interpolate::reference;
use crate::{plugins, suggest};

use super::super::steps::{list, required, values};

const KEYS: [&str; 12] = [
    "name",
    "action",
    "description",
    "inputs",
    "outputs",
    "onFailure",
    "onCancel",
    "nextStep",
    "isEnd",
    "isCritical",
    "timeoutSeconds",
    "maxAttempts",
];
/// How many names a wrong one is compared with, to tell which was meant.
const MOST_COMPARED: usize = 200;

/// Reads the list of steps at `key`, which lead to each other only.
pub(super) fn read(owner: &Fields<'_>, key: &str, problems: &mut Problems) -> Vec<AutomationStep> {
    let values = values(owner, key, problems);
    let names: BTreeSet<&str> =
        values.iter().filter_map(|value| Fields::peek(value.as_object()?, "name")?.as_str()).collect();
    let one = |object: &Map<String, Value>, path: &str, problems: &mut Problems| {
        let step = step(object, path, &names, problems)?;
        Some((step.name.clone(), step))
    };
    list(values, &owner.path_of(key), one, problems)
}

fn step(
    object: &Map<String, Value>,
    path: &str,
    names: &BTreeSet<&str>,
    problems: &mut Problems,
) -> Option<AutomationStep> {
    let fields = Fields::read(object, path, &KEYS, problems);
    let name = name(&fields, problems);
    let action = action(&fields, problems);
    fields.text("description", problems);
    let targets = Targets { fields: &fields, names };
    targets.check("onFailure", &["Abort", "Continue"], problems);
    targets.check("onCancel", &["Abort"], problems);
    if let Some(next) = fields.text("nextStep", problems) {
        targets.check_name(next, fields.path_of("nextStep"), problems);
    }
    for key in ["isEnd", "isCritical"] {
        check_or_reference(&fields, key, "true or false", Value::is_boolean, problems);
    }
    for key in ["timeoutSeconds", "maxAttempts"] {
        check_or_reference(&fields, key, "a whole number", |value| value.as_u64().is_some(), problems);
    }
    check_outputs(&fields, problems);
    let inputs = inputs(&fields, problems);
    match (action, &inputs) {
        (Some(BRANCH), Value::Object(inputs)) => {
            check_branch(inputs, &fields.path_of("inputs"), names, problems);
        }
        (Some(LOOP), Value::Object(inputs)) => {
            read(&Fields::read(inputs, &fields.path_of("inputs"), &["Steps"], problems), "Steps", problems);
        }
        _ => {}
    }
    Some(AutomationStep { name: name?.to_owned(), action: action?.to_owned(), inputs })
}

fn name<'a>(fields: &Fields<'a>, problems: &mut Problems) -> Option<&'a str> {
    const KEY: &str = "name";
    let name = required(fields, KEY, "a name that is unique in the document", problems)?;
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        problems.add(
            fields.path_of(KEY),
            format!("{} is not allowed: use letters, digits and '_' only", quoted(name)),
        );
    }
    Some(name)
}

fn action<'a>(fields: &Fields<'a>, problems: &mut Problems) -> Option<&'a str> {
    const KEY: &str = "action";
    let action = required(fields, KEY, "an action such as aws:executeAwsApi", problems)?;
    if !ACTIONS.contains(&action) && !problems.is_told_enough() {
        let nearest = suggest::nearest(action, ACTIONS)
            .or_else(|| suggest::nearest(&format!("aws:{}", action.trim()), ACTIONS));
        let mend = match nearest {
            Some(name) => format!(" (did you mean {name:?}?)"),
            None if may_be_newer(action) => return Some(action),
            None => format!(": use one of {}", ACTIONS.join(", ")),
        };
        problems.add(fields.path_of(KEY), format!("unknown action {}{mend}", quoted(action)));
    }
    Some(action)
}

/// Whether a name that nobody knows has the form of AWS's actions and is no plugin of Command documents.
fn may_be_newer(action: &str) -> bool {
    let name = action.strip_prefix("aws:").unwrap_or_default();
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric()) && !plugins::is_known(action)
}

fn inputs(fields: &Fields<'_>, problems: &mut Problems) -> Value {
    const KEY: &str = "inputs";
    match fields.get(KEY) {
        Some(value @ Value::Object(_)) => return value.clone(),
        None => {}
        Some(other) => {
            problems.add(fields.path_of(KEY), format!("expected an object, found {}", described(other)));
        }
    }
    Value::Object(Map::new())
}

/// The choices of a branch, and where it goes if none holds.
fn check_branch(inputs: &Map<String, Value>, path: &str, names: &BTreeSet<&str>, problems: &mut Problems) {
    let fields = Fields::read(inputs, path, &["Choices", "Default"], problems);
    let targets = Targets { fields: &fields, names };
    if let Some(name) = fields.text("Default", problems) {
        targets.check_name(name, fields.path_of("Default"), problems);
    }
    let path = fields.path_of("Choices");
    match fields.get("Choices") {
        None => problems.add(path, "is missing: write a list of choices, each with NextStep and a condition"),
        Some(Value::Array(choices)) => {
            for (index, choice) in choices.iter().enumerate() {
                let next = choice.as_object().and_then(|choice| Fields::peek(choice, "NextStep"));
                if let Some(Value::String(name)) = next {
                    targets.check_name(name, member(&element(&path, index), "NextStep"), problems);
                }
            }
        }
        Some(other) => problems.add(path, format!("expected a list of choices, found {}", described(other))),
    }
}

fn check_outputs(fields: &Fields<'_>, problems: &mut Problems) {
    const KEY: &str = "outputs";
    let path = fields.path_of(KEY);
    match fields.get(KEY) {
        None => {}
        Some(Value::Array(outputs)) => {
            for (index, output) in outputs.iter().enumerate() {
                let path = element(&path, index);
                let Value::Object(object) = output else {
                    let message = format!(
                        "expected an object with Name, Selector and Type, found {}",
                        described(output)
                    );
                    problems.add(path, message);
                    continue;
                };
                let output = Fields::read(object, &path, &["Name", "Selector", "Type"], problems);
                required(&output, "Name", "a name", problems);
                output.text("Selector", problems);
                output.text("Type", problems);
            }
        }
        Some(other) => problems.add(path, format!("expected a list of outputs, found {}", described(other))),
    }
}

/// Checks a value that has a form, or else is a reference to a parameter.
fn check_or_reference(
    fields: &Fields<'_>,
    key: &str,
    what: &str,
    fits: impl Fn(&Value) -> bool,
    problems: &mut Problems,
) {
    let Some(value) = fields.get(key).filter(|value| !fits(value)) else { return };
    let text = value.as_str().unwrap_or_default().trim();
    // Text that says the same in quotes is read like it, be it True or true.
    let quoted = serde_json::from_str(&text.to_ascii_lowercase()).is_ok_and(|value| fits(&value));
    if !quoted && reference(text).is_none_or(|(_, rest)| !rest.is_empty()) {
        let message = format!("expected {what}, or a reference to a parameter, found {}", described(value));
        problems.add(fields.path_of(key), message);
    }
}

/// What a key of a step may lead to.
struct Targets<'a, 'b> {
    fields: &'a Fields<'b>,
    names: &'a BTreeSet<&'a str>,
}

impl Targets<'_, '_> {
    /// Checks a key that holds one of `words` or `step:` and a name.
    fn check(&self, key: &str, words: &[&str], problems: &mut Problems) {
        let Some(found) = self.fields.text(key, problems) else { return };
        if let Some(name) = found.strip_prefix("step:") {
            self.check_name(name.trim(), self.fields.path_of(key), problems);
        } else if !words.contains(&found) {
            let hint = suggest::hint(found, words.iter().copied());
            let message =
                format!("expected {} or step:NAME, found {}{hint}", words.join(", "), quoted(found));
            problems.add(self.fields.path_of(key), message);
        }
    }

    fn check_name(&self, name: &str, path: String, problems: &mut Problems) {
        if !self.names.contains(name) && reference(name).is_none() && !problems.is_told_enough() {
            let hint = suggest::hint(name, self.names.iter().copied().take(MOST_COMPARED));
            problems.add(path, format!("there is no step {}{hint}", quoted(name)));
        }
    }
}
