//! `aws:refreshAssociation`: asks the control plane to run Associations on this node again.
//!
//! The wish is part of the step's result; whoever keeps the Associations fulfils it.

use keelson_core::status::StepStatus;
use keelson_document::{Ended, refresh_associations};
use serde_json::Value;

use super::failed;
use crate::worker::StepOutput;

/// Notes which Associations the step names; all of them where it names none.
pub fn run(inputs: &Value, output: &mut StepOutput) -> Ended {
    let names = match refresh_associations(inputs) {
        Ok(names) => names,
        Err(error) => return failed(1, &error.to_string(), output),
    };
    let told = if names.is_empty() {
        "All associations have been requested to execute immediately".to_owned()
    } else {
        format!("Associations [{}] have been requested to execute immediately", names.join(" "))
    };
    output.stdout.note(&told);
    output.ask_refresh(names);
    Ended { status: StepStatus::Success, code: 0 }
}
