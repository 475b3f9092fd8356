//! JSON, within bounds, and without a key that is given twice.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::bounds::{Budget, DEEPEST, too_deep};

/// Reads a text whose value is at most `largest` bytes of JSON.
pub(super) fn read(text: &str, largest: usize) -> serde_json::Result<Value> {
    let budget = Budget::new(largest);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Builder { budget: &budget, left: DEEPEST }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// What is wrong, without the place, which a problem has beside its message.
pub(super) fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

/// The column of an error in characters; the error has it in bytes.
pub(super) fn column(text: &str, error: &serde_json::Error) -> usize {
    let line = text.split('\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let before = line.as_bytes().get(..error.column()).unwrap_or(line.as_bytes());
    String::from_utf8_lossy(before).chars().count()
}

#[derive(Clone, Copy)]
struct Builder<'b> {
    budget: &'b Budget,
    /// The levels of nesting that may still come.
    left: usize,
}

impl Builder<'_> {
    fn spent<E: Error>(self, value: Value) -> Result<Value, E> {
        self.budget.spend(&value).map_err(E::custom)?;
        Ok(value)
    }

    /// What is in a list or object.
    fn inner<E: Error>(self) -> Result<Self, E> {
        let left = self.left.checked_sub(1).ok_or_else(|| E::custom(too_deep()))?;
        Ok(Self { left, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Builder<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Builder<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.spent(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.spent(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.spent(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.spent(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number that JSON cannot hold"))?;
        self.spent(Value::Number(number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        self.spent(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut values = Vec::new();
        while let Some(value) = access.next_element_seed(inner)? {
            self.budget.spend_element().map_err(A::Error::custom)?;
            values.push(value);
        }
        self.spent(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut values = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            self.budget.spend_key(&key).map_err(A::Error::custom)?;
            if values.contains_key(&key) {
                return Err(A::Error::custom(format_args!("key {key:?} is given twice")));
            }
            values.insert(key, access.next_value_seed(inner)?);
        }
        self.spent(Value::Object(values))
    }
}
