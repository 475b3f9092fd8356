//! A Command's parameters, checked against a document and given their types.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::constraint;
use crate::document::Document;
use crate::errors::{Errors, Problems, element, member};
use crate::parameter::{ParameterDefinition, ParameterType};
use crate::{suggest, text};

/// Typed values for all of a document's parameters: a text for a String, a list for a `StringList`, an object for a
/// `StringMap`, a number for an Integer, a boolean for a Boolean, a list of objects for a `MapList`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bound(Map<String, Value>);

impl Bound {
    /// The values by name.
    pub fn values(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The values as a JSON object.
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    /// Reads what [`Bound::to_json`] wrote. The values are not checked again: no document is at hand.
    pub fn from_json(json: &str) -> Result<Self, Errors> {
        text::json_object(json).map(Self).map_err(|reason| Errors::one("parameters", reason))
    }
}

impl Document {
    /// Checks a Command's parameters, in AWS's form of lists of texts, and adds the defaults.
    ///
    /// A list type takes any number of texts, each other type exactly one: the agent would take the first of
    /// several, which loses what the user wrote. A `StringMap` is one JSON object as text, a `MapList` one such text for
    /// each object. Paths of problems begin with `parameters`.
    pub fn bind(&self, given: &BTreeMap<String, Vec<String>>) -> Result<Bound, Errors> {
        let mut problems = Problems::default();
        for name in given.keys().filter(|name| !self.parameters.contains_key(*name)) {
            problems.add(member("parameters", name), self.unknown(name));
        }
        let mut values = Map::new();
        for (name, definition) in &self.parameters {
            let path = member("parameters", name);
            let value = match given.get(name) {
                Some(texts) => typed(definition, texts, &path, &mut problems),
                None if definition.default.is_none() => {
                    problems.add(
                        &path,
                        "is missing: the document gives it no default, so the Command has to set it",
                    );
                    None
                }
                None => definition.default.clone(),
            };
            if let Some(value) = value {
                values.insert(name.clone(), value);
            }
        }
        problems.finish(Some(Bound(values)))
    }

    fn unknown(&self, name: &str) -> String {
        if self.parameters.is_empty() {
            return "is not a parameter of the document, which has none".to_owned();
        }
        let names: Vec<&str> = self.parameters.keys().map(String::as_str).collect();
        let hint = suggest::hint(name, names.iter().copied());
        format!("is not a parameter of the document{hint}: it has {}", names.join(", "))
    }
}

/// The value of the given texts, if it is allowed.
fn typed(
    definition: &ParameterDefinition,
    texts: &[String],
    path: &str,
    problems: &mut Problems,
) -> Option<Value> {
    let kind = definition.kind;
    let value = if kind.is_list() {
        list(kind, texts, path, problems)?
    } else if let [only] = texts {
        kind.value_of_text(only).map_err(|reason| problems.add(element(path, 0), reason)).ok()?
    } else {
        problems.add(path, format!("{} takes exactly one value, found {}", kind.with_article(), texts.len()));
        return None;
    };
    let path = if kind.is_list() { path.to_owned() } else { element(path, 0) };
    constraint::check(definition, &value, &path, problems);
    Some(value)
}

fn list(kind: ParameterType, texts: &[String], path: &str, problems: &mut Problems) -> Option<Value> {
    let mut items = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match kind.value_of_text(text) {
            Ok(item) => items.push(item),
            Err(reason) => problems.add(element(path, index), reason),
        }
    }
    (items.len() == texts.len()).then_some(Value::Array(items))
}

#[cfg(test)]
mod tests;
