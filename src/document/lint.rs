//! What is legal in a document and yet harms whoever runs it: one rule a file, each with its mend.

mod deprecated_schema;
mod harmless;
mod modifiers;
mod parameters;
mod platforms;
mod script;
mod secrets;
mod shell;
mod steps;
mod subject;
mod timeouts;
mod unquoted;

use std::fmt;

use serde::{Serialize, Serializer};

use crate::content::Content;
use crate::document::Document;

/// The rules, by the names that users see and may switch off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A parameter's text becomes part of a script, and its values may break out of it.
    UnquotedParameter,
    /// A shell script goes on after a command that failed.
    NoSetE,
    /// The document goes on after a step that failed.
    NoFailFast,
    /// A default that looks like a secret.
    SecretInDefault,
    /// A step that does nothing on any platform.
    StepNeverRuns,
    /// A plugin that no agent knows, or an action that Automation is not known to have.
    UnknownPlugin,
    /// A parameter that nothing refers to.
    UnusedParameter,
    /// A reference to no parameter, which stays as it is.
    UndeclaredParameter,
    /// A key of a step that has no effect in a Command document.
    DeadStepKey,
    /// An `onFailure`, `onSuccess` or `finallyStep` that has no effect.
    DeadModifier,
    /// A `timeoutSeconds` that is not taken.
    TimeoutIgnored,
    /// A schema version that has been superseded.
    DeprecatedSchema,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 12] = [
        Self::UnquotedParameter,
        Self::NoSetE,
        Self::NoFailFast,
        Self::SecretInDefault,
        Self::StepNeverRuns,
        Self::UnknownPlugin,
        Self::UnusedParameter,
        Self::UndeclaredParameter,
        Self::DeadStepKey,
        Self::DeadModifier,
        Self::TimeoutIgnored,
        Self::DeprecatedSchema,
    ];

    /// The rule's name, which never changes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnquotedParameter => "unquoted-parameter",
            Self::NoSetE => "no-set-e",
            Self::NoFailFast => "no-fail-fast",
            Self::SecretInDefault => "secret-in-default",
            Self::StepNeverRuns => "step-never-runs",
            Self::UnknownPlugin => "unknown-plugin",
            Self::UnusedParameter => "unused-parameter",
            Self::UndeclaredParameter => "undeclared-parameter",
            Self::DeadStepKey => "dead-step-key",
            Self::DeadModifier => "dead-modifier",
            Self::TimeoutIgnored => "timeout-ignored",
            Self::DeprecatedSchema => "deprecated-schema",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One thing that is legal and had better be otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// The rule that says so.
    pub code: Rule,
    /// Where, as in [`crate::Problem`].
    pub path: String,
    /// What it does and how to mend it. Never holds a parameter's value.
    pub message: String,
}

/// Everything in a document that is legal but harmful, rule by rule. Nothing is said of a type that Keelson only keeps.
pub fn warnings(content: &Content) -> Vec<Warning> {
    let mut found = Warnings(Vec::new());
    match content {
        Content::Command(document) => command(document, &mut found),
        Content::Automation(automation) => {
            secrets::check_automation(automation, &mut found);
            platforms::check_automation(automation, &mut found);
            parameters::check_automation(automation, &mut found);
        }
        Content::Session(session) => {
            unquoted::check(&script::of_session(session), &session.parameters, &mut found);
            secrets::check(&session.parameters, &mut found);
            parameters::check(&session.parameters, &subject::session_texts(session), &mut found);
        }
        Content::Opaque(_) => {}
    }
    found.0
}

fn command(document: &Document, found: &mut Warnings) {
    let scripts = script::of_command(document);
    unquoted::check(&scripts, &document.parameters, found);
    shell::check(&scripts, found);
    steps::check(document, found);
    secrets::check(&document.parameters, found);
    platforms::check(document, found);
    parameters::check(&document.parameters, &subject::command_texts(document), found);
    modifiers::check(document, found);
    timeouts::check(document, found);
    deprecated_schema::check(document, found);
}

/// Gathers warnings.
struct Warnings(Vec<Warning>);

impl Warnings {
    fn add(&mut self, code: Rule, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Warning { code, path: path.into(), message: message.into() });
    }
}

#[cfg(test)]
mod tests;
