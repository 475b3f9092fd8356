//! The order of a running document: which step comes next, and what the end of one means for it and for the rest.
//!
//! A [`Flow`] holds no progress. Whoever drives it keeps how the steps ended so far and passes that in, so a driver that
//! was killed goes on where its record ends.

use keelson_core::status::{StepStatus, document_status};
use serde::{Deserialize, Serialize};

use crate::modifiers::OnFailure;
use crate::plan::{Decision, PlannedStep};

/// The exit code by which a script ends the document with success.
const EXIT_WITH_SUCCESS: i32 = 168;
/// The exit code by which a script ends the document with failure.
const EXIT_WITH_FAILURE: i32 = 169;

const SUCCESS_SENTENCE: &str = "\nStep exited with code 168. Therefore, marking step as succeeded. Further document steps will be skipped.";
const FAILURE_SENTENCE: &str =
    "\nStep exited with code 169. Therefore, marking step as Failed. Further document steps will be skipped.";
const ON_FAILURE_SENTENCE: &str =
    "\nStep was found to have onFailure property. Further document steps will be skipped.";

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Its status.
    pub status: StepStatus,
    /// Its code.
    pub code: i32,
}

/// The next step of a document and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn<'a> {
    /// The step.
    pub step: &'a PlannedStep,
    /// Run, skip or fail, with the exits of earlier steps considered.
    pub decision: Decision,
}

/// What the end of a step that ran is to be recorded as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conclusion {
    /// Its status and code.
    pub ended: Ended,
    /// Its standard error is emptied, and missing in the merged output too.
    pub errors_cleared: bool,
    /// What is appended to standard output, and to standard error unless that is cleared, before they are cut to their
    /// limit. The merged output does not get it. Empty if nothing is.
    pub sentence: &'static str,
}

/// The steps of a document in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Flow {
    steps: Vec<PlannedStep>,
    fails_fast: bool,
}

impl Flow {
    /// The flow of a plan.
    pub fn new(plan: Vec<PlannedStep>) -> Self {
        Self { steps: plan, fails_fast: false }
    }

    /// The same flow, which the first step that fails or times out ends if `fails_fast`. AWS has no such thing: there, a
    /// document goes on after a failure.
    #[must_use]
    pub fn failing_fast(self, fails_fast: bool) -> Self {
        Self { fails_fast, ..self }
    }

    /// All steps.
    pub fn steps(&self) -> &[PlannedStep] {
        &self.steps
    }

    /// The step whose turn it is after the steps in `ended`, which are the first of the document. None when all have
    /// ended, or when the last one asked for a reboot: it is left out of `ended` afterwards, and so runs again.
    pub fn next(&self, ended: &[Ended]) -> Option<Turn<'_>> {
        if ended.last().is_some_and(|last| last.status == StepStatus::SuccessAndReboot) {
            return None;
        }
        let step = self.steps.get(ended.len())?;
        let is_last = ended.len() + 1 == self.steps.len();
        let decision = match self.exit(ended) {
            Some(reason) if !(step.modifiers.finally_step && is_last) => Decision::Skip(format!(
                "Plugin with name {} and id {} skipped due to {reason}",
                step.action, step.name
            )),
            _ => step.decision.clone(),
        };
        Some(Turn { step, decision })
    }

    /// What a step that ran, with the status and code that its plugin gave, is to be recorded as.
    pub fn conclude(&self, step: &PlannedStep, ran: Ended) -> Conclusion {
        let unchanged = Conclusion { ended: ran, errors_cleared: false, sentence: "" };
        match (ran.code, ran.status, step.modifiers.on_failure) {
            (EXIT_WITH_SUCCESS, ..) => Conclusion {
                ended: Ended { status: StepStatus::Success, code: EXIT_WITH_SUCCESS },
                errors_cleared: true,
                sentence: SUCCESS_SENTENCE,
            },
            (EXIT_WITH_FAILURE, ..) => Conclusion { sentence: FAILURE_SENTENCE, ..unchanged },
            (_, StepStatus::Failed, Some(OnFailure::Exit)) => {
                Conclusion { sentence: ON_FAILURE_SENTENCE, ..unchanged }
            }
            (_, StepStatus::Failed, Some(OnFailure::SuccessAndExit)) => Conclusion {
                ended: Ended { status: StepStatus::Success, code: EXIT_WITH_SUCCESS },
                sentence: ON_FAILURE_SENTENCE,
                ..unchanged
            },
            _ => unchanged,
        }
    }

    /// The document's status after the steps in `ended`.
    pub fn status(&self, ended: &[Ended]) -> StepStatus {
        let waiting = self.steps.len().saturating_sub(ended.len());
        let statuses = ended.iter().map(|step| step.status);
        document_status(statuses.chain(std::iter::repeat_n(StepStatus::NotStarted, waiting)))
    }

    /// Why the document goes no further, if one of the steps that ended ends it.
    fn exit(&self, ended: &[Ended]) -> Option<String> {
        let exits = |(step, ended): (&PlannedStep, &Ended)| {
            matches!(ended.code, EXIT_WITH_SUCCESS | EXIT_WITH_FAILURE)
                || (ended.status == StepStatus::Failed && step.modifiers.on_failure == Some(OnFailure::Exit))
                || (ended.status == StepStatus::Success && step.modifiers.on_success_exit)
        };
        if self.steps.iter().zip(ended).any(exits) {
            return Some("prior step with an exit condition".to_owned());
        }
        let is_failure = |ended: &Ended| matches!(ended.status, StepStatus::Failed | StepStatus::TimedOut);
        let failed = self.steps.iter().zip(ended).find(|(_, ended)| self.fails_fast && is_failure(ended));
        failed.map(|(step, ended)| {
            let end = if ended.status == StepStatus::TimedOut { "timed out" } else { "failed" };
            format!("failFast: step {:?} {end}", step.name)
        })
    }
}

impl Decision {
    /// How a step ends that is not run; none for one that is.
    pub fn ended(&self) -> Option<Ended> {
        match self {
            Self::Run(_) => None,
            Self::Skip(_) => Some(Ended { status: StepStatus::Skipped, code: 0 }),
            Self::Fail(_) => Some(Ended { status: StepStatus::Failed, code: 1 }),
        }
    }
}

#[cfg(test)]
mod tests;
