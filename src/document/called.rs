//! Documents that name other documents: which ones, and what values a called document gets.
//!
//! `aws:runDocument` runs a document as a step, `aws:downloadContent` writes one to a file. What they name is known
//! once parameters are put in, so a control plane can hand the named documents over together with the one that names them.

use serde_json::{Map, Value};

use crate::document::Document;
use crate::interpolate::interpolate;
use crate::plugin_inputs::input;
use crate::{go_text, plugins};

mod values;

pub use values::{CalledValuesError, bind_called};

/// How deeply documents may run each other: a document of a step, one of a step of that, and one of a step of that.
pub const MAX_DEPTH: usize = 3;
/// The version that is meant where none is named.
const DEFAULT_VERSION: &str = "$DEFAULT";

/// A document that a step names.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentCall {
    /// Its name in lower case.
    pub name: String,
    /// The version as it is asked for: `$DEFAULT`, `$LATEST`, a number or a version's name.
    pub version: String,
    /// The step's `documentParameters`, for a step that runs it.
    pub parameters: Option<Value>,
}

/// The documents of the control plane that the steps of `document` name, in their order, each as often as it is named.
///
/// `values` are the document's bound parameters ([`crate::Bound::values`]). A step whose inputs name no document, or
/// not in the right shape, fails on the node.
pub fn called(document: &Document, values: &Map<String, Value>) -> Vec<DocumentCall> {
    let inputs = document.steps.iter().map(|step| (step.action.as_str(), interpolate(&step.inputs, values)));
    inputs.flat_map(|(action, inputs)| step_calls(action, inputs)).collect()
}

/// The name, as it is written, and the version that a reference such as `Name`, `Name:3` or an ARN means; nothing
/// where it cannot be a document's name.
pub fn document_reference(reference: &str) -> Option<(&str, &str)> {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    let (name, version) = last.split_once(':').unwrap_or((last, ""));
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    let version = if version.is_empty() { DEFAULT_VERSION } else { version };
    is_name.then_some((name, version))
}

/// What kind of place the document of an `aws:runDocument` step is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentSource {
    /// The control plane: `SSMDocument`.
    ControlPlane,
    /// A file of the node: `LocalPath`.
    LocalPath,
}

/// The inputs of `aws:runDocument`.
#[derive(Debug, Clone, PartialEq)]
pub struct RunDocumentInputs {
    /// Where the document is.
    pub source: DocumentSource,
    /// Its name or ARN, or the path of its file.
    pub path: String,
    /// The values for its parameters, null where none are given; see [`bind_called`].
    pub parameters: Value,
}

/// Inputs of `aws:runDocument` that cannot be used. The texts are the agent's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunDocumentInputsError {
    /// They have the wrong shape.
    #[error(
        "invalid format in plugin properties {shown}; \nerror json: cannot unmarshal {found} into Go {target}"
    )]
    Shape {
        /// The inputs.
        shown: String,
        /// The type that is not right.
        found: &'static str,
        /// What it is not right for.
        target: String,
    },
    /// `documentType` is missing.
    #[error("invalid input: Document Type must be specified to either by SSMDocument or LocalPath.")]
    NoType,
    /// `documentType` is something else.
    #[error("invalid input: Document type specified in invalid")]
    UnknownType,
    /// `documentPath` is missing.
    #[error("invalid input: Document Path must be provided")]
    NoPath,
}

impl RunDocumentInputs {
    /// Reads interpolated inputs. Keys are found without regard to case.
    pub fn parse(inputs: &Value) -> Result<Self, RunDocumentInputsError> {
        let empty = Map::new();
        let object = match inputs {
            Value::Object(object) => object,
            Value::Null => &empty,
            other => return Err(shape(inputs, other, "value of type rundocument.RunDocumentPluginInput")),
        };
        let text = |key: &str| match input(object, key) {
            None | Some(Value::Null) => Ok(""),
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(other) => {
                let target = format!("struct field RunDocumentPluginInput.{key} of type string");
                Err(shape(inputs, other, &target))
            }
        };
        let (kind, path) = (text("documentType")?, text("documentPath")?);
        let source = match kind {
            "SSMDocument" => DocumentSource::ControlPlane,
            "LocalPath" => DocumentSource::LocalPath,
            "" => return Err(RunDocumentInputsError::NoType),
            _ => return Err(RunDocumentInputsError::UnknownType),
        };
        if path.is_empty() {
            return Err(RunDocumentInputsError::NoPath);
        }
        let parameters = input(object, "documentParameters").cloned().unwrap_or_default();
        Ok(Self { source, path: path.to_owned(), parameters })
    }
}

fn shape(inputs: &Value, found: &Value, target: &str) -> RunDocumentInputsError {
    RunDocumentInputsError::Shape {
        shown: go_text::as_message(inputs),
        found: go_text::type_name(found),
        target: target.to_owned(),
    }
}

/// The documents that one step names; before schema 2.0 its inputs may be a list, run one by one.
fn step_calls(action: &str, inputs: Value) -> Vec<DocumentCall> {
    let call = match action {
        plugins::RUN_DOCUMENT => run_call,
        plugins::DOWNLOAD_CONTENT => download_call,
        _ => return Vec::new(),
    };
    match inputs {
        Value::Array(elements) => elements.iter().filter_map(call).collect(),
        inputs => call(&inputs).into_iter().collect(),
    }
}

fn run_call(inputs: &Value) -> Option<DocumentCall> {
    let inputs = RunDocumentInputs::parse(inputs).ok()?;
    if inputs.source != DocumentSource::ControlPlane {
        return None;
    }
    call(&inputs.path, Some(inputs.parameters))
}

fn download_call(inputs: &Value) -> Option<DocumentCall> {
    let object = inputs.as_object()?;
    if input(object, "sourceType")? != "SSMDocument" {
        return None;
    }
    let parsed: Value;
    let source = match input(object, "sourceInfo")? {
        Value::String(text) => {
            parsed = serde_json::from_str(text).ok()?;
            &parsed
        }
        source => source,
    };
    call(input(source.as_object()?, "name")?.as_str()?, None)
}

fn call(reference: &str, parameters: Option<Value>) -> Option<DocumentCall> {
    let (name, version) = document_reference(reference)?;
    Some(DocumentCall { name: name.to_ascii_lowercase(), version: version.to_owned(), parameters })
}

#[cfg(test)]
mod tests;
