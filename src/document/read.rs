//! From a JSON value to a checked document, or to everything that is wrong with it.

mod automation;
mod names;
mod parameters;
mod runtime_config;
mod script;
mod session;
mod steps;
mod version;

use serde_json::{Map, Value};

use crate::document::Document;
use crate::errors::{Errors, Problems, described};
use crate::fields::Fields;

pub(crate) use automation::automation;
pub(crate) use session::session;

const KEYS: [&str; 5] = ["schemaVersion", "description", "parameters", "mainSteps", "runtimeConfig"];

pub(crate) fn document(source: Value) -> Result<Document, Errors> {
    let object = as_object(&source)?;
    let mut problems = Problems::default();
    let fields = Fields::read(object, "", &KEYS, &mut problems);
    let Some(schema_version) = version::command(object, &fields, &mut problems) else {
        // What else is right or wrong depends on the version.
        return problems.finish(None);
    };
    let description = fields.text("description", &mut problems).map(str::to_owned);
    let parameters = parameters::read(&fields, &mut problems);
    let steps = if schema_version.has_runtime_config() {
        runtime_config::read(&fields, &mut problems)
    } else {
        runtime_config::check_unused(&fields, &mut problems);
        steps::read(&fields, &parameters, &mut problems)
    };
    let document = Document { schema_version, description, parameters, steps, source: Value::Null };
    problems.finish(Some(document)).map(|document| Document { source, ..document })
}

/// A Policy document has the form of a Command document with `mainSteps`.
pub(crate) fn policy(source: Value) -> Result<Value, Errors> {
    let document = document(source)?;
    if document.schema_version.has_runtime_config() {
        let message = format!(
            "version \"{}\" is not supported in this type of document: a policy has mainSteps, so use one of 2.0, 2.2",
            document.schema_version
        );
        return Err(Errors::one("schemaVersion", message));
    }
    Ok(document.source)
}

/// The manifest of a package.
pub(crate) fn package(source: Value) -> Result<Value, Errors> {
    let object = as_object(&source)?;
    let mut problems = Problems::default();
    let fields = Fields::read(object, "", &["schemaVersion", "packages", "files", "version"], &mut problems);
    version::one_of(&fields, &["2.0"], &mut problems);
    for key in ["packages", "files"] {
        match fields.get(key) {
            Some(Value::Object(_)) => {}
            Some(other) => {
                problems.add(fields.path_of(key), format!("expected an object, found {}", described(other)));
            }
            None => {
                problems.add(fields.path_of(key), "is missing: a package's manifest has packages and files");
            }
        }
    }
    problems.finish(Some(())).map(|()| source)
}

/// Any object.
pub(crate) fn object(source: Value) -> Result<Value, Errors> {
    as_object(&source)?;
    Ok(source)
}

fn as_object(source: &Value) -> Result<&Map<String, Value>, Errors> {
    source
        .as_object()
        .ok_or_else(|| Errors::one("", format!("a document is an object, found {}", described(source))))
}

#[cfg(test)]
mod tests;
