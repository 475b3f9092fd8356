//! The inputs of a step before schema 2.0, `properties`: a plugin may get several, one after another.

use keelson_core::status::StepStatus;
use keelson_document::{Ended, check_properties_id, plugins};
use serde_json::Value;

use super::{StepContext, failed, run_once};
use crate::worker::StepOutput;

/// Runs the plugin once for each element if the inputs are a list. None of them stops the next, unless the run is
/// cancelled; the step has the worst status and the first code that is not 0.
pub fn run(action: &str, inputs: &Value, context: &StepContext<'_>, output: &mut StepOutput) -> Ended {
    let Value::Array(elements) = inputs else { return run_element(action, inputs, context, output) };
    let mut merged: Option<Ended> = None;
    for (element, inputs) in elements.iter().enumerate() {
        if merged.is_some() {
            output.stdout.separate();
            output.stderr.separate();
        }
        let ended = if context.control.is_cancelled() {
            Ended { status: StepStatus::Cancelled, code: 1 }
        } else {
            run_element(action, inputs, &StepContext { element, ..*context }, output)
        };
        merged = Some(merged.map_or(ended, |earlier| merge(earlier, ended)));
    }
    merged.unwrap_or(Ended { status: StepStatus::Success, code: 0 })
}

fn run_element(action: &str, inputs: &Value, context: &StepContext<'_>, output: &mut StepOutput) -> Ended {
    // What is wrong with those of a download is told without showing them: there may be a password among them.
    if context.document.schema_version.has_runtime_config()
        && action != plugins::DOWNLOAD_CONTENT
        && let Err(error) = check_properties_id(inputs)
    {
        return failed(1, &error.to_string(), output);
    }
    run_once(action, inputs, context, output)
}

fn merge(earlier: Ended, later: Ended) -> Ended {
    let code = if earlier.code == 0 { later.code } else { earlier.code };
    Ended { status: earlier.status.merge(later.status), code }
}
