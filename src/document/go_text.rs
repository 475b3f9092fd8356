//! Values as text, the way the agent's language writes them: JSON for embedded values, and the plain form that its
//! messages show.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Number, Value};

use crate::sorted_json;

/// The text of a value that stands inside a longer text: a string as it is, anything else as JSON.
pub(crate) fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => {
            let mut text = String::new();
            sorted_json::write(other, &mut text, write_scalar);
            text
        }
    }
}

/// Numbers as 64-bit floating point, and `<`, `>`, `&` and two line separators escaped.
fn write_scalar(value: &Value, text: &mut String) {
    match value {
        Value::Number(number) => text.push_str(&json_number(number)),
        Value::String(value) => write_json_string(value, text),
        other => text.push_str(&other.to_string()),
    }
}

fn write_json_string(value: &str, text: &mut String) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\x1f' => {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{:04x}", u32::from(character));
            }
            other => text.push(other),
        }
    }
    text.push('"');
}

/// A number as JSON: plain digits from 1e-6 up to below 1e21, an exponent elsewhere.
fn json_number(number: &Number) -> String {
    let value = number.as_f64().unwrap_or_default();
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        with_exponent(value, 1)
    } else {
        format!("{value}")
    }
}

/// A number as messages show it: an exponent of two digits below 1e-4 and from 1e6 up.
fn plain_number(number: &Number) -> String {
    let value = number.as_f64().unwrap_or_default();
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e6).contains(&magnitude) {
        with_exponent(value, 2)
    } else {
        format!("{value}")
    }
}

/// Shortest digits and a signed exponent of at least `digits` digits: `1e+22`.
fn with_exponent(value: f64, digits: usize) -> String {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{mantissa}e{sign}{exponent:0>digits$}")
}

/// What the agent's messages call the type of a JSON value.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A value as the agent's messages show it: `map[environment:map[A:5] runCommand:[a b]]`.
pub(crate) fn as_message(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => plain_number(number),
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            let items: Vec<String> = values.iter().map(as_message).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(object) => {
            let sorted: BTreeMap<&String, &Value> = object.iter().collect();
            let items: Vec<String> =
                sorted.into_iter().map(|(key, value)| format!("{key}:{}", as_message(value))).collect();
            format!("map[{}]", items.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn embedded_lists_and_maps_are_json_with_html_escapes() {
        let value = json!({"b": ["<a href=\"x\">&\u{2028}é"], "a": {"n": null, "t": true}});
        assert_eq!(
            as_text(&value),
            r#"{"a":{"n":null,"t":true},"b":["\u003ca href=\"x\"\u003e\u0026\u2028é"]}"#
        );
        assert_eq!(as_text(&json!(["a\tb\u{8}\u{7f}\\"])), "[\"a\\tb\\u0008\u{7f}\\\\\"]");
    }

    #[test]
    fn numbers_go_through_64_bit_floating_point() {
        let text = |json: &str| as_text(&serde_json::from_str(json).unwrap());
        assert_eq!(text("12345678901234567890123"), "1.2345678901234568e+22");
        assert_eq!(text("5"), "5");
        assert_eq!(text("2.50"), "2.5");
        assert_eq!(text("9007199254740993"), "9007199254740992");
        assert_eq!(text("1e20"), "100000000000000000000");
        assert_eq!(text("1e21"), "1e+21");
        assert_eq!(text("0.000001"), "0.000001");
        assert_eq!(text("1e-7"), "1e-7");
        assert_eq!(text("-0.5"), "-0.5");
        assert_eq!(text("0"), "0");
    }

    #[test]
    fn messages_show_values_in_the_agents_way() {
        let value = json!({"runCommand": [["echo 1 <&0", "x"]], "environment": {"A": 5}, "id": null});
        assert_eq!(as_message(&value), "map[environment:map[A:5] id:<nil> runCommand:[[echo 1 <&0 x]]]");
        assert_eq!(as_message(&json!({})), "map[]");
    }
}
