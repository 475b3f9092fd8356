//! SSM documents, purely: parse, check, bind parameters, interpolate, and plan what a node does.
//!
//! The way of a document: [`parse`] (or [`from_value`]) reads text into a checked [`Document`] or says everything
//! that is wrong with it; [`Document::bind`] checks a Command's parameters and gives typed values, [`Bound`];
//! on the node [`plan`] decides for each step whether it runs, and [`Flow`] what a step's end means for the rest.
//! Texts and statuses are the SSM agent's, so that a result reads as it does on AWS.
//!
//! Documents that nodes do not run, such as Automation runbooks, are read by [`parse_as`], as far as their form is known.
//!
//! Nothing here does input or output. Command documents of the schemas 1.0, 1.2, 2.0 to 2.0.3 and 2.2 are understood.

#![forbid(unsafe_code)]

mod automation;
mod bind;
mod calendar;
mod called;
mod canonical;
mod constraint;
mod content;
mod document;
mod document_type;
mod errors;
mod fields;
mod flow;
mod go_text;
mod interpolate;
pub mod lint;
mod locations;
mod modifiers;
mod opaque;
mod parameter;
mod pattern;
mod plan;
mod platform;
mod plugin_inputs;
pub mod plugins;
mod precondition;
mod read;
mod references;
mod session;
mod shell_script;
mod sorted_json;
mod suggest;
mod text;

pub use automation::{Automation, AutomationStep};
pub use bind::Bound;
pub use called::{
    CalledValuesError, DocumentCall, DocumentSource, MAX_DEPTH, RunDocumentInputs, RunDocumentInputsError,
    bind_called, called, document_reference,
};
pub use content::{Content, from_value_as, parse_as};
pub use document::{Document, SchemaVersion, Step};
pub use document_type::{DocumentType, UnknownDocumentType};
pub use errors::{Errors, Problem};
pub use flow::{Conclusion, Ended, Flow, Turn};
pub use go_text::type_name;
pub use interpolate::interpolate;
pub use locations::{Locations, Position};
pub use modifiers::{Modifiers, OnFailure};
pub use opaque::Opaque;
pub use parameter::{Interpolation, ParameterDefinition, ParameterType};
pub use plan::{Decision, PlannedStep, Support, plan};
pub use platform::Platform;
pub use plugin_inputs::{InputsError, check_properties_id, input, refresh_associations};
pub use session::{Session, SessionType};
pub use shell_script::{ScriptInputs, script_timeout, strict_arguments};
pub use text::{from_value, parse, parse_manifest, parse_value};
