//! A Document's content: read by its type, and what can be told of it.

use keelson_api::{DocumentFormat, DocumentParameter, DocumentSpec, DocumentStatus};
use keelson_document::{Content, DocumentType, Errors};
use serde_json::Value;

use crate::documents::document_type;

/// Reads `spec.content`, be it an object or text.
pub fn parse(spec: &DocumentSpec) -> Result<Content, Errors> {
    let kind = document_type(spec.document_type);
    match &spec.content {
        Value::String(text) => keelson_document::parse_as(kind, text),
        other => keelson_document::from_value_as(kind, other.clone()),
    }
}

/// How `spec.content` is written.
pub fn format(spec: &DocumentSpec) -> DocumentFormat {
    let Value::String(text) = &spec.content else { return DocumentFormat::Json };
    if text.trim_start().starts_with('{') {
        return DocumentFormat::Json;
    }
    match document_type(spec.document_type) {
        DocumentType::ChangeCalendar
        | DocumentType::ApplicationConfiguration
        | DocumentType::AutoApprovalPolicy => DocumentFormat::Text,
        _ => DocumentFormat::Yaml,
    }
}

/// Puts what the default version says of itself into a status.
pub fn describe(status: &mut DocumentStatus, content: &Content) {
    status.schema_version = schema_version(content);
    (status.platform_types, status.parameters) = match content {
        Content::Command(document) => (
            document.platforms().iter().map(ToString::to_string).collect(),
            document
                .parameters
                .iter()
                .map(|(name, definition)| DocumentParameter {
                    name: name.clone(),
                    type_: definition.kind.as_str().to_owned(),
                    default_value: definition.default.as_ref().map(ToString::to_string),
                    description: definition.description.clone(),
                })
                .collect(),
        ),
        _ => Default::default(),
    };
    status.platforms = Some(status.platform_types.join(", ")).filter(|platforms| !platforms.is_empty());
}

/// What the content says of its schema, where documents of its type do.
fn schema_version(content: &Content) -> Option<String> {
    match content {
        Content::Command(document) => Some(document.schema_version.as_str().to_owned()),
        Content::Automation(_) => Some("0.3".to_owned()),
        Content::Session(_) => Some("1.0".to_owned()),
        Content::Opaque(opaque) => opaque.source().get("schemaVersion")?.as_str().map(ToOwned::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SCRIPT: &str = "schemaVersion: '2.2'\nparameters: {port: {type: String, default: '80'}}\nmainSteps: [{action: 'aws:runShellScript', name: a, inputs: {runCommand: ['echo {{ port }}']}}]";

    fn spec(kind: &str, content: impl Into<Value>) -> DocumentSpec {
        let content = content.into();
        serde_json::from_value(json!({ "documentType": kind, "content": content })).unwrap()
    }

    #[test]
    fn the_default_version_is_told_by_schema_platforms_and_parameters() {
        let content = parse(&spec("Command", json!(SCRIPT))).unwrap();
        let mut status = DocumentStatus::default();
        describe(&mut status, &content);
        assert_eq!(status.schema_version.as_deref(), Some("2.2"));
        assert_eq!(status.platforms.unwrap(), status.platform_types.join(", "));
        assert!(status.platform_types.contains(&"Linux".to_owned()));
        assert_eq!(status.parameters[0].default_value.as_deref(), Some("\"80\""));
    }

    #[test]
    fn a_document_that_is_no_command_has_neither_platforms_nor_parameters() {
        let calendar = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//EN\r\nX-CALENDAR-TYPE:DEFAULT_OPEN\r\nEND:VCALENDAR\r\n";
        let content = parse(&spec("ChangeCalendar", json!(calendar))).unwrap();
        let mut status = DocumentStatus { platforms: Some("Linux".into()), ..DocumentStatus::default() };
        describe(&mut status, &content);
        assert_eq!((status.platforms, status.schema_version), (None, None));
    }

    #[test]
    fn the_format_is_how_the_content_is_written() {
        assert_eq!(format(&spec("Command", json!({}))), DocumentFormat::Json);
        assert_eq!(format(&spec("Command", json!(" {\"a\": 1}"))), DocumentFormat::Json);
        assert_eq!(format(&spec("Command", json!(SCRIPT))), DocumentFormat::Yaml);
        assert_eq!(format(&spec("ChangeCalendar", json!("BEGIN:VCALENDAR"))), DocumentFormat::Text);
    }

    #[test]
    fn content_is_read_by_the_type_of_its_document() {
        let problems = parse(&spec("Automation", json!(SCRIPT))).unwrap_err();
        assert!(problems.to_string().contains("schemaVersion"), "{problems}");
    }
}
