//! `{{ name }}`: a parameter's value in place of its name.

use serde_json::{Map, Value};

use crate::go_text;

/// A copy of `inputs` with each `{{ name }}` of a text replaced, through lists and the values of objects.
///
/// A text that is nothing but one reference becomes the value itself, whatever its type. Inside a longer text a string
/// stands as it is, but for `$$`, which becomes `$` as the agent has it, and any other value as JSON. Values are not
/// searched again, keys and names without a value stay as they are. An absent value is `null`.
pub fn interpolate(inputs: &Value, values: &Map<String, Value>) -> Value {
    match inputs {
        Value::String(text) => interpolate_text(text, values),
        Value::Array(items) => items.iter().map(|item| interpolate(item, values)).collect(),
        Value::Object(object) => {
            object.iter().map(|(key, value)| (key.clone(), interpolate(value, values))).collect()
        }
        other => other.clone(),
    }
}

fn interpolate_text(text: &str, values: &Map<String, Value>) -> Value {
    match reference(text) {
        Some((name, "")) if values.contains_key(name) => values.get(name).cloned().unwrap_or_default(),
        _ => Value::String(embed(text, values)),
    }
}

/// `text` with each reference that has a value replaced by the value's text.
pub(crate) fn embed(text: &str, values: &Map<String, Value>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let (before, candidate) = rest.split_at(start);
        out.push_str(before);
        if let Some((name, after)) = reference(candidate)
            && let Some(value) = values.get(name)
        {
            out.push_str(&go_text::as_text(value).replace("$$", "$"));
            rest = after;
        } else {
            out.push('{');
            rest = candidate.get(1..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// The names of all references in `text`, whether or not they have a value.
pub(crate) fn references(text: &str) -> impl Iterator<Item = &str> {
    let starts = text.char_indices().filter(|(_, character)| *character == '{');
    starts.filter_map(|(start, _)| reference(text.get(start..)?)).map(|(name, _)| name)
}

/// The name of the reference that `text` begins with, and what follows it.
pub(crate) fn reference(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix("{{")?.trim_start_matches(is_blank);
    let end = inner.find(|c| is_blank(c) || c == '{' || c == '}')?;
    let (name, after) = inner.split_at(end);
    let after = after.trim_start_matches(is_blank).strip_prefix("}}")?;
    (!name.is_empty()).then_some((name, after))
}

/// The blanks of the agent's regular expressions.
fn is_blank(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\x0c' | '\r' | ' ')
}

#[cfg(test)]
mod tests;
