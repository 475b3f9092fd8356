//! A version of a Document as a `ControllerRevision` holds it.

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use keelson_api::{DOCUMENT_TYPE_ANNOTATION, HASH_ANNOTATION};
use keelson_document::{Content, DocumentType, Errors};
use kube::ResourceExt as _;
use serde_json::{Value, json};

/// The one key of a revision whose content is no object, such as a calendar: the API server takes objects only.
const WRAPPED: &str = "keelson.dev/content";

/// Content as the data of a revision.
pub fn data(content: &Content) -> Result<RawExtension, serde_json::Error> {
    let value: Value = serde_json::from_str(&content.canonical_json())?;
    Ok(RawExtension(if value.is_object() { value } else { json!({ WRAPPED: value }) }))
}

/// The content of a revision, read by the type that is written on it.
pub fn content(revision: ControllerRevision) -> Result<Content, Errors> {
    let kind = document_type(&revision);
    let value = match revision.data.0 {
        Value::Object(mut object) if object.len() == 1 && object.contains_key(WRAPPED) => {
            object.remove(WRAPPED).unwrap_or_default()
        }
        other => other,
    };
    keelson_document::from_value_as(kind, value)
}

/// The type of a revision. One without a word about it is of the time when all were Commands.
fn document_type(revision: &ControllerRevision) -> DocumentType {
    let annotation = revision.annotations().get(DOCUMENT_TYPE_ANNOTATION);
    annotation.and_then(|name| name.parse().ok()).unwrap_or_default()
}

/// The hash that is written on a revision.
pub fn hash(revision: &ControllerRevision) -> String {
    revision.annotations().get(HASH_ANNOTATION).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::api::ObjectMeta;

    fn stored(content: &Content) -> ControllerRevision {
        let annotations = [(DOCUMENT_TYPE_ANNOTATION.to_owned(), content.document_type().to_string())].into();
        ControllerRevision {
            metadata: ObjectMeta { annotations: Some(annotations), ..ObjectMeta::default() },
            data: data(content).unwrap(),
            revision: Some(1),
        }
    }

    #[test]
    fn content_of_every_form_reads_back_as_it_was() {
        for (kind, text) in [
            (
                DocumentType::Command,
                "schemaVersion: '2.2'\nmainSteps: [{action: 'aws:runShellScript', name: a, inputs: {runCommand: ['true']}}]",
            ),
            (DocumentType::ApplicationConfiguration, "[1, 2]"),
            (DocumentType::AutoApprovalPolicy, "permit (principal, action, resource);"),
        ] {
            let content = keelson_document::parse_as(kind, text).unwrap();
            let revision = stored(&content);
            assert!(revision.data.0.is_object(), "{text}");
            let read = super::content(revision).unwrap();
            assert_eq!((read.document_type(), read.hash()), (kind, content.hash()));
        }
    }

    #[test]
    fn a_revision_without_a_type_is_a_command() {
        let text = r#"{"schemaVersion":"2.2","mainSteps":[{"action":"aws:runShellScript","name":"a","inputs":{"runCommand":["true"]}}]}"#;
        let mut revision = stored(&keelson_document::parse_as(DocumentType::Command, text).unwrap());
        revision.metadata.annotations = None;
        assert_eq!(super::content(revision).unwrap().document_type(), DocumentType::Command);
    }
}
