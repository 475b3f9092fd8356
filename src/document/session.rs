//! A checked Session document, as far as its structure goes: nothing holds sessions yet.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::parameter::ParameterDefinition;

/// What a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionType {
    /// A shell.
    StandardStream,
    /// One command on a terminal.
    InteractiveCommands,
    /// One command without a terminal.
    NonInteractiveCommands,
    /// A forwarded port.
    Port,
}

impl SessionType {
    /// Every type.
    pub const ALL: [Self; 4] =
        [Self::StandardStream, Self::InteractiveCommands, Self::NonInteractiveCommands, Self::Port];

    /// The type as a document writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StandardStream => "Standard_Stream",
            Self::InteractiveCommands => "InteractiveCommands",
            Self::NonInteractiveCommands => "NonInteractiveCommands",
            Self::Port => "Port",
        }
    }
}

impl fmt::Display for SessionType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A Session document, schema version 1.0.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// What the session is.
    pub session_type: SessionType,
    /// What it says it does.
    pub description: Option<String>,
    /// Its parameters by name.
    pub parameters: BTreeMap<String, ParameterDefinition>,
    /// Where the session is recorded, as whom it runs and how long it may take; an object, before interpolation.
    pub inputs: Value,
    /// The commands or the port; an object, before interpolation.
    pub properties: Value,
    /// What it was read from.
    pub(crate) source: Value,
}
