//! A checked Automation runbook, as far as its structure goes: nothing runs one yet.

use serde_json::Value;

use crate::document_type::DocumentType;

pub(crate) const BRANCH: &str = "aws:branch";
pub(crate) const LOOP: &str = "aws:loop";
/// The actions that AWS has. A document may name a newer one.
pub(crate) const ACTIONS: [&str; 23] = [
    "aws:approve",
    "aws:assertAwsResourceProperty",
    BRANCH,
    "aws:changeInstanceState",
    "aws:copyImage",
    "aws:createImage",
    "aws:createStack",
    "aws:createTags",
    "aws:deleteImage",
    "aws:deleteStack",
    "aws:executeAutomation",
    "aws:executeAwsApi",
    "aws:executeScript",
    "aws:executeStateMachine",
    "aws:invokeLambdaFunction",
    "aws:invokeWebhook",
    LOOP,
    "aws:pause",
    "aws:runCommand",
    "aws:runInstances",
    "aws:sleep",
    "aws:updateVariable",
    "aws:waitForAwsResourceProperty",
];

/// An Automation document, schema version 0.3.
#[derive(Debug, Clone, PartialEq)]
pub struct Automation {
    /// `Automation` or `AutomationChangeTemplate`.
    pub document_type: DocumentType,
    /// What it says it does.
    pub description: Option<String>,
    /// The role that AWS takes on to run it; may refer to a parameter.
    pub assume_role: Option<String>,
    /// The names of its parameters.
    pub parameters: Vec<String>,
    /// Its steps in order, at least one.
    pub steps: Vec<AutomationStep>,
    /// What it was read from.
    pub(crate) source: Value,
}

/// One step of a runbook.
#[derive(Debug, Clone, PartialEq)]
pub struct AutomationStep {
    /// Its name, unique in the document.
    pub name: String,
    /// What it does, such as `aws:executeAwsApi`; not necessarily an action that exists.
    pub action: String,
    /// The action's inputs, an object.
    pub inputs: Value,
}
