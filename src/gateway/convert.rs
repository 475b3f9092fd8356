//! What nodes say, as the control plane and the archive keep it. A node may say anything: whatever is too long
//! is cut, and a word that is not known is reported as such instead of being guessed.

use std::collections::BTreeSet;
use std::time::Duration;

use keelson_core::fleet::{NodeFacts, Report, RunReport, StepReport};
use keelson_core::status::{StatusDetails, StepStatus};
use keelson_protocol::v1;

mod fit;
mod result_file;

pub(crate) use result_file::result_file;

/// The longest name or fact that is kept, in characters.
const MAX_NAME: usize = 256;
/// The longest reason that is kept, in characters.
const MAX_MESSAGE: usize = 1024;
/// The most Associations that a run may name.
const MAX_ASSOCIATIONS: usize = 100;
/// The longest merged output of a step, in characters.
const MAX_OUTPUT: usize = keelson_core::output::MERGED_LIMIT;

/// A node's facts.
pub(crate) fn facts(facts: Option<v1::NodeFacts>) -> NodeFacts {
    let facts = facts.unwrap_or_default();
    let short = |text: String| head(text, MAX_NAME);
    NodeFacts {
        hostname: short(facts.hostname),
        platform_type: short(facts.platform_type),
        platform_name: short(facts.platform_name),
        platform_version: short(facts.platform_version),
        architecture: short(facts.architecture),
        ip_address: short(facts.ip_address),
        agent_version: short(facts.agent_version),
        machine_id: short(facts.machine_id),
        kernel: short(facts.kernel),
    }
}

/// A refusal to run, as it is recorded.
pub(crate) fn refusal(refused: &v1::Refused) -> Report {
    Report::Refused { details: refusal_details(refused), message: head(refused.message.clone(), MAX_MESSAGE) }
}

/// A refusal without what is too long in it.
pub(crate) fn short(refused: v1::Refused) -> v1::Refused {
    v1::Refused { message: head(refused.message, MAX_MESSAGE), ..refused }
}

fn refusal_details(refused: &v1::Refused) -> StatusDetails {
    match refused.reason() {
        v1::RefusalReason::Expired => StatusDetails::DeliveryTimedOut,
        v1::RefusalReason::Invalid | v1::RefusalReason::Unspecified => StatusDetails::Failed,
    }
}

/// The end of a run, as it is recorded: within 16 KiB of JSON.
pub(crate) fn run_report(result: &v1::RunResult, output_key: String) -> RunReport {
    let (details, doubt) = ending(&result.status);
    let mut message = head(doubt.unwrap_or_else(|| result.message.clone()), MAX_MESSAGE);
    let mut steps: Vec<_> =
        result.steps.iter().enumerate().map(|(index, step)| step_report(step, index, &output_key)).collect();
    let left_out = fit::fit(&mut steps);
    if left_out > 0 {
        let note =
            format!("{left_out} of {} steps are only in the archive's result.json", result.steps.len());
        message = if message.is_empty() { note } else { format!("{message}; {note}") };
    }
    RunReport {
        details,
        message,
        steps,
        started_unix_ms: result.started_unix_ms,
        ended_unix_ms: result.ended_unix_ms,
        duration: Duration::from_millis(result.duration_ms),
        output_key,
        output_pending: result.output_pending,
        refresh_associations: refreshed(&result.steps),
    }
}

/// How a run ended that was cancelled before this node heard of it.
pub(crate) fn never_sent() -> Report {
    Report::Finished(RunReport {
        details: StatusDetails::Cancelled,
        message: "cancelled before it was sent to the node".to_owned(),
        steps: Vec::new(),
        started_unix_ms: 0,
        ended_unix_ms: 0,
        duration: Duration::ZERO,
        output_key: String::new(),
        output_pending: false,
        refresh_associations: None,
    })
}

/// What is recorded of a run that no message can carry.
pub(crate) fn too_large() -> Report {
    let message =
        "the document and its parameters together are too large to be sent: at most 4 MiB".to_owned();
    Report::Refused { details: StatusDetails::Failed, message }
}

/// The exact status that a document status means, and what is odd about it.
pub(crate) fn ending(status: &str) -> (StatusDetails, Option<String>) {
    let details = status.parse::<StepStatus>().ok().map(StatusDetails::from);
    match details.filter(|details| details.is_terminal()) {
        Some(details) => (details, None),
        None => (StatusDetails::Failed, Some(format!("the agent says that the run ended as {status:?}"))),
    }
}

/// The step at this index of the run whose output is below `output_key`.
fn step_report(step: &v1::StepResult, index: usize, output_key: &str) -> StepReport {
    let bytes = |digest: &Option<v1::StreamDigest>| digest.as_ref().map_or(0, |digest| digest.bytes);
    let printed = bytes(&step.stdout) > 0 || bytes(&step.stderr) > 0;
    StepReport {
        name: head(step.name.clone(), MAX_NAME),
        action: head(step.action.clone(), MAX_NAME),
        status: step.status.parse().unwrap_or(StepStatus::Failed),
        code: step.code,
        output: head(step.output.clone(), MAX_OUTPUT),
        started_unix_ms: step.started_unix_ms,
        ended_unix_ms: step.ended_unix_ms,
        stdout_bytes: bytes(&step.stdout),
        stderr_bytes: bytes(&step.stderr),
        stdout_sha256: sha256(step.stdout.as_ref()),
        stderr_sha256: sha256(step.stderr.as_ref()),
        output_key: if printed { format!("{output_key}/{index}") } else { String::new() },
    }
}

/// The names of the Associations that the steps together ask for, or none for all of them. More than a node can have,
/// or one that is no name, asks for all.
fn refreshed(steps: &[v1::StepResult]) -> Option<Vec<String>> {
    let asked = || steps.iter().filter_map(|step| step.refresh_associations.as_ref());
    asked().next()?;
    let names: BTreeSet<_> = asked().flat_map(|refresh| &refresh.names).cloned().collect();
    let is_name = |name: &String| (1..=MAX_NAME).contains(&name.len());
    let all = asked().any(|refresh| refresh.names.is_empty());
    if all || names.len() > MAX_ASSOCIATIONS || !names.iter().all(is_name) {
        return Some(Vec::new());
    }
    Some(names.into_iter().collect())
}

fn sha256(digest: Option<&v1::StreamDigest>) -> String {
    match digest {
        Some(digest) if digest.sha256.len() == 32 => hex(&digest.sha256),
        _ => String::new(),
    }
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing into a String does not fail
        text
    })
}

/// The first `limit` characters.
fn head(mut text: String, limit: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(limit) {
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests;
