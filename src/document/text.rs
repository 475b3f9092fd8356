//! From text to a JSON value, with bounds: no document that a user can write costs more than its size allows.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::document::Document;
use crate::errors::{Errors, described};
use crate::read;

/// The largest document that is read, in bytes of its text; AWS allows 64 KiB.
const LARGEST: usize = 1024 * 1024;
/// How many YAML nodes an alias may repeat in all.
const MOST_REPEATED_NODES: usize = 20_000;

/// Reads a document from JSON (text that begins with `{`) or else YAML, and checks it.
///
/// A key that is given twice is refused. Of YAML, `yes`, `no`, `on` and `off` are text and so are numbers with
/// leading zeros, as their author most likely meant.
pub fn parse(text: &str) -> Result<Document, Errors> {
    let text = text.trim_start_matches('\u{feff}');
    check_size(text.len())?;
    if text.trim_start().starts_with('{') {
        let value: Unique = serde_json::from_str(text)
            .map_err(|error| Errors::one("", format!("the document is not valid JSON: {error}")))?;
        read::document(value.0)
    } else {
        let value: Unique = serde_saphyr::from_str_with_options(text, yaml_options()).map_err(|error| {
            Errors::one(
                "",
                format!("the document is neither JSON (which begins with '{{') nor valid YAML: {error}"),
            )
        })?;
        read::document(value.0)
    }
}

/// Checks a document that has been parsed already, such as the content of a Kubernetes object.
pub fn from_value(value: Value) -> Result<Document, Errors> {
    check_size(value.to_string().len())?;
    read::document(value)
}

fn check_size(bytes: usize) -> Result<(), Errors> {
    if bytes > LARGEST {
        return Err(Errors::one(
            "",
            format!("the document has {bytes} bytes: at most {LARGEST} are allowed"),
        ));
    }
    Ok(())
}

fn yaml_options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_documents: 1, max_aliases: 1_000 },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MOST_REPEATED_NODES },
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// Reads a JSON object none of whose objects has a key twice.
pub(crate) fn json_object(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str::<Unique>(text) {
        Ok(Unique(Value::Object(object))) => Ok(object),
        Ok(Unique(other)) => Err(format!("expected a JSON object, found {}", described(&other))),
        Err(error) => Err(format!("expected a JSON object: {error}")),
    }
}

/// A JSON value none of whose objects has a key twice.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> DeserializeSeed<'de> for UniqueVisitor {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
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
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that JSON cannot hold"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = access.next_element_seed(Self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if values.contains_key(&key) {
                return Err(A::Error::custom(format_args!("key {key:?} is given twice")));
            }
            values.insert(key, access.next_value_seed(Self)?);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests;
