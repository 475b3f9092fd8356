//! From a JSON value to a checked [`Document`], or to everything that is wrong with it.

mod parameters;
mod steps;

use serde_json::Value;

use crate::document::{Document, SchemaVersion};
use crate::errors::{Errors, Problems, described, quoted};
use crate::fields::Fields;
use crate::suggest;

const KEYS: [&str; 5] = ["schemaVersion", "description", "parameters", "mainSteps", "runtimeConfig"];

pub(crate) fn document(source: Value) -> Result<Document, Errors> {
    let Value::Object(object) = &source else {
        return Err(Errors::one("", format!("a document is an object, found {}", described(&source))));
    };
    let mut problems = Problems::default();
    let fields = Fields::read(object, "", &KEYS, &mut problems);
    let Some(schema_version) = schema_version(&fields, &mut problems) else {
        // What else is right or wrong depends on the version.
        return problems.finish(None);
    };
    let description = fields.text("description", &mut problems).map(str::to_owned);
    let parameters = parameters::read(&fields, &mut problems);
    let steps = steps::read(&fields, &parameters, &mut problems);
    let document = Document { schema_version, description, parameters, steps, source: Value::Null };
    problems.finish(Some(document)).map(|document| Document { source, ..document })
}

fn schema_version(fields: &Fields<'_>, problems: &mut Problems) -> Option<SchemaVersion> {
    const KEY: &str = "schemaVersion";
    if fields.get(KEY).is_none() {
        problems.add(KEY, "is missing: write schemaVersion: \"2.2\"");
        return None;
    }
    let found = fields.text(KEY, problems)?;
    let version = SchemaVersion::ALL.into_iter().find(|version| version.as_str() == found);
    if version.is_none() {
        let supported: Vec<&str> = SchemaVersion::ALL.into_iter().map(SchemaVersion::as_str).collect();
        let kind = match found {
            "0.3" => ", which is an Automation runbook,",
            "1.0" => ", which is a Session document,",
            "1.2" => ", which has runtimeConfig instead of mainSteps,",
            _ => "",
        };
        let hint = if found.trim() == found {
            String::new()
        } else {
            suggest::hint(found.trim(), supported.iter().copied())
        };
        problems.add(
            KEY,
            format!(
                "version {}{kind} is not supported{hint}: use one of {}",
                quoted(found),
                supported.join(", ")
            ),
        );
    }
    version
}

#[cfg(test)]
mod tests;
