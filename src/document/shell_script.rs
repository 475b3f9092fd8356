//! The inputs of the script plugins, `aws:runShellScript` and `aws:runPowerShellScript`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::plugin_inputs::{InputsError, Reader, input};

/// How long a script may run if it does not say, in seconds.
const DEFAULT_TIMEOUT: i64 = 3600;
/// The seconds that a script may ask for; anything else means the default.
const TIMEOUTS: std::ops::RangeInclusive<i64> = 5..=172_800;
/// By which bash ends a script at the first command that fails.
const STRICT: [&str; 4] = ["-e", "-u", "-o", "pipefail"];

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
        let reader =
            Reader { inputs, whole: "runscript.RunScriptPluginInput", fields: "RunScriptPluginInput" };
        for (key, value) in reader.sorted()? {
            match key.to_ascii_lowercase().as_str() {
                "runcommand" => script.run_command = reader.strings(value, "RunCommand")?,
                "environment" => script.environment.extend(reader.variables(value, "Environment")?),
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

/// What a strict run hands to bash before the script's path, where the script is one for `sh` or `bash`: what makes it
/// strict, and the arguments of a `#!` line. Other interpreters read their scripts themselves.
pub fn strict_arguments(script: &str) -> Option<Vec<String>> {
    let Some(line) = script.lines().next().and_then(|line| line.strip_prefix("#!")) else {
        return Some(STRICT.map(str::to_owned).to_vec());
    };
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    let mut program = words.next()?.rsplit('/').next();
    if program == Some("env") {
        program = words.find(|word| *word != "-S");
    }
    let is_shell = matches!(program?.rsplit('/').next(), Some("sh" | "bash"));
    is_shell.then(|| {
        // bash takes those of several letters only before all others.
        let (long, short): (Vec<&str>, Vec<&str>) =
            words.partition(|word| word.starts_with("--") && *word != "--");
        long.into_iter().chain(STRICT).chain(short).map(str::to_owned).collect()
    })
}

#[cfg(test)]
mod tests;
