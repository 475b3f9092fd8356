//! `sourceInfo`: what says where the content is, an object or its JSON text.

use keelson_document::{input, type_name};
use serde_json::{Map, Value};

/// What a reference to a secret begins with.
const SECRET_REFERENCE: &str = "ssm-secure:";

/// The fields of a `sourceInfo`. Their names are found without regard to case. Some are secrets, so that no message
/// shows a value: only what kind it is, in the real agent's words.
#[derive(Debug)]
pub struct SourceInfo {
    fields: Map<String, Value>,
    format: &'static Format,
}

/// How the real agent names the `sourceInfo` of a source type.
#[derive(Debug)]
pub struct Format {
    /// What comes before the reason when it cannot be read.
    pub prefix: &'static str,
    /// Its type, with the package.
    pub type_name: &'static str,
}

impl SourceInfo {
    /// Reads the input.
    pub fn read(input: &Value, format: &'static Format) -> Result<Self, String> {
        let parsed = match input {
            Value::String(text) => {
                serde_json::from_str(text).map_err(|error| format!("{}{error}", format.prefix))?
            }
            other => other.clone(),
        };
        match parsed {
            Value::Object(fields) => Ok(Self { fields, format }),
            other => {
                let (prefix, wanted) = (format.prefix, format.type_name);
                Err(format!(
                    "{prefix}json: cannot unmarshal {} into Go value of type {wanted}",
                    type_name(&other)
                ))
            }
        }
    }

    /// A text without blanks around it; empty where there is none.
    pub fn text(&self, name: &str) -> Result<String, String> {
        match input(&self.fields, name) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.trim().to_owned()),
            Some(other) => Err(self.wrong_kind(name, other, "string")),
        }
    }

    /// A Boolean, false where there is none. Its text does not do.
    pub fn flag(&self, name: &str) -> Result<bool, String> {
        match input(&self.fields, name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.wrong_kind(name, other, "bool")),
        }
    }

    /// A text that may be a secret, which a reference to the parameter store cannot stand for yet.
    pub fn secret(&self, name: &str) -> Result<String, String> {
        let text = self.text(name)?;
        let is_reference =
            text.split("{{").skip(1).any(|rest| rest.trim_start().starts_with(SECRET_REFERENCE));
        if is_reference {
            return Err(format!(
                "SourceInfo {name} is a {{{{ssm-secure:...}}}} reference, which this version of keelson-agent does not \
                 support: use a source that needs no secret"
            ));
        }
        Ok(text)
    }

    /// Says what is wrong with a field as with the whole.
    pub fn refuse(&self, reason: &str) -> String {
        format!("{}{reason}", self.format.prefix)
    }

    fn wrong_kind(&self, name: &str, found: &Value, wanted: &str) -> String {
        let structure = self.format.type_name.rsplit('.').next().unwrap_or_default();
        let found = type_name(found);
        self.refuse(&format!(
            "json: cannot unmarshal {found} into Go struct field {structure}.{name} of type {wanted}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FORMAT: Format = Format { prefix: "no: ", type_name: "a.Info" };

    fn read(value: &Value) -> SourceInfo {
        SourceInfo::read(value, &FORMAT).unwrap()
    }

    #[test]
    fn an_object_and_its_text_say_the_same() {
        for input in [json!({"URL": " x "}), json!("{\"URL\": \" x \"}")] {
            assert_eq!(read(&input).text("url").unwrap(), "x");
        }
        assert_eq!(read(&json!({"a": null})).text("a").unwrap(), "");
        assert_eq!(read(&json!({"a": "1", "A": "2"})).text("a").unwrap(), "1");
    }

    #[test]
    fn wrong_shapes_are_named_and_never_shown() {
        for input in [json!(["hush"]), json!("[\"hush\"]"), json!("\"hush\""), json!("{\"password\": hush}")]
        {
            let reason = SourceInfo::read(&input, &FORMAT).unwrap_err();
            assert!(reason.starts_with("no: ") && !reason.contains("hush"), "{reason}");
        }
        let info = read(&json!({"password": ["hush"], "allowInsecureDownload": "true"}));
        assert_eq!(
            [info.text("password").unwrap_err(), info.flag("allowInsecureDownload").unwrap_err()],
            [
                "no: json: cannot unmarshal array into Go struct field Info.password of type string",
                "no: json: cannot unmarshal string into Go struct field Info.allowInsecureDownload of type bool"
            ]
        );
    }

    #[test]
    fn a_reference_to_a_secret_is_refused_and_a_brace_is_none() {
        let info = read(&json!({"a": "{{ ssm-secure:token }}", "b": "{{x", "c": "x{{ssm-secure:token}}"}));
        assert!(info.secret("a").unwrap_err().contains("does not support"));
        assert!(info.secret("c").is_err());
        assert_eq!(info.secret("b").unwrap(), "{{x");
    }
}
