//! Parameters as people write them: `NAME=VALUE`, JSON, or a file of JSON.

use std::fs;

use keelson_api::Parameters;
use serde_json::{Map, Value};

/// The parameters of all words. A value is taken whole, commas and all; a name given again makes a list; a value that
/// is a JSON list is one. A word that is a JSON object, or `@FILE` with one, gives several.
pub fn parameters(words: &[String]) -> Result<Parameters, String> {
    let mut found = Parameters::new();
    for word in words {
        if let Some(path) = word.strip_prefix('@').or_else(|| word.strip_prefix("file://")) {
            let text = fs::read_to_string(path).map_err(|error| format!("cannot read {path:?}: {error}"))?;
            add_object(&mut found, &text).map_err(|reason| format!("{path:?} {reason}"))?;
        } else if word.trim_start().starts_with('{') {
            add_object(&mut found, word).map_err(|reason| format!("{word:?} {reason}"))?;
        } else {
            match word.split_once('=') {
                Some((name, value)) if !name.is_empty() => {
                    found.entry(name.to_owned()).or_default().extend(values(value));
                }
                _ => return Err(format!("{word:?} is no NAME=VALUE, JSON object or @FILE")),
            }
        }
    }
    Ok(found)
}

fn add_object(found: &mut Parameters, text: &str) -> Result<(), String> {
    let object: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| format!("is no JSON object: {error}"))?;
    for (name, value) in object {
        let values = match value {
            Value::Array(elements) => elements.into_iter().map(text_of).collect(),
            other => vec![text_of(other)],
        };
        found.entry(name).or_default().extend(values);
    }
    Ok(())
}

/// A JSON list's elements; anything else, such as the test `[ -e /etc ]`, is one text.
fn values(text: &str) -> Vec<String> {
    match serde_json::from_str(text) {
        Ok(Value::Array(elements)) => elements.into_iter().map(text_of).collect(),
        _ => vec![text.to_owned()],
    }
}

fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(words: &[&str]) -> Value {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        serde_json::to_value(parameters(&words).unwrap()).unwrap()
    }

    #[test]
    fn a_value_is_taken_whole_and_a_name_given_again_makes_a_list() {
        let script = "for i in a,b; do echo \"$i=1, 2\"; done";
        assert_eq!(found(&[&format!("commands={script}")]), serde_json::json!({ "commands": [script] }));
        assert_eq!(
            found(&["commands=cd /tmp", "commands=[ -e x ] && ls", "executionTimeout=60"]),
            serde_json::json!({ "commands": ["cd /tmp", "[ -e x ] && ls"], "executionTimeout": ["60"] })
        );
        assert_eq!(found(&["user=@bob", "empty="]), serde_json::json!({ "user": ["@bob"], "empty": [""] }));
    }

    #[test]
    fn json_gives_lists_objects_and_files() {
        let expected = serde_json::json!({ "commands": ["uptime", "id"] });
        assert_eq!(found(&[r#"commands=["uptime", "id"]"#]), expected);
        assert_eq!(found(&[r#"{"commands": ["uptime", "id"]}"#]), expected);
        assert_eq!(
            found(&[r#"{"commands": "uptime", "count": 3, "map": {"a": 1}}"#]),
            serde_json::json!({ "commands": ["uptime"], "count": ["3"], "map": ["{\"a\":1}"] })
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, r#"{"commands": ["uptime", "id"]}"#).unwrap();
        assert_eq!(found(&[&format!("@{}", file.path().display())]), expected);
        assert_eq!(found(&[&format!("file://{}", file.path().display())]), expected);
    }

    #[test]
    fn what_is_neither_is_refused_by_name() {
        for (word, reason) in [
            ("uptime", "\"uptime\" is no NAME=VALUE, JSON object or @FILE"),
            ("=uptime", "\"=uptime\" is no NAME=VALUE"),
            ("{commands}", "\"{commands}\" is no JSON object"),
            ("@/does/not/exist", "cannot read \"/does/not/exist\": No such file"),
        ] {
            let refusal = parameters(&[word.to_owned()]).unwrap_err();
            assert!(refusal.starts_with(reason), "{refusal}");
        }
    }
}
