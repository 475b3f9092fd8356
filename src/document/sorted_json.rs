//! JSON without blanks and with its keys in order, whatever way scalars are to be written.

use std::collections::BTreeMap;

use serde_json::Value;

/// Appends `value` to `text`. `scalar` writes what is neither list nor object, and keys, as text values.
///
/// Keys are sorted here, since the order of `Map` depends on a feature that any crate of a build may switch on.
pub(crate) fn write(value: &Value, text: &mut String, scalar: fn(&Value, &mut String)) {
    match value {
        Value::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(value, text, scalar);
            }
            text.push(']');
        }
        Value::Object(object) => {
            let sorted: BTreeMap<&String, &Value> = object.iter().collect();
            text.push('{');
            for (index, (key, value)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                scalar(&Value::from(key.as_str()), text);
                text.push(':');
                write(value, text, scalar);
            }
            text.push('}');
        }
        other => scalar(other, text),
    }
}
