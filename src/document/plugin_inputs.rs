//! How the agent's plugins read their inputs: keys without regard to case, shapes exactly, faults in the agent's words.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::go_text;

/// Inputs that have the wrong shape. The text is the agent's; it becomes the step's standard error, the code is 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "Invalid format in plugin properties {shown};\nerror json: cannot unmarshal {found} into Go {target}"
)]
pub struct InputsError {
    shown: String,
    found: &'static str,
    target: String,
}

/// Checks the `properties` of a step before schema 2.0, or one element of them, as far as every plugin needs them: an
/// object whose `id` is a text.
pub fn check_properties_id(inputs: &Value) -> Result<(), InputsError> {
    let reader = Reader { inputs, whole: "struct { ID string }", fields: "" };
    for (key, value) in reader.sorted()? {
        if key.eq_ignore_ascii_case("id") {
            reader.string(value, "ID")?;
        }
    }
    Ok(())
}

/// The Associations that an `aws:refreshAssociation` step names; all are meant where it names none.
pub fn refresh_associations(inputs: &Value) -> Result<Vec<String>, InputsError> {
    let reader = Reader {
        inputs,
        whole: "refreshassociation.RefreshAssociationPluginInput",
        fields: "RefreshAssociationPluginInput",
    };
    let mut names = Vec::new();
    for (key, value) in reader.sorted()? {
        if key.eq_ignore_ascii_case("associationIds") {
            names = reader.strings(value, "AssociationIds")?;
        }
    }
    names.retain(|name| !name.is_empty());
    Ok(names)
}

/// The input of this name; of several that differ in case, the last in sorted order.
pub fn input<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object
        .iter()
        .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        .max_by_key(|(key, _)| *key)
        .map(|(_, value)| value)
}

/// Reads fields, and words what is wrong with one as the agent does.
pub(crate) struct Reader<'a> {
    /// The interpolated inputs.
    pub inputs: &'a Value,
    /// What the agent calls the type of all inputs together.
    pub whole: &'static str,
    /// What it calls the type before a field's name.
    pub fields: &'static str,
}

impl<'a> Reader<'a> {
    /// The inputs in the agent's order, which decides what a second spelling of a key replaces and which fault is told.
    pub(crate) fn sorted(&self) -> Result<BTreeMap<&'a String, &'a Value>, InputsError> {
        match self.inputs {
            Value::Object(object) => Ok(object.iter().collect()),
            Value::Null => Ok(BTreeMap::new()),
            other => Err(self.error(other, format!("value of type {}", self.whole))),
        }
    }

    /// A list of texts; null is an empty one, and an empty text within it.
    pub(crate) fn strings(&self, value: &Value, field: &str) -> Result<Vec<String>, InputsError> {
        match value {
            Value::Null => Ok(Vec::new()),
            Value::Array(items) => {
                items.iter().map(|item| Ok(self.string(item, field)?.unwrap_or_default())).collect()
            }
            other => Err(self.field_error(other, field, "[]string")),
        }
    }

    /// An object of texts.
    pub(crate) fn variables(
        &self,
        value: &Value,
        field: &str,
    ) -> Result<BTreeMap<String, String>, InputsError> {
        match value {
            Value::Null => Ok(BTreeMap::new()),
            Value::Object(variables) => variables
                .iter()
                .map(|(name, value)| Ok((name.clone(), self.string(value, field)?.unwrap_or_default())))
                .collect(),
            other => Err(self.field_error(other, field, "map[string]string")),
        }
    }

    /// A text, if it is not null.
    pub(crate) fn string(&self, value: &Value, field: &str) -> Result<Option<String>, InputsError> {
        match value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            other => Err(self.field_error(other, field, "string")),
        }
    }

    fn field_error(&self, found: &Value, field: &str, wanted: &str) -> InputsError {
        self.error(found, format!("struct field {}.{field} of type {wanted}", self.fields))
    }

    fn error(&self, found: &Value, target: String) -> InputsError {
        InputsError { shown: go_text::as_message(self.inputs), found: go_text::type_name(found), target }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn properties_are_objects_with_a_text_as_id() {
        check_properties_id(&json!(null)).unwrap();
        check_properties_id(&json!({"ID": "a", "x": 5})).unwrap();
        assert_eq!(
            check_properties_id(&json!("nonsense")).unwrap_err().to_string(),
            "Invalid format in plugin properties nonsense;\nerror json: cannot unmarshal string into Go value of type \
             struct { ID string }"
        );
        assert_eq!(
            check_properties_id(&json!({"id": 5})).unwrap_err().to_string(),
            "Invalid format in plugin properties map[id:5];\nerror json: cannot unmarshal number into Go struct field \
             .ID of type string"
        );
    }

    #[test]
    fn associations_are_named_or_all_are_meant() {
        let names = |inputs: Value| refresh_associations(&inputs).unwrap();
        assert_eq!(names(json!({"associationIds": ["a", "b"]})), ["a", "b"]);
        for all in [json!({}), json!(null), json!({"associationIds": []}), json!({"AssociationIds": [""]})] {
            assert!(names(all).is_empty());
        }
        assert!(refresh_associations(&json!({"associationIds": "a"})).is_err());
    }
}
