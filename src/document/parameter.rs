//! A document's parameters: their types, and how texts become values of a type.

use std::fmt;

use serde_json::Value;

use crate::errors::{described, quoted};
use crate::pattern::Pattern;
use crate::{precondition, text};

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterType {
    /// One text.
    String,
    /// A list of texts.
    StringList,
    /// An object.
    StringMap,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A list of objects.
    MapList,
}

impl ParameterType {
    /// Every type.
    pub const ALL: [Self; 6] =
        [Self::String, Self::StringList, Self::StringMap, Self::Integer, Self::Boolean, Self::MapList];

    /// The type as a document writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::StringList => "StringList",
            Self::StringMap => "StringMap",
            Self::Integer => "Integer",
            Self::Boolean => "Boolean",
            Self::MapList => "MapList",
        }
    }

    /// Whether a value of it is a list, so that a Command may give any number of texts.
    pub fn is_list(self) -> bool {
        matches!(self, Self::StringList | Self::MapList)
    }

    /// `a String`, `an Integer`, for messages.
    pub(crate) fn with_article(self) -> String {
        format!("{} {self}", if self == Self::Integer { "an" } else { "a" })
    }

    /// The value that one text of a Command's parameter means.
    pub(crate) fn value_of_text(self, given: &str) -> Result<Value, String> {
        match self {
            Self::String | Self::StringList => Ok(given.into()),
            Self::StringMap | Self::MapList if precondition::is_ssm_reference(given) => Ok(given.into()),
            Self::StringMap | Self::MapList => text::json_object(given).map(Value::Object),
            Self::Integer => {
                given.parse::<i64>().map(Value::from).map_err(|_| "expected a whole number".to_owned())
            }
            Self::Boolean => match given.to_ascii_lowercase().as_str() {
                "true" => Ok(true.into()),
                "false" => Ok(false.into()),
                _ => Err("expected true or false".to_owned()),
            },
        }
    }

    /// The value that a default means, which is a JSON value of the type or, where that is plain, its text.
    pub(crate) fn value_of_default(self, default: &Value) -> Result<Value, String> {
        let fits = |item: &Value| if self == Self::MapList { item.is_object() } else { item.is_string() };
        let unfit = |expected: &str, mend: &str| {
            let kind = self.with_article();
            let found = match default.as_array().and_then(|items| items.iter().find(|item| !fits(item))) {
                Some(item) if self.is_list() => format!("a list with {}", described(item)),
                _ => described(default),
            };
            Err(format!("{kind} needs {expected} as its default, found {found}{mend}"))
        };
        match (self, default) {
            (Self::String, Value::Number(_) | Value::Bool(_)) => {
                unfit("a string", &format!(": write it in quotes, \"{default}\""))
            }
            (Self::StringList | Self::MapList | Self::StringMap, Value::String(text))
                if precondition::is_ssm_reference(text) =>
            {
                Ok(default.clone())
            }
            (Self::String, Value::String(_))
            | (Self::StringMap, Value::Object(_))
            | (Self::Boolean, Value::Bool(_)) => Ok(default.clone()),
            (Self::Integer, Value::Number(number)) if number.as_i64().is_some() => Ok(default.clone()),
            (Self::StringMap | Self::Integer | Self::Boolean, Value::String(text)) => {
                self.value_of_text(text).map_err(|reason| format!("{reason}, found {}", quoted(text)))
            }
            (Self::StringList | Self::MapList, Value::Array(items)) if items.iter().all(fits) => {
                Ok(default.clone())
            }
            (Self::String, _) => unfit("a string", ""),
            (Self::StringList, _) => unfit("a list of strings", ""),
            (Self::StringMap, _) => unfit("an object", ""),
            (Self::Integer, _) => unfit("a whole number", ""),
            (Self::Boolean, _) => unfit("true or false", ""),
            (Self::MapList, _) => unfit("a list of objects", ""),
        }
    }
}

impl fmt::Display for ParameterType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// How a parameter reaches a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interpolation {
    /// As text in place of `{{ name }}` only.
    #[default]
    Text,
    /// Also as the environment variable `SSM_` and the name, which no value can break out of.
    EnvVar,
}

/// What a document says of one parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterDefinition {
    /// Its type.
    pub kind: ParameterType,
    /// What it is for.
    pub description: Option<String>,
    /// The value if none is given. Without one, a Command has to give it.
    pub default: Option<Value>,
    /// The only texts that are allowed, if any are named.
    pub allowed_values: Option<Vec<String>>,
    /// What each text has to match somewhere.
    pub allowed_pattern: Option<Pattern>,
    /// The fewest characters of each text.
    pub min_chars: Option<u64>,
    /// The most characters of each text.
    pub max_chars: Option<u64>,
    /// The fewest items of a list or object.
    pub min_items: Option<u64>,
    /// The most items of a list or object.
    pub max_items: Option<u64>,
    /// How AWS's console shows it: `textfield` or `textarea`.
    pub display_type: Option<String>,
    /// How it reaches a script.
    pub interpolation: Interpolation,
}

impl ParameterDefinition {
    /// Whether scripts find the value in their environment. Only such a parameter may hold a secret, so no message
    /// shows its value.
    pub fn is_environment(&self) -> bool {
        self.interpolation == Interpolation::EnvVar
    }
}
