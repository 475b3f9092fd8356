//! From text to a JSON value, with bounds: no document that a user can write costs more than its size allows.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{MessageFormatter, UserMessageFormatter};

use crate::document::Document;
use crate::errors::{Errors, described};
use crate::locations::Position;
use crate::read;

/// The largest document that is read, in bytes of its text, and of its canonical JSON, in which it is kept. AWS allows
/// 64 KiB; the largest published ones have 84.
const LARGEST: usize = 256 * 1024;
/// Begins what is wrong with text that is no YAML.
pub(crate) const NEITHER: &str = "the document is neither JSON (which begins with '{') nor valid YAML: ";
/// How deeply lists and objects may be nested.
const DEEPEST: usize = 64;

/// What the parts of JSON take beside strings and numbers, in bytes.
const NULL: &str = "null";
const FALSE: &str = "false";
const BRACKETS: usize = 2;
const COMMA: usize = 1;
const COLON: usize = 1;
/// How many YAML nodes an alias may repeat in all.
const MOST_REPEATED_NODES: usize = 20_000;

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

/// Reads any JSON or YAML by the rules of documents, such as a manifest that holds one.
pub fn parse_value(text: &str) -> Result<Value, Errors> {
    read_tree(text, Ok)
}

/// Reads text as JSON or YAML and checks what it says; problems get their places.
pub(crate) fn read_tree<T>(text: &str, check: impl FnOnce(Value) -> Result<T, Errors>) -> Result<T, Errors> {
    let text = text.trim_start_matches('\u{feff}');
    check_size(text.len())?;
    let value = if text.trim_start().starts_with('{') { json(text) } else { yaml(text, true) }?;
    check(value).map_err(|errors| errors.located(text))
}

/// Checks that text is JSON or YAML, with tags of any kind.
pub(crate) fn check_template(text: &str) -> Result<(), Errors> {
    let text = text.trim_start_matches('\u{feff}');
    let value = if text.trim_start().starts_with('{') { json(text) } else { yaml(text, false) }?;
    match value {
        Value::Object(_) => Ok(()),
        other => Err(Errors::one("", format!("expected an object, found {}", described(&other)))),
    }
}

pub(crate) fn check_size(bytes: usize) -> Result<(), Errors> {
    if bytes > LARGEST {
        return Err(Errors::one(
            "",
            format!("the document has {bytes} bytes: at most {LARGEST} are allowed"),
        ));
    }
    Ok(())
}

/// Checks the bounds of a value that did not come from text.
pub(crate) fn check_value(value: &Value) -> Result<(), Errors> {
    check_size(json_length(value))?;
    if is_deeper(value, DEEPEST) {
        return Err(Errors::one("", too_deep()));
    }
    Ok(())
}

/// The length of a value's JSON without blanks, in bytes; a few more where that is quicker to tell.
fn json_length(value: &Value) -> usize {
    match value {
        Value::Null => NULL.len(),
        Value::Bool(_) => FALSE.len(),
        Value::Number(number) => number.to_string().len(),
        Value::String(text) => string_length(text),
        Value::Array(items) => BRACKETS + items.iter().map(|item| json_length(item) + COMMA).sum::<usize>(),
        Value::Object(object) => {
            let member =
                |(key, value): (&String, &Value)| string_length(key) + COLON + json_length(value) + COMMA;
            BRACKETS + object.iter().map(member).sum::<usize>()
        }
    }
}

/// The length of a string as JSON, with its quotes and what has to be escaped.
fn string_length(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        0..=0x1f => 5,
        _ => 0,
    };
    BRACKETS + text.len() + text.bytes().map(escaped).sum::<usize>()
}

fn is_deeper(value: &Value, left: usize) -> bool {
    let deeper = |value: &Value| left == 0 || is_deeper(value, left - 1);
    match value {
        Value::Array(items) => left == 0 || items.iter().any(deeper),
        Value::Object(object) => left == 0 || object.values().any(deeper),
        _ => false,
    }
}

fn too_deep() -> String {
    format!("lists and objects are nested more than {DEEPEST} deep")
}

fn json(text: &str) -> Result<Value, Errors> {
    unique_json(text).map_err(|error| {
        let message = format!("the document is not valid JSON: {}", json_reason(&error));
        Errors::at("", message, Position::new(error.line(), error.column()))
    })
}

pub(crate) fn yaml(text: &str, tags_are_refused: bool) -> Result<Value, Errors> {
    let budget = Cell::new(LARGEST);
    let visitor = Unique { budget: &budget, left: DEEPEST };
    let options = yaml_options(tags_are_refused);
    let read = serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
        visitor.deserialize(deserializer)
    });
    read.map_err(|error| {
        // The parser's texts may hold characters of the document that would upset a terminal.
        let reason = UserMessageFormatter.format_message(&error).replace(char::is_control, " ");
        let message = format!("{NEITHER}{reason}");
        match error.location() {
            Some(location) => {
                let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
                Errors::at("", message, Position::new(number(location.line()), number(location.column())))
            }
            None => Errors::one("", message),
        }
    })
}

fn yaml_options(tags_are_refused: bool) -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_documents: 1, max_aliases: 1_000 },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MOST_REPEATED_NODES },
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: tags_are_refused,
        with_snippet: false,
    }
}

/// Reads a JSON object none of whose objects has a key twice.
pub(crate) fn json_object(text: &str) -> Result<Map<String, Value>, String> {
    match unique_json(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(format!("expected a JSON object, found {}", described(&other))),
        Err(error) => Err(format!("expected a JSON object: {error}")),
    }
}

fn unique_json(text: &str) -> serde_json::Result<Value> {
    let budget = Cell::new(LARGEST);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Unique { budget: &budget, left: DEEPEST }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// What is wrong, without the place, which a problem has beside its message.
fn json_reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

/// Builds a JSON value none of whose objects has a key twice, within bounds.
#[derive(Clone, Copy)]
struct Unique<'b> {
    /// The bytes of canonical JSON that may still come.
    budget: &'b Cell<usize>,
    /// The levels of nesting that may still come.
    left: usize,
}

impl Unique<'_> {
    fn spend<E: serde::de::Error>(self, bytes: usize) -> Result<(), E> {
        match self.budget.get().checked_sub(bytes) {
            Some(left) => {
                self.budget.set(left);
                Ok(())
            }
            None => Err(E::custom(format_args!(
                "as JSON, with its aliases replaced, the document has more than {LARGEST} bytes"
            ))),
        }
    }

    fn number<E: serde::de::Error>(self, number: Number) -> Result<Value, E> {
        self.spend(number.to_string().len()).map(|()| Value::Number(number))
    }

    /// What is in a list or object.
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        self.spend(BRACKETS)?;
        let left = self.left.checked_sub(1).ok_or_else(|| E::custom(too_deep()))?;
        Ok(Self { left, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        self.spend(NULL.len()).map(|()| Value::Null)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        self.spend(FALSE.len()).map(|()| Value::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        self.number(value.into())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        self.number(value.into())
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "JSON numbers this long are floating point to every reader"
    )]
    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<Value, E> {
        self.visit_f64(value as f64)
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "JSON numbers this long are floating point to every reader"
    )]
    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Value, E> {
        self.visit_f64(value as f64)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number that JSON cannot hold"))?;
        self.number(number)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        self.spend(string_length(&value))?;
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut values = Vec::new();
        while let Some(value) = access.next_element_seed(inner)? {
            self.spend(COMMA)?;
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut values = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            self.spend(string_length(&key) + COLON + COMMA)?;
            if values.contains_key(&key) {
                return Err(A::Error::custom(format_args!("key {key:?} is given twice")));
            }
            values.insert(key, access.next_value_seed(inner)?);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests;
