//! How large a document may be, measured by its JSON, in which it is kept and sent.

use std::cell::Cell;

use serde_json::Value;

/// The largest document that is read, in bytes of its text, and of its canonical JSON. AWS allows 64 KiB; the largest
/// published ones have 84.
pub(crate) const LARGEST: usize = 256 * 1024;
/// The largest text of manifests, in bytes: room for a list of a great many documents.
pub(super) const LARGEST_MANIFEST: usize = 16 * 1024 * 1024;
/// How deeply lists and objects may be nested.
pub(crate) const DEEPEST: usize = 64;

/// What the parts of JSON take beside strings and numbers, in bytes.
const NULL: &str = "null";
const TRUE: &str = "true";
const FALSE: &str = "false";
const BRACKETS: usize = 2;
const COMMA: usize = 1;
const COLON: usize = 1;

/// What a document that is being read may still take.
pub(super) struct Budget {
    largest: usize,
    left: Cell<usize>,
}

impl Budget {
    pub(super) fn new(largest: usize) -> Self {
        Self { largest, left: Cell::new(largest) }
    }

    /// Takes what a value has as JSON, for a list or object only what is around its content, or says that there is too
    /// much.
    pub(super) fn spend(&self, value: &Value) -> Result<(), String> {
        self.take(match value {
            Value::Array(items) => brackets(items.is_empty()),
            Value::Object(members) => brackets(members.is_empty()),
            scalar => json_length(scalar),
        })
    }

    /// Takes what a value has as JSON with all that is in it.
    pub(super) fn spend_whole(&self, value: &Value) -> Result<(), String> {
        self.take(json_length(value))
    }

    /// Takes what an element of a list needs beside itself.
    pub(super) fn spend_element(&self) -> Result<(), String> {
        self.take(COMMA)
    }

    /// Takes what a member of an object needs beside its value.
    pub(super) fn spend_key(&self, key: &str) -> Result<(), String> {
        self.take(string_length(key) + COLON + COMMA)
    }

    fn take(&self, bytes: usize) -> Result<(), String> {
        let left = self.left.get().checked_sub(bytes).ok_or_else(|| {
            format!("as JSON, with its aliases replaced, the document has more than {} bytes", self.largest)
        })?;
        self.left.set(left);
        Ok(())
    }
}

/// What is around the content of a list or object, with one comma less than it has elements.
fn brackets(is_empty: bool) -> usize {
    if is_empty { BRACKETS } else { BRACKETS - COMMA }
}

/// The length of a value's JSON without blanks, in bytes.
pub(super) fn json_length(value: &Value) -> usize {
    match value {
        Value::Null => NULL.len(),
        Value::Bool(true) => TRUE.len(),
        Value::Bool(false) => FALSE.len(),
        Value::Number(number) => number.to_string().len(),
        Value::String(text) => string_length(text),
        Value::Array(items) => {
            brackets(items.is_empty()) + items.iter().map(|item| json_length(item) + COMMA).sum::<usize>()
        }
        Value::Object(object) => {
            let member =
                |(key, value): (&String, &Value)| string_length(key) + COLON + json_length(value) + COMMA;
            brackets(object.is_empty()) + object.iter().map(member).sum::<usize>()
        }
    }
}

/// The length of a string as JSON, with its quotes and what has to be escaped.
fn string_length(text: &str) -> usize {
    /// So few bytes that what they need more fits into a byte: the processor adds up many of those at once.
    const CHUNK: usize = 32;
    let escaped = |byte: &u8| {
        let is_short = matches!(byte, b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c);
        u8::from(is_short) + 5 * u8::from(*byte < 0x20 && !is_short)
    };
    let more = |chunk: &[u8]| usize::from(chunk.iter().map(escaped).sum::<u8>());
    BRACKETS + text.len() + text.as_bytes().chunks(CHUNK).map(more).sum::<usize>()
}

/// Whether a value is nested more than `left` deep.
pub(super) fn is_deeper(value: &Value, left: usize) -> bool {
    let deeper = |value: &Value| left == 0 || is_deeper(value, left - 1);
    match value {
        Value::Array(items) => left == 0 || items.iter().any(deeper),
        Value::Object(object) => left == 0 || object.values().any(deeper),
        _ => false,
    }
}

pub(super) fn too_deep() -> String {
    format!("lists and objects are nested more than {DEEPEST} deep")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_measured_as_its_json_is() {
        let value = json!({
            "a\"\u{1}": [null, true, false, -1, 2.5, "é\n\t\u{8}\u{c}\u{7f}/\\"], "b": {}, "c": []});
        assert_eq!(json_length(&value), value.to_string().len());
    }
}
