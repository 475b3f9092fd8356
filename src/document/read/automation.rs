//! Automation runbooks, schema version 0.3: their structure. What actions make of their inputs is theirs to check.

mod parameters;
mod steps;

use serde_json::Value;

use crate::automation::Automation;
use crate::document_type::DocumentType;
use crate::errors::{Errors, Problems, described, element};
use crate::fields::Fields;

use super::{as_object, version};

const KEYS: [&str; 8] = [
    "schemaVersion",
    "description",
    "assumeRole",
    "parameters",
    "mainSteps",
    "outputs",
    "variables",
    "files",
];

pub(crate) fn automation(document_type: DocumentType, source: Value) -> Result<Automation, Errors> {
    let object = as_object(&source)?;
    let mut problems = Problems::default();
    let fields = Fields::read(object, "", &KEYS, &mut problems);
    if version::one_of(&fields, &["0.3"], &mut problems).is_none() {
        return problems.finish(None);
    }
    let automation = Automation {
        document_type,
        description: fields.text("description", &mut problems).map(str::to_owned),
        assume_role: fields.text("assumeRole", &mut problems).map(str::to_owned),
        parameters: parameters::read(&fields, "parameters", &mut problems),
        steps: steps::read(&fields, "mainSteps", &mut problems),
        source: Value::Null,
    };
    parameters::read(&fields, "variables", &mut problems);
    check_outputs(&fields, &mut problems);
    check_files(&fields, &mut problems);
    problems.finish(Some(automation)).map(|automation| Automation { source, ..automation })
}

/// The outputs of the runbook: the names of steps' outputs.
fn check_outputs(fields: &Fields<'_>, problems: &mut Problems) {
    const KEY: &str = "outputs";
    let path = fields.path_of(KEY);
    match fields.get(KEY) {
        None => {}
        Some(Value::Array(outputs)) => {
            for (index, output) in outputs.iter().enumerate().filter(|(_, output)| !output.is_string()) {
                let message =
                    format!("expected a string such as \"step.Output\", found {}", described(output));
                problems.add(element(&path, index), message);
            }
        }
        Some(other) => problems.add(path, format!("expected a list of strings, found {}", described(other))),
    }
}

/// The attachments that scripts use, by name.
fn check_files(fields: &Fields<'_>, problems: &mut Problems) {
    const KEY: &str = "files";
    match fields.get(KEY) {
        None | Some(Value::Object(_)) => {}
        Some(other) => {
            problems
                .add(fields.path_of(KEY), format!("expected an object of files, found {}", described(other)));
        }
    }
}

#[cfg(test)]
mod tests;
