//! Documents that nodes do not run and Keelson only keeps: what can be said of their form.

use serde_json::Value;

use crate::document_type::DocumentType;
use crate::errors::{Errors, described};
use crate::{calendar, text};

/// A document that is kept as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Opaque {
    /// Its type.
    pub document_type: DocumentType,
    /// What it holds: an object, or the text if the type holds text.
    pub(crate) source: Value,
}

impl Opaque {
    /// What it holds: an object, or the text if the type holds text.
    pub fn source(&self) -> &Value {
        &self.source
    }
}

/// What the content of a type is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// An object in JSON or YAML.
    Tree,
    /// An object in JSON or YAML with tags such as `!Ref`, which plain JSON cannot say, so that its text is kept.
    Template,
    /// An iCalendar.
    Calendar,
    /// Any text.
    Text,
}

impl Form {
    pub(crate) fn of(document_type: DocumentType) -> Self {
        match document_type {
            DocumentType::CloudFormation
            | DocumentType::ConformancePackTemplate
            | DocumentType::QuickSetup => Self::Template,
            DocumentType::ChangeCalendar => Self::Calendar,
            DocumentType::ApplicationConfiguration | DocumentType::AutoApprovalPolicy => Self::Text,
            _ => Self::Tree,
        }
    }

    /// Checks text that is kept as it is.
    pub(crate) fn check_text(self, content: &str) -> Result<(), Errors> {
        text::check_size(content.len(), text::LARGEST)?;
        if content.trim().is_empty() {
            return Err(Errors::one("", "the document is empty"));
        }
        match self {
            Self::Tree | Self::Template => text::check_template(content),
            Self::Calendar => calendar::check(content),
            Self::Text => Ok(()),
        }
    }

    /// Checks content that is no text.
    pub(crate) fn check_value(self, value: &Value) -> Result<(), Errors> {
        match (self, value) {
            (Self::Calendar, other) => {
                Err(Errors::one("", format!("expected an iCalendar as text, found {}", described(other))))
            }
            (Self::Text, Value::Object(_) | Value::Array(_))
            | (Self::Tree | Self::Template, Value::Object(_)) => Ok(()),
            (_, other) => Err(Errors::one("", format!("expected an object, found {}", described(other)))),
        }
    }
}
