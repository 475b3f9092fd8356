//! What the rules look at, with its paths, whatever form the document has.

use serde_json::Value;

use crate::document::Document;
use crate::errors::{element, member};
use crate::session::Session;

/// A text of a document, with its path.
pub(super) type Text<'a> = (String, &'a str);

/// The inputs of a step, each with its path. Before schema 2 there may be several, or none.
pub(super) fn step_inputs(document: &Document, index: usize) -> Vec<(String, &Value)> {
    let Some(step) = document.steps.get(index) else { return Vec::new() };
    let path = document.inputs_path(index);
    match &step.inputs {
        Value::Array(items) => {
            items.iter().enumerate().map(|(place, item)| (element(&path, place), item)).collect()
        }
        inputs => vec![(path, inputs)],
    }
}

/// An input by its name without regard to case, as it is spelled, with its value.
pub(super) fn input<'a>(inputs: &'a Value, name: &str) -> Option<(&'a str, &'a Value)> {
    let (key, value) = inputs.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some((key, value))
}

/// Every text of a Command document in which references are replaced.
pub(super) fn command_texts(document: &Document) -> Vec<Text<'_>> {
    let mut texts = Vec::new();
    for (index, step) in document.steps.iter().enumerate() {
        let precondition = member(&document.step_path(index), "precondition");
        for (operator, arguments) in &step.precondition {
            let path = member(&precondition, operator);
            let arguments = arguments.iter().enumerate();
            texts.extend(arguments.map(|(place, text)| (element(&path, place), text.as_str())));
        }
        collect(&step.inputs, document.inputs_path(index), &mut texts);
        collect(&step.settings, member(&document.step_path(index), "settings"), &mut texts);
    }
    texts
}

/// Every text of a Session document in which references are replaced.
pub(super) fn session_texts(session: &Session) -> Vec<Text<'_>> {
    let mut texts = Vec::new();
    collect(&session.inputs, "inputs".to_owned(), &mut texts);
    collect(&session.properties, "properties".to_owned(), &mut texts);
    texts
}

/// Every text in a value.
pub(super) fn collect<'a>(value: &'a Value, path: String, texts: &mut Vec<Text<'a>>) {
    match value {
        Value::String(text) => texts.push((path, text)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, element(&path, index), texts);
            }
        }
        Value::Object(object) => {
            for (key, value) in object {
                collect(value, member(&path, key), texts);
            }
        }
        _ => {}
    }
}
