//! A document of any type: those whose form is known are checked, the others kept as they are.

use serde_json::Value;

use crate::automation::Automation;
use crate::canonical;
use crate::document::Document;
use crate::document_type::DocumentType;
use crate::errors::Errors;
use crate::opaque::{Form, Opaque};
use crate::session::Session;
use crate::{read, text};

/// What a document of any type holds, checked as far as its form is known.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// What nodes run.
    Command(Document),
    /// A runbook, also one of a change template.
    Automation(Automation),
    /// How a session is held.
    Session(Session),
    /// Anything else.
    Opaque(Opaque),
}

impl Content {
    /// The type it was read as.
    pub fn document_type(&self) -> DocumentType {
        match self {
            Self::Command(_) => DocumentType::Command,
            Self::Automation(automation) => automation.document_type,
            Self::Session(_) => DocumentType::Session,
            Self::Opaque(opaque) => opaque.document_type,
        }
    }

    /// The content as JSON with sorted keys and no blanks: the same for a YAML and a JSON rendering of one document.
    /// What is no JSON or YAML is one JSON string. [`from_value_as`] reads it back to equal content.
    pub fn canonical_json(&self) -> String {
        canonical::json(self.source())
    }

    /// SHA-256 of [`Content::canonical_json`], in lower-case hexadecimal.
    pub fn hash(&self) -> String {
        canonical::hash(self.source())
    }

    fn source(&self) -> &Value {
        match self {
            Self::Command(document) => &document.source,
            Self::Automation(automation) => &automation.source,
            Self::Session(session) => &session.source,
            Self::Opaque(opaque) => &opaque.source,
        }
    }
}

/// Reads a document of a type from text, and checks it.
///
/// JSON begins with `{`, other text is YAML, except for the types that hold text of another kind. A key that is given
/// twice is refused. Of YAML, `yes`, `no`, `on` and `off` are text and so are numbers with leading zeros, as their
/// author most likely meant. Problems have their place in the text.
pub fn parse_as(document_type: DocumentType, text: &str) -> Result<Content, Errors> {
    match Form::of(document_type) {
        Form::Tree => text::read_tree(text, |value| read_tree(document_type, value)),
        form => form.check_text(text).map(|()| opaque(document_type, Value::from(text))),
    }
}

/// Checks a document of a type that has been parsed already, such as the content of a Kubernetes object. A string is
/// the text of a document whose type holds text.
pub fn from_value_as(document_type: DocumentType, value: Value) -> Result<Content, Errors> {
    match (Form::of(document_type), value) {
        (Form::Tree, value) => {
            text::check_value(&value)?;
            read_tree(document_type, value)
        }
        (form, Value::String(text)) => {
            form.check_text(&text)?;
            Ok(opaque(document_type, Value::String(text)))
        }
        (form, value) => {
            text::check_value(&value)?;
            form.check_value(&value)?;
            Ok(opaque(document_type, value))
        }
    }
}

fn read_tree(document_type: DocumentType, value: Value) -> Result<Content, Errors> {
    match document_type {
        DocumentType::Command => read::document(value).map(Content::Command),
        DocumentType::Automation | DocumentType::AutomationChangeTemplate => {
            read::automation(document_type, value).map(Content::Automation)
        }
        DocumentType::Session => read::session(value).map(Content::Session),
        DocumentType::Policy => read::policy(value).map(|source| opaque(document_type, source)),
        DocumentType::Package => read::package(value).map(|source| opaque(document_type, source)),
        _ => read::object(value).map(|source| opaque(document_type, source)),
    }
}

fn opaque(document_type: DocumentType, source: Value) -> Content {
    Content::Opaque(Opaque { document_type, source })
}

#[cfg(test)]
mod tests;
