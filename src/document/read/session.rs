//! Session documents, schema version 1.0.

mod inputs;

use serde_json::{Map, Value};

use crate::errors::{Errors, Problems, described, quoted};
use crate::fields::Fields;
use crate::session::{Session, SessionType};
use crate::suggest;

use super::{as_object, parameters, version};

const KEYS: [&str; 6] = ["schemaVersion", "description", "sessionType", "inputs", "parameters", "properties"];

pub(crate) fn session(source: Value) -> Result<Session, Errors> {
    let object = as_object(&source)?;
    let mut problems = Problems::default();
    let fields = Fields::read(object, "", &KEYS, &mut problems);
    if version::one_of(&fields, &["1.0"], &mut problems).is_none() {
        return problems.finish(None);
    }
    let description = fields.text("description", &mut problems).map(str::to_owned);
    let session_type = session_type(&fields, &mut problems);
    let parameters = parameters::read(&fields, &mut problems);
    let inputs = section(&fields, "inputs", &mut problems);
    let properties = section(&fields, "properties", &mut problems);
    if let Some(inputs) = inputs {
        inputs::check(inputs, &fields.path_of("inputs"), &mut problems);
    }
    let none = Map::new();
    let is_readable = properties.is_some() || fields.get("properties").is_none();
    if let Some(session_type) = session_type.filter(|_| is_readable) {
        let properties = properties.unwrap_or(&none);
        inputs::check_properties(session_type, properties, &fields.path_of("properties"), &mut problems);
    }
    let session = session_type.map(|session_type| Session {
        session_type,
        description,
        parameters,
        inputs: Value::Object(inputs.cloned().unwrap_or_default()),
        properties: Value::Object(properties.cloned().unwrap_or_default()),
        source: Value::Null,
    });
    problems.finish(session).map(|session| Session { source, ..session })
}

fn session_type(fields: &Fields<'_>, problems: &mut Problems) -> Option<SessionType> {
    const KEY: &str = "sessionType";
    let names = SessionType::ALL.map(SessionType::as_str);
    if fields.get(KEY).is_none() {
        problems.add(fields.path_of(KEY), format!("is missing: use one of {}", names.join(", ")));
    }
    let found = fields.text(KEY, problems)?;
    let session_type = SessionType::ALL.into_iter().find(|kind| kind.as_str() == found);
    if session_type.is_none() {
        let hint = suggest::hint(found, names);
        problems.add(
            fields.path_of(KEY),
            format!("{} is not a type of session{hint}: use one of {}", quoted(found), names.join(", ")),
        );
    }
    session_type
}

fn section<'a>(fields: &Fields<'a>, key: &str, problems: &mut Problems) -> Option<&'a Map<String, Value>> {
    match fields.get(key)? {
        Value::Object(object) => Some(object),
        other => {
            problems.add(fields.path_of(key), format!("expected an object, found {}", described(other)));
            None
        }
    }
}

#[cfg(test)]
mod tests;
