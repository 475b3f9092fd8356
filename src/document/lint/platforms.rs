//! Steps that run nowhere, or fail wherever they are sent.

use super::{Rule, Warnings};
use crate::automation::{ACTIONS, Automation};
use crate::document::Document;
use crate::errors::{element, member, quoted};
use crate::platform::Platform;
use crate::plugins;

pub(super) fn check(document: &Document, warnings: &mut Warnings) {
    for (index, step) in document.steps.iter().enumerate() {
        let path = document.step_path(index);
        let action = step.action.as_str();
        // Before schema 2 the plugin's name is the key itself.
        let named =
            if document.schema_version.has_runtime_config() { path.clone() } else { member(&path, "action") };
        if !plugins::is_known(action) {
            warnings.add(
                Rule::UnknownPlugin,
                named,
                format!("no agent knows the plugin {}, so the step fails on every node", quoted(action)),
            );
        } else if !document.schema_version.is_cross_platform() && !step.precondition.is_empty() {
            warnings.add(
                Rule::StepNeverRuns,
                member(&path, "precondition"),
                format!(
                    "schema version {} knows no preconditions, so the step fails on every node: use schema version \
                     2.2, or take the precondition away",
                    document.schema_version
                ),
            );
        } else if step.platforms().is_empty() {
            let message = match plugins::platforms(action) {
                [] => format!("{action} runs on no platform: take the step away"),
                has => format!(
                    "the step runs nowhere: {action} exists on {}, which the precondition keeps out; platformType is \
                     one of {}",
                    listed(has),
                    listed(&Platform::ALL)
                ),
            };
            let at = if step.precondition.is_empty() { named } else { member(&path, "precondition") };
            warnings.add(Rule::StepNeverRuns, at, message);
        }
    }
}

/// Actions that AWS did not have when this was written.
pub(super) fn check_automation(automation: &Automation, warnings: &mut Warnings) {
    let steps = automation.steps.iter().enumerate();
    for (index, step) in steps.filter(|(_, step)| !ACTIONS.contains(&step.action.as_str())) {
        warnings.add(
            Rule::UnknownPlugin,
            member(&element("mainSteps", index), "action"),
            format!(
                "no action of AWS's is known as {}: unless it is newer than this program, use one of {}",
                quoted(&step.action),
                ACTIONS.join(", ")
            ),
        );
    }
}

fn listed(platforms: &[Platform]) -> String {
    platforms.iter().map(|platform| platform.as_str()).collect::<Vec<_>>().join(", ")
}
