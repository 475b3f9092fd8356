//! What a Command's status says. No client is needed.

use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use keelson_api::condition::{self, COMPLETE, FAILED, READY, RECONCILING, STALLED};
use keelson_api::{CommandCounts, CommandStatus, RunStatus};
use keelson_core::status::{Counts, InvocationStatus, StatusDetails, command_outcome};

use super::freeze::Frozen;
use super::plan::{Halt, Limits, NodeState, Observation, Tally, details};
use super::validate::Refusal;

/// While it runs, a status is written so often at most: results that arrive together are counted together.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);
/// How many nodes a message names.
const NAMED: usize = 5;

/// When and for which generation a status is made.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// `metadata.generation`.
    pub generation: Option<i64>,
    /// The wall clock.
    pub now: Timestamp,
}

/// The status of a Command that has begun.
pub fn running(
    previous: &CommandStatus,
    moment: Moment,
    frozen: &Frozen,
    limits: &Limits,
    tally: &Tally,
    observations: &[Observation],
) -> CommandStatus {
    let outcome = command_outcome(&tally.counts, limits.max_errors, limits.cancelled);
    let mut status = CommandStatus {
        observed_generation: moment.generation,
        conditions: previous.conditions.clone(),
        document_version: Some(frozen.document.version.clone()),
        document_hash: Some(frozen.document.hash.clone()),
        called_documents: frozen.called_documents.clone(),
        target_lists: frozen.lists.clone(),
        start_time: previous.start_time.clone().or(Some(Time(moment.now))),
        target_count: Some(tally.counts.targets),
        completed_count: Some(tally.counts.completed()),
        error_count: Some(tally.counts.errors()),
        counts: Some(counts(&tally.counts)),
        ..CommandStatus::default()
    };
    if outcome.is_terminal() {
        let message = ended_message(outcome, limits, tally, observations);
        end(&mut status, moment, outcome, outcome.as_str(), &message);
    } else {
        let message = format!("{} of {} nodes have ended", tally.counts.completed(), tally.counts.targets);
        let (coarse, exact) = match tally.halt {
            Some(Halt::Cancelled) => (RunStatus::Cancelling, "Cancelling"),
            _ if tally.released == 0 => (RunStatus::Pending, "Pending"),
            _ => (RunStatus::InProgress, "InProgress"),
        };
        status.status = Some(coarse);
        status.status_details = Some(exact.into());
        go_on(&mut status.conditions, moment, exact, &message);
    }
    status
}

/// The status of a Command that cannot run.
pub fn refused(previous: &CommandStatus, moment: Moment, refusal: &Refusal) -> CommandStatus {
    let nothing = Counts::default();
    let mut status = CommandStatus {
        observed_generation: moment.generation,
        conditions: previous.conditions.clone(),
        target_count: Some(0),
        completed_count: Some(0),
        error_count: Some(0),
        counts: Some(counts(&nothing)),
        ..CommandStatus::default()
    };
    end(&mut status, moment, StatusDetails::Failed, refusal.reason, &refusal.message);
    status
}

/// Whether a status differs enough to be written, or how long that can wait.
#[derive(Debug, PartialEq, Eq)]
pub enum Due {
    /// It says what is written already.
    Never,
    /// It is written after so long, with what happens meanwhile.
    In(Duration),
    /// It is written now.
    Now,
}

/// Decides when `next` is written, after `previous` at `written`.
pub fn due(previous: &CommandStatus, next: &CommandStatus, written: Option<Instant>, now: Instant) -> Due {
    if previous == next {
        return Due::Never;
    }
    let urgent = previous.status != next.status;
    let since = written.map(|written| now.saturating_duration_since(written));
    match since.and_then(|since| WRITE_INTERVAL.checked_sub(since)).filter(|left| !left.is_zero()) {
        Some(left) if !urgent => Due::In(left),
        _ => Due::Now,
    }
}

fn end(status: &mut CommandStatus, moment: Moment, outcome: StatusDetails, reason: &str, message: &str) {
    let coarse = coarse(outcome.status());
    let well = coarse == RunStatus::Success;
    status.status = Some(coarse);
    status.status_details = Some(outcome.as_str().into());
    status.completion_time = Some(Time(moment.now));
    let conditions = &mut status.conditions;
    let mut set = |type_, value| {
        condition::set(conditions, moment.generation, moment.now, type_, value, reason, message);
    };
    set(if well { COMPLETE } else { FAILED }, true);
    set(READY, well);
    if !well {
        // Nothing will ever change it: kstatus takes what is neither Ready nor Stalled for work in progress.
        set(STALLED, true);
    }
    condition::remove(conditions, RECONCILING);
    // As the conditions say it, which are bounded: what a user wrote can be quoted in it.
    status.message = condition::get(conditions, READY).map(|ready| ready.message.clone());
}

fn go_on(conditions: &mut Vec<Condition>, moment: Moment, reason: &str, message: &str) {
    condition::set(conditions, moment.generation, moment.now, READY, false, reason, message);
    condition::set(conditions, moment.generation, moment.now, RECONCILING, true, reason, message);
}

fn ended_message(
    outcome: StatusDetails,
    limits: &Limits,
    tally: &Tally,
    observations: &[Observation],
) -> String {
    let counts = &tally.counts;
    if counts.targets == 0 {
        return "no node matches spec.targets and spec.labelSelector".into();
    }
    let mut parts = vec![format!("{} of {} nodes ended well", counts.success, counts.targets)];
    let others = [
        (counts.failed, "failed"),
        (counts.execution_timed_out, "did not end in time"),
        (counts.delivery_timed_out, "not reached in time"),
        (counts.undeliverable, "undeliverable"),
        (counts.cancelled, "cancelled"),
        (counts.terminated, "not sent to, because of too many errors"),
        (counts.invalid_platform, "of a platform that the document is not for"),
        (counts.access_denied, "not allowed to run it"),
    ];
    parts
        .extend(others.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    let mut message = parts.join(", ");
    if counts.errors() > limits.max_errors {
        let errors = format!("; errors: {} where maxErrors allows {}", counts.errors(), limits.max_errors);
        message.push_str(&errors);
    }
    if outcome != StatusDetails::Success {
        message += &culprits(observations);
    }
    message
}

/// The first nodes that did not end well, to be put behind a message.
fn culprits(observations: &[Observation]) -> String {
    let named: Vec<_> = observations.iter().filter_map(culprit).take(NAMED + 1).collect();
    if named.is_empty() {
        return String::new();
    }
    let more = if named.len() > NAMED { " and others" } else { "" };
    format!(": {}{more}", named.get(..NAMED.min(named.len())).unwrap_or_default().join(", "))
}

fn culprit(observation: &Observation) -> Option<String> {
    let target = observation.target;
    let name = if target.hostname.is_empty() { &target.name } else { &target.hostname };
    match observation.invocation {
        Some(record) if details(record) != StatusDetails::Success => {
            let code = record.response_code.map(|code| format!(", exit code {code}")).unwrap_or_default();
            Some(format!("{name} ({}{code})", details(record)))
        }
        None if observation.node == NodeState::Gone => Some(format!("{name} (there is no such ManagedNode)")),
        _ => None,
    }
}

/// The counts as the API has them: what has no count of its own there could not be sent.
fn counts(counts: &Counts) -> CommandCounts {
    let other = counts.invalid_platform.saturating_add(counts.access_denied);
    CommandCounts {
        pending: counts.pending,
        in_progress: counts.in_progress,
        success: counts.success,
        failed: counts.failed,
        delivery_timed_out: counts.delivery_timed_out,
        execution_timed_out: counts.execution_timed_out,
        cancelled: counts.cancelled,
        terminated: counts.terminated,
        undeliverable: counts.undeliverable.saturating_add(other),
    }
}

/// The API's word for a coarse status.
pub fn coarse(status: InvocationStatus) -> RunStatus {
    match status {
        InvocationStatus::Pending => RunStatus::Pending,
        InvocationStatus::InProgress => RunStatus::InProgress,
        InvocationStatus::Success => RunStatus::Success,
        InvocationStatus::Cancelled => RunStatus::Cancelled,
        InvocationStatus::Failed => RunStatus::Failed,
        InvocationStatus::TimedOut => RunStatus::TimedOut,
        InvocationStatus::Cancelling => RunStatus::Cancelling,
    }
}
