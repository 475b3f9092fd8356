//! The `parameters` section.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::constraint;
use crate::errors::{Problems, described, element, member, quoted};
use crate::fields::Fields;
use crate::parameter::{Interpolation, ParameterDefinition, ParameterType};
use crate::pattern::{MOST_STATES, Pattern};
use crate::suggest;

const KEYS: [&str; 11] = [
    "type",
    "description",
    "default",
    "allowedValues",
    "allowedPattern",
    "minChars",
    "maxChars",
    "minItems",
    "maxItems",
    "displayType",
    "interpolationType",
];

/// The most parameters of a document: each may have a pattern, and to compile one takes time.
const MOST_PARAMETERS: usize = 200;

pub(super) fn read(document: &Fields<'_>, problems: &mut Problems) -> BTreeMap<String, ParameterDefinition> {
    const KEY: &str = "parameters";
    let mut definitions = BTreeMap::new();
    let mut states = MOST_STATES;
    match document.get(KEY) {
        None => {}
        Some(Value::Object(parameters)) if parameters.len() > MOST_PARAMETERS => problems.add(
            document.path_of(KEY),
            format!("has {} parameters: at most {MOST_PARAMETERS} are allowed", parameters.len()),
        ),
        Some(Value::Object(parameters)) => {
            for (name, value) in parameters {
                let path = member(KEY, name);
                check_name(name, &path, problems);
                let Value::Object(object) = value else {
                    problems.add(path, format!("expected an object with a type, found {}", described(value)));
                    continue;
                };
                if let Some(definition) = definition(object, &path, &mut states, problems) {
                    definitions.insert(name.clone(), definition);
                }
            }
        }
        Some(other) => {
            problems.add(document.path_of(KEY), format!("expected an object, found {}", described(other)));
        }
    }
    definitions
}

/// Names go into references, environment variables and the agent's regular expressions.
pub(super) fn check_name(name: &str, path: &str, problems: &mut Problems) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(allowed) {
        problems.add(
            path,
            format!("name {} is not allowed: use letters, digits, '_' and '-' only", quoted(name)),
        );
    }
}

fn definition(
    object: &Map<String, Value>,
    path: &str,
    states: &mut u64,
    problems: &mut Problems,
) -> Option<ParameterDefinition> {
    let fields = Fields::read(object, path, &KEYS, problems);
    let kind = kind(&fields, problems);
    let definition = ParameterDefinition {
        kind: kind.unwrap_or(ParameterType::String),
        description: fields.text("description", problems).map(str::to_owned),
        default: None,
        allowed_values: allowed_values(&fields, problems),
        allowed_pattern: allowed_pattern(&fields, states, problems),
        min_chars: limit(&fields, "minChars", problems),
        max_chars: limit(&fields, "maxChars", problems),
        min_items: limit(&fields, "minItems", problems),
        max_items: limit(&fields, "maxItems", problems),
        display_type: fields.text("displayType", problems).map(str::to_owned),
        interpolation: interpolation(&fields, kind, problems),
    };
    check_bounds(&definition, path, problems);
    let kind = kind?;
    let default = default(&fields, kind, &definition, problems);
    Some(ParameterDefinition { default, ..definition })
}

fn kind(fields: &Fields<'_>, problems: &mut Problems) -> Option<ParameterType> {
    let names = ParameterType::ALL.map(ParameterType::as_str);
    if fields.get("type").is_none() {
        problems.add(fields.path_of("type"), format!("is missing: use one of {}", names.join(", ")));
    }
    let found = fields.text("type", problems)?;
    let kind = ParameterType::ALL.into_iter().find(|kind| kind.as_str() == found);
    if kind.is_none() {
        let hint = suggest::hint(found, names);
        problems.add(
            fields.path_of("type"),
            format!("{} is not a type{hint}: use one of {}", quoted(found), names.join(", ")),
        );
    }
    kind
}

fn default(
    fields: &Fields<'_>,
    kind: ParameterType,
    definition: &ParameterDefinition,
    problems: &mut Problems,
) -> Option<Value> {
    let path = fields.path_of("default");
    match kind.value_of_default(fields.get("default")?) {
        Ok(value) => {
            constraint::check(definition, &value, &path, problems);
            Some(value)
        }
        Err(reason) => {
            problems.add(path, reason);
            None
        }
    }
}

fn allowed_values(fields: &Fields<'_>, problems: &mut Problems) -> Option<Vec<String>> {
    const KEY: &str = "allowedValues";
    let path = fields.path_of(KEY);
    let value = fields.get(KEY)?;
    let Value::Array(values) = value else {
        problems.add(path, format!("expected a list of strings, found {}", described(value)));
        return None;
    };
    let mut texts = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        match value {
            Value::String(text) => texts.push(text.clone()),
            other => problems.add(
                element(&path, index),
                format!("expected a string, found {}: write it in quotes", described(other)),
            ),
        }
    }
    (texts.len() == values.len() && !texts.is_empty()).then_some(texts)
}

/// The pattern, of which all of a document may have so many `states` left.
fn allowed_pattern(fields: &Fields<'_>, states: &mut u64, problems: &mut Problems) -> Option<Pattern> {
    const KEY: &str = "allowedPattern";
    let source = fields.text(KEY, problems).filter(|source| !source.is_empty())?;
    Pattern::within(source, states)
        .map_err(|reason| {
            problems.add(fields.path_of(KEY), format!("{} cannot be used: {reason}", quoted(source)));
        })
        .ok()
}

/// A length, as a number or as a number in quotes.
fn limit(fields: &Fields<'_>, key: &str, problems: &mut Problems) -> Option<u64> {
    let value = fields.get(key)?;
    let limit = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    if limit.is_none() {
        problems.add(
            fields.path_of(key),
            format!("expected a whole number that is not negative, found {}", described(value)),
        );
    }
    limit
}

fn check_bounds(definition: &ParameterDefinition, path: &str, problems: &mut Problems) {
    for (min, max, what) in [
        (definition.min_chars, definition.max_chars, "Chars"),
        (definition.min_items, definition.max_items, "Items"),
    ] {
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            problems.add(path, format!("min{what} {min} is above max{what} {max}: no value can have both"));
        }
    }
}

fn interpolation(fields: &Fields<'_>, kind: Option<ParameterType>, problems: &mut Problems) -> Interpolation {
    const KEY: &str = "interpolationType";
    match fields.text(KEY, problems) {
        None | Some("STRING") => Interpolation::Text,
        Some("ENV_VAR") => {
            if let Some(kind) = kind.filter(|kind| *kind != ParameterType::String) {
                problems.add(
                    fields.path_of(KEY),
                    format!(
                        "ENV_VAR is for parameters of type String only, this one is {}",
                        kind.with_article()
                    ),
                );
            }
            Interpolation::EnvVar
        }
        Some(other) => {
            let hint = suggest::hint(other, ["STRING", "ENV_VAR"]);
            problems.add(
                fields.path_of(KEY),
                format!("expected STRING or ENV_VAR, found {}{hint}", quoted(other)),
            );
            Interpolation::Text
        }
    }
}
