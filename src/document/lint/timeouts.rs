//! Timeouts that the agent does not take: it runs the script with 3600 seconds and says nothing.

use std::time::Duration;

use serde_json::Value;

use super::subject::{input, step_inputs};
use super::{Rule, Warnings};
use crate::document::Document;
use crate::errors::{described, member};
use crate::plugins;
use crate::shell_script::script_timeout;

/// What a script gets that does not say, or not in a way that the agent reads.
const DEFAULT: Duration = Duration::from_secs(3600);

pub(super) fn check(document: &Document, warnings: &mut Warnings) {
    let steps = document.steps.iter().enumerate();
    for (index, _) in steps.filter(|(_, step)| plugins::is_script(&step.action)) {
        for (path, inputs) in step_inputs(document, index) {
            let Some((key, value)) = input(inputs, "timeoutSeconds") else { continue };
            if script_timeout(inputs) == DEFAULT && !means_default(value) {
                warnings.add(
                    Rule::TimeoutIgnored,
                    member(&path, key),
                    format!(
                        "{} is not taken and the script may run for 3600 seconds: write a whole number of seconds from \
                         5 to 172800",
                        described(value)
                    ),
                );
            }
        }
    }
}

/// Whether the default is what was asked for, or a parameter decides.
fn means_default(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Number(number) => number.as_f64().is_some_and(|seconds| (3600.0..3601.0).contains(&seconds)),
        Value::String(text) => {
            text.is_empty()
                || text.contains("{{")
                || text.parse::<f64>().is_ok_and(|seconds| (3600.0..3601.0).contains(&seconds))
        }
        _ => false,
    }
}
