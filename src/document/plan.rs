//! What a node does with each step of a document: run, skip or fail it, decided before anything runs.

use serde_json::{Map, Value};

use crate::document::{Document, Step};
use crate::errors::{Errors, Problems, described, element, member};
use crate::interpolate::{interpolate, reference};
use crate::modifiers::Modifiers;
use crate::platform::Platform;
use crate::references::has_store_reference;
use crate::{plugins, precondition};

/// What a node can do with a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It runs it.
    Handled,
    /// It knows the name and has no handler on this platform.
    NoHandler,
    /// It has never heard of it; see [`plugins::is_known`].
    Unknown,
}

/// What becomes of a step when its turn comes.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Run the plugin with these interpolated inputs.
    Run(Value),
    /// Status Skipped, code 0, this text as output.
    Skip(String),
    /// Status Failed, code 1, this text as output.
    Fail(String),
}

/// A step with what becomes of it, as far as earlier steps do not change that; see [`crate::Flow`].
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedStep {
    /// The step's name.
    pub name: String,
    /// Its plugin.
    pub action: String,
    /// Its place in the document, from 0.
    pub index: usize,
    /// Run, skip or fail.
    pub decision: Decision,
    /// How it steers the flow; a step that fails by decision has them too.
    pub modifiers: Modifiers,
}

/// Decides each step of a document for a node.
///
/// `values` are the document's bound parameters ([`crate::Bound::values`]), `supported` says what the node can do with a
/// plugin. An error means values that do not belong to the document: a precondition that consists of a parameter needs
/// a text there.
pub fn plan(
    document: &Document,
    values: &Map<String, Value>,
    platform: Platform,
    supported: &dyn Fn(&str) -> Support,
) -> Result<Vec<PlannedStep>, Errors> {
    let mut problems = Problems::default();
    let mut steps = Vec::with_capacity(document.steps.len());
    let environment_refers = !document.store_references_in_environment(values).is_empty();
    for (index, step) in document.steps.iter().enumerate() {
        check_arguments(step, &document.step_path(index), values, &mut problems);
        let inputs = interpolate(&step.inputs, values);
        let modifiers = Modifiers::of(&inputs);
        let decision = if document.schema_version.is_cross_platform() {
            decide(step, inputs, values, platform, supported(&step.action))
        } else {
            decide_before_2_2(step, inputs, platform, supported(&step.action))
        };
        let decision = without_a_store(step, decision, environment_refers);
        steps.push(PlannedStep {
            name: step.name.clone(),
            action: step.action.clone(),
            index,
            decision,
            modifiers,
        });
    }
    problems.finish(Some(steps))
}

fn check_arguments(step: &Step, path: &str, values: &Map<String, Value>, problems: &mut Problems) {
    for (operator, arguments) in &step.precondition {
        for (place, argument) in arguments.iter().enumerate() {
            if let Some((name, "")) = reference(argument)
                && let Some(value) = values.get(name).filter(|value| !value.is_string())
            {
                problems.add(
                    element(&member(&member(path, "precondition"), operator), place),
                    format!("parameter {name:?} has to be a string here, found {}", described(value)),
                );
            }
        }
    }
}

/// A reference to AWS's parameter store would reach a script as text, which is worse than not to run it.
fn without_a_store(step: &Step, decision: Decision, environment_refers: bool) -> Decision {
    let takes_environment = plugins::is_script(&step.action);
    match decision {
        Decision::Run(inputs)
            if has_store_reference(&inputs) || (takes_environment && environment_refers) =>
        {
            Decision::Fail(format!(
                "AWS's parameter store is not read, and the inputs refer to it: give the value as a parameter. Step name: {}",
                step.name
            ))
        }
        other => other,
    }
}

fn decide(
    step: &Step,
    inputs: Value,
    values: &Map<String, Value>,
    platform: Platform,
    support: Support,
) -> Decision {
    let Step { name, action, precondition, .. } = step;
    let verdict = precondition::evaluate(precondition, values, platform);
    let reasons = verdict.reasons.join(", ");
    let runs = support == Support::Handled && plugins::is_supported(action, platform);
    if support == Support::Unknown && !verdict.unsatisfied {
        Decision::Fail(unknown_plugin(step))
    } else if !runs {
        Decision::Skip(format!(
            "Step execution skipped due to unsupported plugin: {action}. Step name: {name}"
        ))
    } else if verdict.unsatisfied {
        Decision::Skip(format!(
            "Step execution skipped due to unsatisfied preconditions: '{reasons}'. Step name: {name}"
        ))
    } else if !reasons.is_empty() {
        Decision::Fail(format!(
            "Unrecognized precondition(s): '{reasons}', please update agent to latest version. Step name: {name}"
        ))
    } else {
        Decision::Run(inputs)
    }
}

fn decide_before_2_2(step: &Step, inputs: Value, platform: Platform, support: Support) -> Decision {
    let Step { name, action, .. } = step;
    if support == Support::Unknown {
        Decision::Fail(unknown_plugin(step))
    } else if !plugins::is_supported(action, platform) {
        Decision::Fail(format!(
            "Plugin with name {action} is not supported in current platform. Step name: {name}"
        ))
    } else if !step.precondition.is_empty() {
        Decision::Fail(format!(
            "Precondition is not supported for document schema version prior to 2.2. Step name: {name}"
        ))
    } else if support == Support::NoHandler {
        Decision::Fail(format!("Plugin with name {action} not found. Step name: {name}"))
    } else {
        Decision::Run(inputs)
    }
}

fn unknown_plugin(step: &Step) -> String {
    format!(
        "Plugin with name {} is not supported by this version of ssm agent, please update to latest version. \
         Step name: {}",
        step.action, step.name
    )
}

#[cfg(test)]
mod tests;
