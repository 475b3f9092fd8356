//! What a word of YAML that stands without quotes is: the core schema of YAML 1.2, but for numbers with leading zeros.

use std::borrow::Cow;

use serde_json::{Number, Value};

/// The value of a plain word. Numbers that JSON does not have (`.nan`, `.inf`) are refused.
pub(super) fn resolve(text: Cow<'_, str>) -> Result<Value, String> {
    match &*text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    // Most words are no numbers, and that shows at their first letter.
    if !text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) {
        return Ok(Value::String(text.into_owned()));
    }
    if is_not_finite(&text) {
        return Err(format!("{text} is a number that JSON cannot hold"));
    }
    match number(&text) {
        Some(Ok(number)) => Ok(Value::Number(number)),
        Some(Err(())) => Err(format!("{text} is a number that JSON cannot hold")),
        None => Ok(Value::String(text.into_owned())),
    }
}

/// The value of a plain word as kubectl, Helm and Kustomize read it, by YAML 1.1: `yes` is no text there, and neither are
/// `0755` and `1_000`.
pub(super) fn resolve_as_kubectl(text: Cow<'_, str>) -> Result<Value, String> {
    match &*text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Ok(Value::Bool(true)),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Ok(Value::Bool(false)),
        _ => {}
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || "+-".contains(first)) {
        return resolve(text);
    }
    let plain = text.replace('_', "");
    if let Some(number) = with_leading_zero(&plain) {
        return Ok(number);
    }
    match resolve(Cow::from(plain))? {
        Value::String(_) => Ok(Value::String(text.into_owned())),
        number => Ok(number),
    }
}

/// The number that a word is which begins with `0` and, in YAML 1.1, has another radix for that where its digits allow.
fn with_leading_zero(text: &str) -> Option<Value> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.strip_prefix('0').filter(|digits| !digits.is_empty())?;
    let (radix, digits) = match digits.split_at_checked(1) {
        Some(("x" | "X", rest)) => (16, rest),
        Some(("o" | "O", rest)) => (8, rest),
        Some(("b" | "B", rest)) => (2, rest),
        _ => (8, digits),
    };
    if let Ok(value) = u32::from_str_radix(digits, radix)
        && !digits.starts_with('+')
    {
        let value = i64::from(value);
        return Some(if text.starts_with('-') { -value } else { value }.into());
    }
    is_decimal(unsigned).then(|| text.parse::<f64>().ok().map(Value::from))?
}

fn is_not_finite(text: &str) -> bool {
    matches!(text.trim_start_matches(['+', '-']), ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN")
}

/// The number that a word is, if it is one; an error if it is beyond what JSON can hold.
fn number(text: &str) -> Option<Result<Number, ()>> {
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let is_number = !digits.starts_with(['+', '-']);
            return u64::from_str_radix(digits, radix)
                .ok()
                .filter(|_| is_number)
                .map(|value| Ok(value.into()));
        }
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let leads_with_zero = unsigned.starts_with('0')
        && unsigned.get(1..2).is_some_and(|next| next.bytes().all(|byte| byte.is_ascii_digit()));
    if leads_with_zero || !is_decimal(unsigned) {
        return None;
    }
    let whole = text.strip_prefix('+').unwrap_or(text);
    if let Ok(value) = whole.parse::<i64>() {
        return Some(Ok(value.into()));
    }
    if let Ok(value) = whole.parse::<u64>() {
        return Some(Ok(value.into()));
    }
    whole.parse::<f64>().ok().map(|value| Number::from_f64(value).ok_or(()))
}

/// Whether a word is `digits`, `digits.digits`, `.digits` or `digits.`, each with an exponent or without.
fn is_decimal(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_exponent = |text: &str| {
        let text = text.strip_prefix(['+', '-']).unwrap_or(text);
        !text.is_empty() && digits(text)
    };
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(is_exponent)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_what_the_core_schema_says() {
        for (text, value) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("NULL", json!(null)),
            ("True", json!(true)),
            ("FALSE", json!(false)),
            ("0", json!(0)),
            ("-0", json!(0)),
            ("+5", json!(5)),
            ("-17", json!(-17)),
            ("18446744073709551615", json!(u64::MAX)),
            ("12345678901234567890123", json!(1.234_567_890_123_456_8e22)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("1.50", json!(1.5)),
            (".5", json!(0.5)),
            ("5.", json!(5.0)),
            ("0.1", json!(0.1)),
            ("1e3", json!(1000.0)),
            ("-1.5E-3", json!(-0.0015)),
        ] {
            assert_eq!(resolve(text.into()), Ok(value), "{text:?}");
        }
    }

    #[test]
    fn other_words_are_text() {
        for text in [
            "yes",
            "No",
            "on",
            "OFF",
            "tRUE",
            "0755",
            "-01",
            "00",
            "1_000",
            "1:30",
            "2.2.1",
            "1e",
            "e5",
            "0x",
            "0x+1",
            "0xfffffffffffffffffff",
            "0b1",
            "-",
            "+",
            ".",
            "--1",
            "1 2",
            ".e5",
            "infinity",
            "nan",
            "+.5.",
            "é",
            "２",
        ] {
            assert_eq!(resolve(text.into()), Ok(json!(text)), "{text:?}");
        }
    }

    #[test]
    fn numbers_that_json_does_not_have_are_refused() {
        for text in [".nan", ".INF", "-.inf", "+.Inf", "1e400", "-1e999"] {
            assert!(resolve(text.into()).unwrap_err().contains("JSON cannot hold"), "{text:?}");
        }
    }
}
