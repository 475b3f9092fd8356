//! The parameters of a runbook, and its variables, which are written alike. Their patterns are Java's and judged by
//! nobody here: what Java takes differs from what other engines take.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use crate::errors::{Problems, described, member, quoted};
use crate::fields::Fields;
use crate::parameter::ParameterType;
use crate::suggest;

use super::super::parameters::check_name;

const KEYS: [&str; 12] = [
    "type",
    "description",
    "default",
    "allowedValues",
    "allowedPattern",
    "minChars",
    "maxChars",
    "minItems",
    "maxItems",
    "minValue",
    "maxValue",
    "displayType",
];
/// The keys with a number, which may be written in quotes.
const LIMITS: [&str; 6] = ["minChars", "maxChars", "minItems", "maxItems", "minValue", "maxValue"];

/// A type whose values are names of AWS's resources, such as `AWS::EC2::Instance::Id`, alone or in a list.
#[allow(clippy::unwrap_used, reason = "the expression is a constant, and tests compile it")]
static RESOURCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("^(AWS(::[0-9A-Za-z]+){2,3}|List<(String|AWS(::[0-9A-Za-z]+){2,3})>)$").unwrap()
});

/// Checks a section of parameters or variables, and gives their names.
pub(super) fn read(document: &Fields<'_>, key: &str, problems: &mut Problems) -> Vec<String> {
    match document.get(key) {
        None => Vec::new(),
        Some(Value::Object(parameters)) => {
            for (name, value) in parameters {
                let path = member(key, name);
                check_name(name, &path, problems);
                match value {
                    Value::Object(object) => check(object, &path, problems),
                    other => {
                        problems
                            .add(path, format!("expected an object with a type, found {}", described(other)));
                    }
                }
            }
            parameters.keys().cloned().collect()
        }
        Some(other) => {
            problems.add(document.path_of(key), format!("expected an object, found {}", described(other)));
            Vec::new()
        }
    }
}

fn check(object: &Map<String, Value>, path: &str, problems: &mut Problems) {
    let fields = Fields::read(object, path, &KEYS, problems);
    for key in ["description", "allowedPattern", "displayType"] {
        fields.text(key, problems);
    }
    for key in LIMITS {
        if let Some(value) = fields.get(key)
            && value.as_i64().is_none()
            && value.as_str().is_none_or(|text| text.parse::<i64>().is_err())
        {
            problems.add(fields.path_of(key), format!("expected a whole number, found {}", described(value)));
        }
    }
    if let Some(value) = fields.get("allowedValues").filter(|value| !value.is_array()) {
        problems.add(fields.path_of("allowedValues"), format!("expected a list, found {}", described(value)));
    }
    if let (Some(kind), Some(default)) = (kind(&fields, problems), fields.get("default"))
        && let Err(reason) = kind.value_of_default(default)
    {
        problems.add(fields.path_of("default"), reason);
    }
}

/// The type, if it is one whose defaults can be checked.
fn kind(fields: &Fields<'_>, problems: &mut Problems) -> Option<ParameterType> {
    const KEY: &str = "type";
    let names = ParameterType::ALL.map(ParameterType::as_str);
    let usual = || {
        format!(
            "use one of {}, or a type of AWS's resources such as AWS::EC2::Instance::Id",
            names.join(", ")
        )
    };
    if fields.get(KEY).is_none() {
        problems.add(fields.path_of(KEY), format!("is missing: {}", usual()));
    }
    let found = fields.text(KEY, problems)?;
    let kind = ParameterType::ALL.into_iter().find(|kind| kind.as_str() == found);
    if kind.is_none() && !RESOURCE.is_match(found) {
        let hint = suggest::hint(found, names);
        problems.add(fields.path_of(KEY), format!("{} is not a type{hint}: {}", quoted(found), usual()));
    }
    kind
}
