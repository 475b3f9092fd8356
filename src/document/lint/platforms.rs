//! Steps that run nowhere, or fail wherever they are sent.

use super::{Rule, Warnings};
use crate::document::Document;
use crate::errors::{member, quoted};
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

fn listed(platforms: &[Platform]) -> String {
    platforms.iter().map(|platform| platform.as_str()).collect::<Vec<_>>().join(", ")
}
