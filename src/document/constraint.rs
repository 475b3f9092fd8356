//! Whether a value keeps to what its parameter allows: values, pattern, length, number of items.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::errors::{Problems, element, quoted, quoted_up_to};
use crate::parameter::{ParameterDefinition, ParameterType};
use crate::{go_text, precondition, suggest};

/// How many allowed values a message lists.
const MOST_LISTED: usize = 20;
/// How many allowed values a wrong one is compared with, to tell which was meant.
const MOST_COMPARED: usize = 200;
/// How much of a pattern a message shows, in characters.
const LONGEST_PATTERN: usize = 400;

/// Adds what is wrong with `value`, which has the parameter's type, to `problems`.
///
/// A text that refers to a parameter store is let through, since what it will be is not known yet.
pub(crate) fn check(definition: &ParameterDefinition, value: &Value, path: &str, problems: &mut Problems) {
    let allowed = definition.allowed_values.as_deref();
    match value {
        Value::Array(items) => {
            check_items(definition, items.len(), path, problems);
            let allowed = allowed.map(|values| values.iter().map(String::as_str).collect::<BTreeSet<_>>());
            let is_allowed = |text: &str| allowed.as_ref().is_none_or(|values| values.contains(text));
            for (index, item) in items.iter().enumerate() {
                let path = || element(path, index);
                check_text(definition, &go_text::as_text(item), is_allowed, path, problems);
            }
        }
        other => {
            if let Value::Object(object) = other {
                check_items(definition, object.len(), path, problems);
            }
            let is_allowed =
                |text: &str| allowed.is_none_or(|values| values.iter().any(|value| value == text));
            check_text(definition, &go_text::as_text(other), is_allowed, || path.to_owned(), problems);
        }
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

fn check_text(
    definition: &ParameterDefinition,
    text: &str,
    is_allowed: impl Fn(&str) -> bool,
    path: impl Fn() -> String,
    problems: &mut Problems,
) {
    if precondition::has_ssm_reference(text) {
        return;
    }
    let hidden = definition.is_environment();
    let shown = || if hidden { "the value".to_owned() } else { quoted(text) };
    if !is_allowed(text) && !problems.is_told_enough() {
        let allowed = definition.allowed_values.as_deref().unwrap_or_default();
        let near = allowed.iter().take(if hidden { 0 } else { MOST_COMPARED }).map(String::as_str);
        let hint = suggest::hint(text, near);
        problems.add(path(), format!("{} is not one of {}{hint}", shown(), listed(allowed)));
    }
    if let Some(pattern) = &definition.allowed_pattern {
        if !problems.may_match(pattern.steps(text)) {
            if !problems.is_told_enough() {
                problems.add(path(), "the values are too long for patterns as large as these to be checked");
            }
        } else if !pattern.is_match(text) && !problems.is_told_enough() {
            let pattern = quoted_up_to(pattern.as_str(), LONGEST_PATTERN);
            problems.add(path(), format!("{} does not match the allowedPattern {pattern}", shown()));
        }
    }
    if let Some(reason) = wrong_length(definition, text)
        && !problems.is_told_enough()
    {
        problems.add(path(), format!("{} {reason}", shown()));
    }
}

fn wrong_length(definition: &ParameterDefinition, text: &str) -> Option<String> {
    if matches!(definition.kind, ParameterType::Integer | ParameterType::Boolean) {
        return None;
    }
    let length = text.chars().count() as u64;
    if let Some(min) = definition.min_chars.filter(|min| length < *min) {
        return Some(format!("has {length} characters, at least {min} are needed (minChars)"));
    }
    let max = definition.max_chars.filter(|max| length > *max)?;
    Some(format!("has {length} characters, at most {max} are allowed (maxChars)"))
}

fn listed(values: &[String]) -> String {
    let mut names: Vec<String> = values.iter().take(MOST_LISTED).map(|value| quoted(value)).collect();
    if values.len() > MOST_LISTED {
        names.push(format!("{} more", values.len() - MOST_LISTED));
    }
    names.join(", ")
}
