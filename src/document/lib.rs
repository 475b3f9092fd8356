//! SSM Command documents, purely: parse, check, bind parameters, interpolate, and plan what a node does.
//!
//! The way of a document: [`parse`] (or [`from_value`]) reads text into a checked [`Document`] or says everything
//! that is wrong with it; [`Document::bind`] checks a Command's parameters and gives typed values, [`Bound`];
//! on the node [`plan`] decides for each step whether it runs, and [`Flow`] what a step's end means for the rest.
//! Texts and statuses are the SSM agent's, so that a result reads as it does on AWS.
//!
//! Nothing here does input or output. Schema 2.2 and its forerunners 2.0, 2.0.1, 2.0.2 and 2.0.3 are understood.

#![forbid(unsafe_code)]

mod bind;
mod constraint;
mod document;
mod errors;
mod fields;
mod flow;
mod go_text;
mod interpolate;
mod modifiers;
mod parameter;
mod pattern;
mod plan;
mod platform;
pub mod plugins;
mod precondition;
mod read;
mod references;
mod shell_script;
mod sorted_json;
mod suggest;
mod text;

pub use bind::Bound;
pub use document::{Document, SchemaVersion, Step};
pub use errors::{Errors, Problem};
pub use flow::{Conclusion, Ended, Flow, Turn};
pub use interpolate::interpolate;
pub use modifiers::{Modifiers, OnFailure};
pub use parameter::{Interpolation, ParameterDefinition, ParameterType};
pub use plan::{Decision, PlannedStep, Support, plan};
pub use platform::Platform;
pub use shell_script::{InputsError, ScriptInputs, script_timeout};
pub use text::{from_value, parse};
