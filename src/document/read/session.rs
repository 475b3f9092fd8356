//! Session documents, schema version 1.0.

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
    let session = session_type.map(|session_type| Session {
        session_type,
        description,
        parameters,
        inputs,
        properties,
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

fn section(fields: &Fields<'_>, key: &str, problems: &mut Problems) -> Value {
    match fields.get(key) {
        Some(value @ Value::Object(_)) => value.clone(),
        None => Value::Object(Map::new()),
        Some(other) => {
            problems.add(fields.path_of(key), format!("expected an object, found {}", described(other)));
            Value::Object(Map::new())
        }
    }
}
