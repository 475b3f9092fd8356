//! The `mainSteps` section.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::document::Step;
use crate::errors::{Problems, described, element, member, quoted};
use crate::fields::Fields;
use crate::interpolate::reference;
use crate::parameter::{ParameterDefinition, ParameterType};
use crate::precondition::STRING_EQUALS;
use crate::{plugins, suggest};

use super::{names, script};

/// The keys that mean something, and those without effect whose type the agent checks nevertheless.
const KEYS: [&str; 8] =
    ["name", "action", "inputs", "precondition", "timeoutSeconds", "maxAttempts", "onFailure", "settings"];

type Parameters = BTreeMap<String, ParameterDefinition>;

pub(super) fn read(document: &Fields<'_>, parameters: &Parameters, problems: &mut Problems) -> Vec<Step> {
    const KEY: &str = "mainSteps";
    if document.get(KEY).is_none() && document.get("runtimeConfig").is_some() {
        problems.add(document.path_of(KEY), "is missing: runtimeConfig belongs to schema version 1.2");
        return Vec::new();
    }
    let one = |object: &Map<String, Value>, path: &str, problems: &mut Problems| {
        let step = step(object, path, parameters, problems)?;
        Some((step.name.clone(), step))
    };
    list(values(document, KEY, problems), &document.path_of(KEY), one, problems)
}

/// The elements of a list of steps, which has to be there and have some.
pub(super) fn values<'a>(owner: &Fields<'a>, key: &str, problems: &mut Problems) -> &'a [Value] {
    let message = match owner.get(key) {
        Some(Value::Array(values)) if !values.is_empty() => return values,
        Some(Value::Array(_)) => "is empty: a document needs at least one step".to_owned(),
        None => "is missing: write a list of steps, each with name, action and inputs".to_owned(),
        Some(other) => format!("expected a list of steps, found {}", described(other)),
    };
    problems.add(owner.path_of(key), message);
    &[]
}

/// The steps of a list, of which `step` gives each with its name. No two may have the same.
pub(super) fn list<S>(
    values: &[Value],
    path: &str,
    step: impl Fn(&Map<String, Value>, &str, &mut Problems) -> Option<(String, S)>,
    problems: &mut Problems,
) -> Vec<S> {
    let mut names = BTreeSet::new();
    let mut steps = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let path = element(path, index);
        let Value::Object(object) = value else {
            if !problems.is_told_enough() {
                let found = described(value);
                problems.add(path, format!("expected an object with name, action and inputs, found {found}"));
            }
            continue;
        };
        let Some((name, step)) = step(object, &path, problems) else { continue };
        if !names.insert(name.clone()) {
            problems.add(
                member(&path, "name"),
                format!("{} names an earlier step too: give each step a name of its own", quoted(&name)),
            );
        }
        steps.push(step);
    }
    steps
}

fn step(
    object: &Map<String, Value>,
    path: &str,
    parameters: &Parameters,
    problems: &mut Problems,
) -> Option<Step> {
    let fields = Fields::read(object, path, &KEYS, problems);
    let name = name(&fields, problems);
    let action = action(&fields, problems);
    let precondition = precondition(&fields, parameters, problems);
    let inputs = inputs(&fields, action, problems);
    fields.check_whole_number("timeoutSeconds", problems);
    fields.check_whole_number("maxAttempts", problems);
    fields.text("onFailure", problems);
    let settings = fields.get("settings").cloned().unwrap_or_default();
    Some(Step { name: name?.to_owned(), action: action?.to_owned(), inputs, settings, precondition })
}

fn name<'a>(fields: &Fields<'a>, problems: &mut Problems) -> Option<&'a str> {
    const KEY: &str = "name";
    let name = required(fields, KEY, "a name that is unique in the document", problems)?;
    names::check(name, &fields.path_of(KEY), problems);
    Some(name)
}

fn action<'a>(fields: &Fields<'a>, problems: &mut Problems) -> Option<&'a str> {
    const KEY: &str = "action";
    let action = required(fields, KEY, "a plugin such as aws:runShellScript", problems)?;
    if let Some(name) = nearest_plugin(action) {
        problems
            .add(fields.path_of(KEY), format!("unknown plugin {} (did you mean {name:?}?)", quoted(action)));
    }
    Some(action)
}

/// The known plugin that an unknown one is a slip of. Others may be plugins that a newer agent has.
pub(super) fn nearest_plugin(action: &str) -> Option<&'static str> {
    if plugins::is_known(action) {
        return None;
    }
    suggest::nearest(action, plugins::names())
        .or_else(|| suggest::nearest(&format!("aws:{}", action.trim()), plugins::names()))
}

/// A text that has to be there and not empty.
pub(super) fn required<'a>(
    fields: &Fields<'a>,
    key: &str,
    what: &str,
    problems: &mut Problems,
) -> Option<&'a str> {
    if fields.get(key).is_none() && !problems.is_told_enough() {
        problems.add(fields.path_of(key), format!("is missing: give {what}"));
    }
    let text = fields.text(key, problems)?;
    if text.is_empty() {
        problems.add(fields.path_of(key), format!("is empty: give {what}"));
        return None;
    }
    Some(text)
}

fn inputs(fields: &Fields<'_>, action: Option<&str>, problems: &mut Problems) -> Value {
    const KEY: &str = "inputs";
    match fields.get(KEY) {
        Some(value @ Value::Object(inputs)) => {
            if action.is_some_and(plugins::is_script) {
                script::check(inputs, &fields.path_of(KEY), problems);
            }
            value.clone()
        }
        None => Value::Object(Map::new()),
        Some(other) => {
            problems.add(fields.path_of(KEY), format!("expected an object, found {}", described(other)));
            Value::Object(Map::new())
        }
    }
}

fn precondition(
    fields: &Fields<'_>,
    parameters: &Parameters,
    problems: &mut Problems,
) -> BTreeMap<String, Vec<String>> {
    const KEY: &str = "precondition";
    let path = fields.path_of(KEY);
    let operators = match fields.get(KEY) {
        None => return BTreeMap::new(),
        Some(Value::Object(operators)) => operators,
        Some(other) => {
            problems.add(path, format!("expected an object such as {{\"StringEquals\": [\"platformType\", \"Linux\"]}}, found {}", described(other)));
            return BTreeMap::new();
        }
    };
    let mut precondition = BTreeMap::new();
    for (operator, arguments) in operators {
        let path = member(&path, operator);
        if operator != STRING_EQUALS
            && let Some(name) = suggest::nearest(operator, [STRING_EQUALS])
        {
            problems.add(&path, format!("unknown operator (did you mean {name:?}?)"));
        }
        precondition
            .insert(operator.clone(), self::arguments(operator, arguments, &path, parameters, problems));
    }
    precondition
}

fn arguments(
    operator: &str,
    arguments: &Value,
    path: &str,
    parameters: &Parameters,
    problems: &mut Problems,
) -> Vec<String> {
    let Value::Array(arguments) = arguments else {
        problems.add(path, format!("expected a list of two strings, found {}", described(arguments)));
        return Vec::new();
    };
    if operator == STRING_EQUALS && arguments.len() != 2 {
        problems.add(path, format!("expected a list of two strings, found {} items", arguments.len()));
    }
    let mut texts = Vec::with_capacity(arguments.len());
    for (index, argument) in arguments.iter().enumerate() {
        match argument {
            Value::String(text) => {
                check_argument(text, &element(path, index), parameters, problems);
                texts.push(text.clone());
            }
            other => {
                problems.add(element(path, index), format!("expected a string, found {}", described(other)));
            }
        }
    }
    texts
}

/// A parameter that is a whole argument has to be a text; any other value stops AWS's agent for good.
fn check_argument(argument: &str, path: &str, parameters: &Parameters, problems: &mut Problems) {
    if let Some((name, "")) = reference(argument)
        && let Some(kind) = parameters.get(name).map(|definition| definition.kind)
        && kind != ParameterType::String
    {
        let kind = kind.with_article();
        problems.add(path, format!("parameter {name:?} is {kind}: only a String can be compared"));
    }
}
