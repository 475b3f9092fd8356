//! `aws:runDocument`: another document as one step, its steps run one after another within this one.
//!
//! What the called document's steps write is the output of this step, and the worst of their ends is its end. A code by
//! which one of them ends its document ends the called document only.

use keelson_core::status::StepStatus;
use keelson_document::{
    Decision, Document, Ended, Flow, MAX_DEPTH, PlannedStep, Platform, RunDocumentInputs, bind_called, plan,
};
use serde_json::{Map, Value};

use super::{Place, STOPPED, StepContext, document_from_json, failed, script, support};
use crate::worker::StepOutput;

mod resume;
mod source;

use resume::{Interrupted, State};

/// Begins what is said of a document that cannot be run.
const PREPARING: &str = "There was an error while preparing documents - ";
/// Code of a step that asks for a reboot.
const REBOOT: i32 = 194;

/// A document that a step runs.
#[derive(Debug)]
struct Called {
    document: Document,
    values: Map<String, Value>,
    /// How its steps ended before a reboot that one of them asked for.
    ended: Vec<Ended>,
}

/// Runs one step's document to its end.
pub fn run(inputs: &Value, context: &StepContext<'_>, output: &mut StepOutput) -> Ended {
    let inputs = match RunDocumentInputs::parse(inputs) {
        Ok(inputs) => inputs,
        Err(error) => return failed(1, &error.to_string(), output),
    };
    let depth = context.place.depth + 1;
    if depth > MAX_DEPTH {
        let reason = format!(
            "Maximum depth for document execution exceeded. Maximum depth permitted - {MAX_DEPTH} and current depth - {depth}"
        );
        return failed(1, &reason, output);
    }
    if source::is_no_operation(&inputs) {
        return Ended { status: StepStatus::Success, code: 0 };
    }
    let state = State::of_step(context);
    match prepare(&inputs, context, &state) {
        Ok(called) => run_called(called, context, &state, output),
        Err(reason) => failed(1, &format!("{PREPARING}{reason}"), output),
    }
}

/// The document and its values: those of before the reboot if there was one, for its file may be gone or changed.
fn prepare(inputs: &RunDocumentInputs, context: &StepContext<'_>, state: &State) -> Result<Called, String> {
    if let Some(interrupted) = state.load()? {
        let document = document_from_json(&interrupted.document)?;
        return Ok(Called { document, values: interrupted.values, ended: interrupted.ended });
    }
    let document = source::read(inputs, context)?;
    let values = bind_called(&document, &inputs.parameters).map_err(|error| error.to_string())?;
    Ok(Called { document, values, ended: Vec::new() })
}

fn run_called(called: Called, context: &StepContext<'_>, state: &State, output: &mut StepOutput) -> Ended {
    let Called { document, values, mut ended } = called;
    let planned = match plan(&document, &values, Platform::Linux, &support) {
        Ok(planned) => planned,
        Err(errors) => return failed(1, &format!("{PREPARING}{errors}"), output),
    };
    let flow = Flow::new(planned).failing_fast(context.order.fail_fast);
    let child = Child { document: &document, values: &values, flow: &flow, outer: context, state };
    while let Some(turn) = flow.next(&ended) {
        ended.push(child.step(turn.step, &turn.decision, output));
    }
    let asked_for_reboot = ended.pop_if(|last| last.status == StepStatus::SuccessAndReboot).is_some();
    if asked_for_reboot {
        let interrupted = Interrupted { document: document.canonical_json(), values, ended };
        return match state.save(&interrupted) {
            Ok(()) => Ended { status: StepStatus::SuccessAndReboot, code: REBOOT },
            Err(reason) => failed(1, &reason, output),
        };
    }
    state.forget();
    merged(&ended)
}

/// How the step ends whose document's steps ended so.
fn merged(ended: &[Ended]) -> Ended {
    let status = ended.iter().map(|ended| ended.status).reduce(StepStatus::merge);
    let status = status.unwrap_or(StepStatus::Success);
    let code = match status {
        StepStatus::Failed => 1,
        StepStatus::Cancelled => STOPPED,
        // AWS's agent gives 0 for a timeout too.
        _ => 0,
    };
    Ended { status, code }
}

/// What the steps of a called document share.
struct Child<'a> {
    document: &'a Document,
    values: &'a Map<String, Value>,
    flow: &'a Flow,
    outer: &'a StepContext<'a>,
    state: &'a State,
}

impl Child<'_> {
    /// Lets one step have its turn. Why it is skipped is not told, since the step around it may go well.
    fn step(&self, step: &PlannedStep, decision: &Decision, output: &mut StepOutput) -> Ended {
        match decision {
            Decision::Skip(_) => Ended { status: StepStatus::Skipped, code: 0 },
            Decision::Fail(reason) => failed(1, reason, output),
            Decision::Run(_) if self.outer.control.is_cancelled() => {
                Ended { status: StepStatus::Cancelled, code: 1 }
            }
            Decision::Run(inputs) => self.run(step, inputs, output),
        }
    }

    fn run(&self, step: &PlannedStep, inputs: &Value, output: &mut StepOutput) -> Ended {
        let root = script::folder::of_step(self.outer.root, self.outer.index, self.outer.name, "");
        let context = StepContext {
            document: self.document,
            values: self.values,
            root: &root,
            index: u32::try_from(step.index).unwrap_or(u32::MAX),
            name: &step.name,
            element: 0,
            place: Place { depth: self.outer.place.depth + 1, steps: self.state.place() },
            ..*self.outer
        };
        let errors = output.stderr.mark();
        let ended = super::run(&step.action, inputs, &context, output);
        let conclusion = self.flow.conclude(step, ended);
        if let Some(reason) = output.error.take() {
            output.stderr.note(&reason);
        }
        output.stdout.note(conclusion.sentence);
        if conclusion.errors_cleared {
            output.stderr.hide_since(errors);
        } else {
            output.stderr.note(conclusion.sentence);
        }
        conclusion.ended
    }
}
