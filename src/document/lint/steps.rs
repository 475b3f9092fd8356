//! Documents that go on after a step that failed, which is what Systems Manager does unless it is told otherwise.

use super::{Rule, Warnings};
use crate::document::{Document, Step};
use crate::modifiers::Modifiers;

/// One warning for a document, at the first step whose failure a later step on the same platform does not wait for.
pub(super) fn check(document: &Document, warnings: &mut Warnings) {
    // Before schema 2 plugins stand beside each other, without an order that one could rely on.
    if document.schema_version.has_runtime_config() {
        return;
    }
    let platforms: Vec<_> = document.steps.iter().map(Step::platforms).collect();
    let steps: Vec<_> = document.steps.iter().zip(&platforms).enumerate().collect();
    for (index, (step, here)) in &steps {
        if here.is_empty() || Modifiers::of(&step.inputs).on_failure.is_some() || has_reference(step) {
            continue;
        }
        let mut later = steps.iter().skip(index + 1);
        let is_last = |at: usize| at + 1 == steps.len();
        let next = later.find(|(at, (next, there))| {
            there.iter().any(|platform| here.contains(platform))
                && !(is_last(*at) && Modifiers::of(&next.inputs).finally_step)
        });
        if let Some((_, (next, _))) = next {
            warnings.add(
                Rule::NoFailFast,
                document.inputs_path(*index),
                format!(
                    "if {:?} fails, {:?} runs all the same: set onFailure: exit in the inputs, or failFast where the \
                     document is used",
                    step.name, next.name
                ),
            );
            return;
        }
    }
}

/// Whether a parameter decides what a failure does.
fn has_reference(step: &Step) -> bool {
    step.inputs.get("onFailure").and_then(|value| value.as_str()).is_some_and(|text| text.contains("{{"))
}
