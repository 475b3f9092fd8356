//! What failing nodes said: from their Invocations, the only ones that are fetched.

use futures::{StreamExt as _, TryStreamExt as _};
use keelson_api::{FailingNode, Invocation, InvocationStatus};
use keelson_core::output::error_part;
use keelson_core::status::StatusDetails;
use kube::Api;

use crate::command::details;
use crate::context::Context;
use crate::error::Error;
use crate::index::InvocationRecord;

/// The most nodes that an Association's status names.
pub const MAX_NODES: usize = 20;
/// The most that is quoted of each, in characters.
const MAX_MESSAGE: usize = 300;
/// How many Invocations are fetched at once.
const FETCHES: usize = 4;

/// The first failing nodes of a Command, by name, with the beginning of what they said.
pub async fn describe(
    context: &Context,
    namespace: &str,
    records: impl Iterator<Item = &InvocationRecord>,
) -> Result<Vec<FailingNode>, Error> {
    let api: Api<Invocation> = Api::namespaced(context.client.clone(), namespace);
    let mut failed: Vec<_> = records.filter(|record| has_failed(record)).cloned().collect();
    failed.sort_by(|a, b| a.node.cmp(&b.node));
    failed.truncate(MAX_NODES);
    let api = &api;
    let described = failed.into_iter().map(|record| async move {
        let invocation = api.get_opt(&record.name).await?;
        let status = invocation.and_then(|invocation| invocation.status);
        Ok::<_, Error>(failing_node(&record, status.as_ref()))
    });
    futures::stream::iter(described).buffered(FETCHES).try_collect().await
}

/// Whether a node ran it without success, or could not even begin.
fn has_failed(record: &InvocationRecord) -> bool {
    let details = details(record);
    details.counts_as_error()
        || matches!(details, StatusDetails::InvalidPlatform | StatusDetails::AccessDenied)
}

fn failing_node(record: &InvocationRecord, status: Option<&InvocationStatus>) -> FailingNode {
    FailingNode {
        node: record.node.clone(),
        hostname: record.hostname.clone(),
        invocation: record.name.clone(),
        status_details: record.status_details.clone(),
        response_code: record.response_code,
        message: status.map(message).unwrap_or_default(),
    }
}

/// What the step that failed wrote to stderr, or to stdout where it wrote nothing there; else why it failed.
fn message(status: &InvocationStatus) -> String {
    let failed = status.steps.iter().find(|step| ["Failed", "TimedOut"].contains(&step.status.as_str()));
    let said = failed.map(|step| error_part(&step.output).trim()).filter(|said| !said.is_empty());
    shortened(said.or(status.message.as_deref()).unwrap_or_default())
}

fn shortened(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default().trim_end()),
        None => text.to_owned(),
    }
}

/// One failing node in a few words, such as `node2 (mi-…) exit 3: no space left on device`.
pub fn in_words(node: &FailingNode) -> String {
    let name = if node.hostname.is_empty() {
        node.node.clone()
    } else {
        format!("{} ({})", node.hostname, node.node)
    };
    let how = match (node.status_details.as_str(), node.response_code) {
        ("Failed", Some(code)) => format!("exit {code}"),
        (details, _) => details.to_owned(),
    };
    match node.message.lines().next() {
        Some(line) => format!("{name} {how}: {line}"),
        None => format!("{name} {how}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::association::fixtures::record;
    use keelson_api::{RunStatus, StepResult};

    fn step(status: &str, output: &str) -> StepResult {
        StepResult {
            name: "a".into(),
            action: "aws:runShellScript".into(),
            status: status.into(),
            response_code: 3,
            output: output.into(),
            start_time: None,
            end_time: None,
            stdout_bytes: 0,
            stdout_sha256: String::new(),
            stderr_bytes: 0,
            stderr_sha256: String::new(),
            output_key: String::new(),
        }
    }

    fn status(steps: Vec<StepResult>, message: Option<&str>) -> InvocationStatus {
        let message = message.map(Into::into);
        InvocationStatus { status: RunStatus::Failed, steps, message, ..InvocationStatus::default() }
    }

    #[test]
    fn the_stderr_of_the_failed_step_is_quoted() {
        let steps = vec![
            step("Success", "fine"),
            step(
                "Failed",
                "working\n----------ERROR-------\nno space left on device\nfailed to run commands: exit status 3",
            ),
        ];
        let failed = InvocationRecord { response_code: Some(3), ..record("a", "Failed") };
        let node = failing_node(&failed, Some(&status(steps, None)));
        assert_eq!(in_words(&node), "host-a (a) exit 3: no space left on device");
        assert!(node.message.contains("exit status 3"));
    }

    #[test]
    fn a_step_that_wrote_nothing_is_explained_by_the_invocation() {
        let steps = vec![step("Failed", " \n")];
        assert_eq!(message(&status(steps, Some("the agent refused it"))), "the agent refused it");
        assert_eq!(message(&status(Vec::new(), None)), "");
    }

    #[test]
    fn long_output_is_cut_at_a_character() {
        let node = message(&status(vec![step("Failed", &"ü".repeat(2000))], None));
        assert_eq!(node.chars().count(), MAX_MESSAGE + 3);
    }
}
