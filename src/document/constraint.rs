//! Whether a value keeps to what its parameter allows: values, pattern, length, number of items.

use serde_json::Value;

use crate::errors::{Problems, element, quoted};
use crate::parameter::{ParameterDefinition, ParameterType};
use crate::{go_text, precondition, suggest};

/// How many allowed values a message lists.
const MOST_LISTED: usize = 20;

/// Adds what is wrong with `value`, which has the parameter's type, to `problems`.
///
/// A text that refers to a parameter store is let through, since what it will be is not known yet.
pub(crate) fn check(definition: &ParameterDefinition, value: &Value, path: &str, problems: &mut Problems) {
    match value {
        Value::Array(items) => {
            check_items(definition, items.len(), path, problems);
            for (index, item) in items.iter().enumerate() {
                check_text(definition, &go_text::as_text(item), &element(path, index), problems);
            }
        }
        Value::Object(object) => {
            check_items(definition, object.len(), path, problems);
            check_text(definition, &go_text::as_text(value), path, problems);
        }
        _ => check_text(definition, &go_text::as_text(value), path, problems),
    }
}

fn check_items(definition: &ParameterDefinition, items: usize, path: &str, problems: &mut Problems) {
    let count = items as u64;
    if let Some(min) = definition.min_items.filter(|min| count < *min) {
        problems.add(path, format!("has {count} items, at least {min} are needed (minItems)"));
    }
    if let Some(max) = definition.max_items.filter(|max| count > *max) {
        problems.add(path, format!("has {count} items, at most {max} are allowed (maxItems)"));
    }
}

fn check_text(definition: &ParameterDefinition, text: &str, path: &str, problems: &mut Problems) {
    if precondition::has_ssm_reference(text) {
        return;
    }
    let shown = if definition.is_environment() { "the value".to_owned() } else { quoted(text) };
    if let Some(allowed) = &definition.allowed_values
        && !allowed.iter().any(|value| value == text)
    {
        let hint = if definition.is_environment() {
            String::new()
        } else {
            suggest::hint(text, allowed.iter().map(String::as_str))
        };
        problems.add(path, format!("{shown} is not one of {}{hint}", listed(allowed)));
    }
    if let Some(pattern) = &definition.allowed_pattern
        && !pattern.is_match(text)
    {
        problems.add(path, format!("{shown} does not match the allowedPattern {:?}", pattern.as_str()));
    }
    check_length(definition, text, &shown, path, problems);
}

fn check_length(
    definition: &ParameterDefinition,
    text: &str,
    shown: &str,
    path: &str,
    problems: &mut Problems,
) {
    if matches!(definition.kind, ParameterType::Integer | ParameterType::Boolean) {
        return;
    }
    let length = text.chars().count() as u64;
    if let Some(min) = definition.min_chars.filter(|min| length < *min) {
        problems.add(path, format!("{shown} has {length} characters, at least {min} are needed (minChars)"));
    }
    if let Some(max) = definition.max_chars.filter(|max| length > *max) {
        problems.add(path, format!("{shown} has {length} characters, at most {max} are allowed (maxChars)"));
    }
}

fn listed(values: &[String]) -> String {
    let mut names: Vec<String> = values.iter().take(MOST_LISTED).map(|value| quoted(value)).collect();
    if values.len() > MOST_LISTED {
        names.push(format!("{} more", values.len() - MOST_LISTED));
    }
    names.join(", ")
}
