//! From text to a JSON value, with bounds: no document that a user can write costs more than its size allows.

mod bounds;
mod json;
mod scalar;
mod yaml;

use serde_json::{Map, Value};

use crate::document::Document;
use crate::errors::{Errors, described};
use crate::locations::Position;
use crate::read;

use bounds::DEEPEST;
pub(crate) use bounds::LARGEST;
pub(crate) use yaml::Dialect;

/// Begins what is wrong with text that is no YAML.
pub(crate) const NEITHER: &str = "the document is neither JSON (which begins with '{') nor valid YAML: ";

/// Reads a Command document from JSON (text that begins with `{`) or else YAML, and checks it; see
/// [`crate::parse_as`], whose rules are the same.
pub fn parse(text: &str) -> Result<Document, Errors> {
    read_tree(text, read::document)
}

/// Checks a Command document that has been parsed already, such as the content of a Kubernetes object.
pub fn from_value(value: Value) -> Result<Document, Errors> {
    check_value(&value)?;
    read::document(value)
}

/// Reads any JSON or YAML by the rules of documents.
pub fn parse_value(text: &str) -> Result<Value, Errors> {
    read_tree(text, Ok)
}

/// Reads a Kubernetes manifest, which may hold many documents, as kubectl does: in YAML `yes` is a boolean and `0755` a
/// number, other than in documents.
pub fn parse_manifest(text: &str) -> Result<Value, Errors> {
    json_or_yaml(text.trim_start_matches('\u{feff}'), Dialect::Manifest)
}

/// Reads text as JSON or YAML and checks what it says; problems get their places.
pub(crate) fn read_tree<T>(text: &str, check: impl FnOnce(Value) -> Result<T, Errors>) -> Result<T, Errors> {
    let text = text.trim_start_matches('\u{feff}');
    check(json_or_yaml(text, Dialect::Document)?).map_err(|errors| errors.located(text))
}

/// Checks that text is JSON or YAML, with tags of any kind.
pub(crate) fn check_template(text: &str) -> Result<(), Errors> {
    match json_or_yaml(text.trim_start_matches('\u{feff}'), Dialect::Template)? {
        Value::Object(_) => Ok(()),
        other => Err(Errors::one("", format!("expected an object, found {}", described(&other)))),
    }
}

pub(crate) fn check_size(bytes: usize, largest: usize) -> Result<(), Errors> {
    if bytes > largest {
        let message = format!("the document has {bytes} bytes: at most {largest} are allowed");
        return Err(Errors::one("", message));
    }
    Ok(())
}

/// Checks the bounds of a value that did not come from text.
pub(crate) fn check_value(value: &Value) -> Result<(), Errors> {
    check_size(bounds::json_length(value), LARGEST)?;
    if bounds::is_deeper(value, DEEPEST) {
        return Err(Errors::one("", bounds::too_deep()));
    }
    Ok(())
}

fn json_or_yaml(text: &str, dialect: Dialect) -> Result<Value, Errors> {
    check_size(text.len(), dialect.largest())?;
    if text.trim_start().starts_with('{') { json(text, dialect.largest()) } else { yaml(text, dialect) }
}

fn json(text: &str, largest: usize) -> Result<Value, Errors> {
    json::read(text, largest).map_err(|error| {
        let message = format!("the document is not valid JSON: {}", json::reason(&error));
        Errors::at("", message, Position::new(error.line(), json::column(text, &error)))
    })
}

/// Reads YAML of any size.
pub(crate) fn yaml(text: &str, dialect: Dialect) -> Result<Value, Errors> {
    yaml::read(text, dialect)
        .map_err(|fault| Errors::at("", format!("{NEITHER}{}", fault.reason), Position::of(fault.mark)))
}

/// Reads a JSON object none of whose objects has a key twice.
pub(crate) fn json_object(text: &str) -> Result<Map<String, Value>, String> {
    match json::read(text, LARGEST) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(format!("expected a JSON object, found {}", described(&other))),
        Err(error) => Err(format!("expected a JSON object: {error}")),
    }
}

#[cfg(test)]
mod tests;
