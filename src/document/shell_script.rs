//! The inputs of the script plugins, `aws:runShellScript` and `aws:runPowerShellScript`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::go_text;

/// How long a script may run if it does not say, in seconds.
const DEFAULT_TIMEOUT: i64 = 3600;
/// The seconds that a script may ask for; anything else means the default.
const TIMEOUTS: std::ops::RangeInclusive<i64> = 5..=172_800;

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

/// What to run and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptInputs {
    /// The lines of the script.
    pub run_command: Vec<String>,
    /// Where it runs; none if absent or empty.
    pub working_directory: Option<String>,
    /// How long it may run.
    pub timeout: Duration,
    /// Variables to add to its environment.
    pub environment: BTreeMap<String, String>,
    /// The name of its folder within the step's, in schema 1.2; empty if absent.
    pub id: String,
}

impl ScriptInputs {
    /// Reads interpolated inputs. Keys are found without regard to case, absent ones have their default, so a step
    /// without inputs is an empty script.
    pub fn parse(inputs: &Value) -> Result<Self, InputsError> {
        let mut script = Self {
            run_command: Vec::new(),
            working_directory: None,
            timeout: script_timeout(inputs),
            environment: BTreeMap::new(),
            id: String::new(),
        };
        let reader = Reader { inputs };
        // In the agent's order, which decides what a second spelling of a key replaces and which fault is reported.
        for (key, value) in reader.sorted()? {
            match key.to_ascii_lowercase().as_str() {
                "runcommand" => script.run_command = reader.lines(value)?,
                "environment" => script.environment.extend(reader.variables(value)?),
                "id" => script.id = reader.string(value, "ID")?.unwrap_or(script.id),
                "workingdirectory" => {
                    let directory = reader.string(value, "WorkingDirectory")?;
                    script.working_directory = directory.or(script.working_directory);
                }
                _ => {}
            }
        }
        script.working_directory = script.working_directory.filter(|directory| !directory.is_empty());
        Ok(script)
    }

    /// The script's file: the commands as lines, each ended by a newline.
    pub fn script_text(&self) -> String {
        self.run_command.join("\n") + "\n"
    }
}

/// How long a step with these interpolated inputs may run.
///
/// A fraction is cut off. Whatever is no number, or outside 5 to 172,800 seconds, means 3600 seconds.
pub fn script_timeout(inputs: &Value) -> Duration {
    let asked = match inputs.as_object().and_then(|object| input(object, "timeoutSeconds")) {
        Some(Value::Number(number)) => number.as_f64().map(seconds),
        Some(Value::String(text)) => text.parse::<i64>().ok().or_else(|| decimal(text).map(seconds)),
        _ => None,
    };
    let seconds = asked.filter(|seconds| TIMEOUTS.contains(seconds)).unwrap_or(DEFAULT_TIMEOUT);
    Duration::from_secs(seconds.unsigned_abs())
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "cutting the fraction off is the rule, the cast saturates"
)]
fn seconds(value: f64) -> i64 {
    value as i64
}

/// A decimal number as the agent reads it: no blanks, no names such as `inf`.
fn decimal(text: &str) -> Option<f64> {
    let digits = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    text.chars().all(digits).then(|| text.parse().ok()).flatten()
}

/// The input of this name; of several that differ in case, the last in sorted order.
pub(crate) fn input<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object
        .iter()
        .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        .max_by_key(|(key, _)| *key)
        .map(|(_, value)| value)
}

/// Reads fields, and words what is wrong with one as the agent does.
struct Reader<'a> {
    inputs: &'a Value,
}

impl<'a> Reader<'a> {
    fn sorted(&self) -> Result<BTreeMap<&'a String, &'a Value>, InputsError> {
        match self.inputs {
            Value::Object(object) => Ok(object.iter().collect()),
            Value::Null => Ok(BTreeMap::new()),
            other => Err(self.error(other, "value of type runscript.RunScriptPluginInput".to_owned())),
        }
    }

    fn lines(&self, value: &Value) -> Result<Vec<String>, InputsError> {
        match value {
            Value::Null => Ok(Vec::new()),
            Value::Array(lines) => {
                lines.iter().map(|line| Ok(self.string(line, "RunCommand")?.unwrap_or_default())).collect()
            }
            other => Err(self.field_error(other, "RunCommand", "[]string")),
        }
    }

    fn variables(&self, value: &Value) -> Result<BTreeMap<String, String>, InputsError> {
        match value {
            Value::Null => Ok(BTreeMap::new()),
            Value::Object(variables) => variables
                .iter()
                .map(|(name, value)| {
                    Ok((name.clone(), self.string(value, "Environment")?.unwrap_or_default()))
                })
                .collect(),
            other => Err(self.field_error(other, "Environment", "map[string]string")),
        }
    }

    fn string(&self, value: &Value, field: &str) -> Result<Option<String>, InputsError> {
        match value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            other => Err(self.field_error(other, field, "string")),
        }
    }

    fn field_error(&self, found: &Value, field: &str, wanted: &str) -> InputsError {
        self.error(found, format!("struct field RunScriptPluginInput.{field} of type {wanted}"))
    }

    fn error(&self, found: &Value, target: String) -> InputsError {
        InputsError { shown: go_text::as_message(self.inputs), found: go_text::type_name(found), target }
    }
}

#[cfg(test)]
mod tests;
