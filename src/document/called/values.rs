//! The values of a called document's parameters, checked as the agent checks them, with its texts.

use serde_json::{Map, Value};

use crate::document::Document;
use crate::errors::{Errors, described};
use crate::parameter::{ParameterDefinition, ParameterType};
use crate::{go_text, precondition, text};

/// Why a called document cannot have the values that its caller gives.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalledValuesError {
    /// A text that is no object.
    #[error(
        "Unmarshalling document parameters failed. Please make sure the parameters are specified in the right format: \
         write an object, as JSON or YAML ({0})"
    )]
    Unreadable(String),
    /// Neither an object nor a text.
    #[error("parameter type specified to run document is unknown")]
    UnknownShape,
    /// Values that the document does not allow, one a line.
    #[error("all errors during param validation errors: {0}")]
    Refused(String),
}

/// The values of `document`'s parameters where a step runs it with these `documentParameters`: an object, or the text
/// of one as JSON or YAML.
///
/// As the agent has it, a value's type is not looked at, a name that the document does not declare is no error, null
/// means the default, and a parameter with neither value nor default is null. Unlike a Command's parameters they are
/// known on the node only, so what is wrong with them is the failure of a step.
pub fn bind_called(
    document: &Document,
    document_parameters: &Value,
) -> Result<Map<String, Value>, CalledValuesError> {
    let mut values = given(document_parameters)?;
    values.retain(|_, value| !value.is_null());
    for (name, definition) in &document.parameters {
        if !values.contains_key(name) {
            values.insert(name.clone(), definition.default.clone().unwrap_or_default());
        }
    }
    let patterns = document.parameters.iter().filter_map(|(name, definition)| {
        let reason = pattern_fault(definition, values.get(name)?)?;
        Some(fault("AllowedRegexParamValidator", name, &reason))
    });
    let limits = document.parameters.iter().flat_map(|(name, definition)| {
        let faults = values.get(name).map(|value| limit_faults(definition, value)).unwrap_or_default();
        faults.into_iter().map(move |(validator, reason)| fault(validator, name, &reason))
    });
    let faults: Vec<String> = patterns.chain(limits).collect();
    if faults.is_empty() { Ok(values) } else { Err(CalledValuesError::Refused(faults.join("\n"))) }
}

fn given(parameters: &Value) -> Result<Map<String, Value>, CalledValuesError> {
    match parameters {
        Value::Null => Ok(Map::new()),
        Value::Object(values) => Ok(values.clone()),
        Value::String(written) => {
            let read =
                serde_json::from_str(written).or_else(|_| text::yaml(written, text::Dialect::Document));
            match read.map_err(|errors| unreadable(&errors))? {
                Value::Null => Ok(Map::new()),
                Value::Object(values) => Ok(values),
                other => Err(CalledValuesError::Unreadable(format!("found {}", described(&other)))),
            }
        }
        _ => Err(CalledValuesError::UnknownShape),
    }
}

fn unreadable(errors: &Errors) -> CalledValuesError {
    let text = errors.to_string();
    CalledValuesError::Unreadable(text.strip_prefix(text::NEITHER).unwrap_or(&text).to_owned())
}

fn fault(validator: &str, name: &str, reason: &str) -> String {
    format!("error thrown in '{validator}' while validating parameter /{name}/: {reason}")
}

/// The texts that are checked one by one: the items of a list, any other value as a whole.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().map(go_text::as_text).collect(),
        other => vec![go_text::as_text(other)],
    }
}

/// A value as a message shows it; what may be a secret is not shown.
fn shown<'a>(definition: &ParameterDefinition, text: &'a str) -> &'a str {
    if definition.is_environment() { "not shown" } else { text }
}

/// Whether a value has no text that could be checked.
fn is_textless(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(_) | Value::Number(_))
}

fn wrong_type(definition: &ParameterDefinition, value: &Value) -> String {
    let text = go_text::as_message(value);
    format!("invalid parameter type {} with parameter value {}", definition.kind, shown(definition, &text))
}

fn refers_to_store(value: &Value) -> bool {
    texts(value).iter().any(|text| precondition::has_ssm_reference(text))
}

fn pattern_fault(definition: &ParameterDefinition, value: &Value) -> Option<String> {
    let pattern = definition.allowed_pattern.as_ref()?;
    if is_textless(value) {
        return Some(wrong_type(definition, value));
    }
    let misfit = texts(value)
        .into_iter()
        .find(|text| !precondition::has_ssm_reference(text) && !pattern.is_match(text))?;
    Some(format!(
        "parameter value /{}/ does not match the allowed pattern /{}/",
        shown(definition, &misfit),
        pattern.as_str()
    ))
}

/// What is wrong with lengths, numbers of items and allowed values, in the agent's order.
fn limit_faults(definition: &ParameterDefinition, value: &Value) -> Vec<(&'static str, String)> {
    if refers_to_store(value) {
        return Vec::new();
    }
    let checks = [
        ("MinMaxCharParamValidator", length_fault(definition, value)),
        ("MinMaxItemParamValidator", items_fault(definition, value)),
        ("AllowedValueParamValidator", allowed_fault(definition, value)),
    ];
    checks.into_iter().filter_map(|(validator, reason)| Some((validator, reason?))).collect()
}

fn length_fault(definition: &ParameterDefinition, value: &Value) -> Option<String> {
    let (min, max) = (definition.min_chars, definition.max_chars);
    if min.or(max).is_none() || is_number_or_boolean(definition) {
        return None;
    }
    if is_textless(value) {
        return Some(wrong_type(definition, value));
    }
    texts(value).iter().find_map(|text| {
        let length = text.chars().count() as u64;
        let shown = shown(definition, text);
        if let Some(min) = min.filter(|min| length < *min) {
            Some(format!("parameter value /{shown}/ is less than the min char limit /{min}/"))
        } else {
            let max = max.filter(|max| length > *max)?;
            Some(format!("parameter value /{shown}/ is exceeding the max chars /{max}/"))
        }
    })
}

fn items_fault(definition: &ParameterDefinition, value: &Value) -> Option<String> {
    let (min, max) = (definition.min_items, definition.max_items);
    if min.or(max).is_none() || is_number_or_boolean(definition) || definition.kind == ParameterType::String {
        return None;
    }
    let count = match value {
        Value::String(_) => return None,
        Value::Array(items) => items.len() as u64,
        Value::Object(object) => object.len() as u64,
        other => return Some(wrong_type(definition, other)),
    };
    if min.is_some_and(|min| count < min) {
        Some(format!("parameter value list length /{count}/ is less the min item count"))
    } else {
        let max = max.filter(|max| count > *max)?;
        Some(format!("parameter value list length /{max}/ has exceeded the max item count"))
    }
}

fn allowed_fault(definition: &ParameterDefinition, value: &Value) -> Option<String> {
    let allowed = definition.allowed_values.as_ref().filter(|allowed| !allowed.is_empty())?;
    if value.is_null() || (is_textless(value) && !is_number_or_boolean(definition)) {
        return Some(wrong_type(definition, value));
    }
    let misfit = texts(value).into_iter().find(|text| !allowed.contains(text))?;
    let shown = shown(definition, &misfit);
    Some(format!("parameter value /{shown}/ is not in the allowed list [{}]", allowed.join(" ")))
}

fn is_number_or_boolean(definition: &ParameterDefinition) -> bool {
    matches!(definition.kind, ParameterType::Integer | ParameterType::Boolean)
}
