//! `schemaVersion`: which versions a type of document has, and which type a version of another one belongs to.

use serde_json::{Map, Value};

use crate::document::SchemaVersion;
use crate::document_type::DocumentType;
use crate::errors::{Problems, quoted};
use crate::fields::Fields;
use crate::suggest;

const KEY: &str = "schemaVersion";

/// The version of a Command document.
pub(super) fn command(
    object: &Map<String, Value>,
    fields: &Fields<'_>,
    problems: &mut Problems,
) -> Option<SchemaVersion> {
    let names = SchemaVersion::ALL.map(SchemaVersion::as_str);
    let found = read(fields, &names, problems)?;
    let version = SchemaVersion::ALL.into_iter().find(|version| version.as_str() == found);
    let is_session = object.keys().any(|key| key.eq_ignore_ascii_case("sessionType"));
    if version == Some(SchemaVersion::V1_0) && is_session {
        problems.add(KEY, wrong_type(found, DocumentType::Session));
        return None;
    }
    version
}

/// Checks that the version is one of those that a type has.
pub(super) fn one_of(fields: &Fields<'_>, versions: &[&'static str], problems: &mut Problems) -> Option<()> {
    read(fields, versions, problems).map(|_| ())
}

/// The version that is given, if it is one of `versions`.
fn read<'a>(fields: &Fields<'a>, versions: &[&'static str], problems: &mut Problems) -> Option<&'a str> {
    if fields.get(KEY).is_none() {
        let usual = versions.last().copied().unwrap_or_default();
        problems.add(KEY, format!("is missing: write schemaVersion: \"{usual}\""));
        return None;
    }
    let found = fields.text(KEY, problems)?;
    if versions.contains(&found) {
        return Some(found);
    }
    problems.add(KEY, refusal(found, versions));
    None
}

fn refusal(found: &str, versions: &[&'static str]) -> String {
    if let Some(document_type) = owner(found) {
        return format!("{}, or use one of {}", wrong_type(found, document_type), versions.join(", "));
    }
    let trimmed = found.trim();
    let hint =
        if trimmed == found { String::new() } else { suggest::hint(trimmed, versions.iter().copied()) };
    format!("version {} is not supported{hint}: use one of {}", quoted(found), versions.join(", "))
}

fn wrong_type(version: &str, document_type: DocumentType) -> String {
    format!(
        "version {version:?} is not supported in this type of document: set documentType: {document_type}"
    )
}

/// The type of document that a version makes one think of.
fn owner(version: &str) -> Option<DocumentType> {
    match version {
        "0.3" => Some(DocumentType::Automation),
        "1.0" => Some(DocumentType::Session),
        "1.2" | "2.0" | "2.0.1" | "2.0.2" | "2.0.3" | "2.2" => Some(DocumentType::Command),
        _ => None,
    }
}
