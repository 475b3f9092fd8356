//! What an Association's status says. Pure: the next status from the last one and what is observed.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use keelson_api::{
    APPLIED_HASH_ANNOTATION, Association, AssociationStatus, CAUSE_ANNOTATION, Command, CommandCounts,
    ComplianceStatus, FailingNode, LastCommand, RECONCILE_ANNOTATION, TICK_ANNOTATION, condition,
};
use kube::ResourceExt as _;

use super::accept::Problem;
use super::build::is_catch_up;
use super::failing::{MAX_NODES, in_words};
use super::nodes::{self, Member};

/// Reasons of `Ready` that come from runs; any other is a problem of the spec.
const SUCCEEDED: &str = "Succeeded";
/// The last run had more errors than `maxErrors` allows, or could not begin.
pub const RUN_FAILED: &str = "RunFailed";
const COMMAND_DELETED: &str = "CommandDeleted";
const ACCEPTED: &str = "Accepted";
const PROGRESSING: &str = "Progressing";

/// What `Ready` says: whether, why, and in a sentence.
type Ready = (bool, &'static str, String);

/// A status in the making.
#[derive(Debug, Clone)]
pub struct Draft {
    /// What it is so far.
    pub status: AssociationStatus,
    outcome: Option<Ready>,
}

impl Draft {
    /// Begins with the last status.
    pub fn new(association: &Association) -> Self {
        let status = association.status.clone().unwrap_or_default();
        let observed_generation = association.metadata.generation;
        Self { status: AssociationStatus { observed_generation, ..status }, outcome: None }
    }

    /// A Command has been made. Everything is read from the Command, so that it makes no difference whether it
    /// was made just now or by somebody who died before the status said so.
    pub fn started(&mut self, command: &Command) {
        let status = &mut self.status;
        let annotation = |key: &str| command.annotations().get(key).cloned();
        status.current_command = Some(command.name_any());
        status.last_execution_time = command.creation_timestamp();
        if is_catch_up(command) {
            return;
        }
        status.document_version = Some(command.spec.document_version.clone());
        status.applied_hash = annotation(APPLIED_HASH_ANNOTATION).or_else(|| status.applied_hash.take());
        status.last_handled_reconcile_at =
            annotation(RECONCILE_ANNOTATION).or_else(|| status.last_handled_reconcile_at.take());
        if let Some(tick) = annotation(TICK_ANNOTATION).and_then(|tick| tick.parse::<Timestamp>().ok()) {
            self.dealt_with(tick);
        }
    }

    /// A tick has been answered or left out.
    pub fn dealt_with(&mut self, tick: Timestamp) {
        let last = self.status.last_tick.as_ref().map(|last| last.0);
        self.status.last_tick = Some(Time(last.map_or(tick, |last| last.max(tick))));
    }

    /// The current Command has ended, and these nodes failed.
    pub fn finished(&mut self, command: &Command, ran_on: &dyn Fn(&str) -> bool, failing: Vec<FailingNode>) {
        let ended = command.status.clone().unwrap_or_default();
        let last = LastCommand {
            name: command.name_any(),
            status: ended.status.unwrap_or_default(),
            status_details: ended.status_details.unwrap_or_default(),
            completion_time: ended.completion_time,
            counts: ended.counts,
        };
        let catch_up = is_catch_up(command);
        let status = &mut self.status;
        status.failing_nodes.retain(|node| catch_up && !ran_on(&node.node));
        status.failing_nodes.extend(failing);
        status.failing_nodes.sort_by(|a, b| a.node.cmp(&b.node));
        status.failing_nodes.truncate(MAX_NODES);
        let verdict =
            verdict(&last, ended.message.as_deref(), &status.failing_nodes, &command.spec.max_errors);
        // That some nodes caught up does not mend what failed on others before.
        if !catch_up || !verdict.0 {
            self.outcome = Some(verdict);
        }
        self.status.current_command = None;
        self.status.last_command = Some(last);
    }

    /// The current Command was deleted before it was known how it ended.
    pub fn lost(&mut self, name: &str) {
        self.status.current_command = None;
        let message = format!("Command {name} was deleted before it had ended; what it did is not known");
        self.outcome = Some((false, COMMAND_DELETED, message));
    }

    /// The nodes that match now.
    pub fn nodes(&mut self, association: &Association, members: &[Member], now: Timestamp) {
        let (overview, compliance) =
            (nodes::overview(members), nodes::compliance(&association.spec, members));
        self.status
            .failing_nodes
            .retain(|failing| members.iter().any(|member| member.is_failing(&failing.node)));
        let all = compliance.status == ComplianceStatus::Compliant;
        let reason = match (members.is_empty(), all) {
            (true, _) => "NoNodes",
            (false, true) => "EveryNode",
            (false, false) => "NotEveryNode",
        };
        let message = if members.is_empty() {
            "no node matches".to_owned()
        } else {
            format!("{} of {} nodes are compliant", compliance.compliant_count, overview.target_count)
        };
        let (generation, conditions) = (association.metadata.generation, &mut self.status.conditions);
        condition::set(conditions, generation, now, condition::COMPLIANT, all, reason, &message);
        self.status.overview = Some(overview);
        self.status.compliance = Some(compliance);
    }

    /// The status with its conditions. `live` is the Command that runs.
    pub fn conclude(
        mut self,
        association: &Association,
        problem: Option<&Problem>,
        live: Option<&Command>,
        now: Timestamp,
    ) -> AssociationStatus {
        let generation = association.metadata.generation;
        let ready = self.ready(problem, live, &association.spec.max_errors);
        let conditions = &mut self.status.conditions;
        for condition in conditions.iter_mut() {
            condition.observed_generation = generation;
        }
        let mut set = |type_, (status, reason, message): Ready| {
            condition::set(conditions, generation, now, type_, status, reason, &message);
        };
        if let Some(ready) = ready {
            set(condition::READY, ready);
        }
        if let Some(problem) = problem {
            set(condition::STALLED, (true, problem.reason, problem.message.clone()));
        } else if let Some(command) = live {
            set(condition::RECONCILING, (true, "Running", running(command)));
        }
        if problem.is_none() {
            condition::remove(&mut self.status.conditions, condition::STALLED);
        }
        if problem.is_some() || live.is_none() {
            condition::remove(&mut self.status.conditions, condition::RECONCILING);
        }
        self.status
    }

    /// What `Ready` becomes; `None` where it stays.
    fn ready(
        &mut self,
        problem: Option<&Problem>,
        live: Option<&Command>,
        max_errors: &str,
    ) -> Option<Ready> {
        if let Some(problem) = problem {
            return Some((false, problem.reason, problem.message.clone()));
        }
        if let Some(outcome) = self.outcome.take() {
            return Some(outcome);
        }
        let reason =
            condition::get(&self.status.conditions, condition::READY).map(|ready| ready.reason.as_str());
        match reason {
            Some(SUCCEEDED | RUN_FAILED | COMMAND_DELETED | ACCEPTED) => None,
            Some(PROGRESSING) if live.is_some() => None,
            _ => Some(match (&self.status.last_command, live) {
                (Some(last), _) => verdict(last, None, &self.status.failing_nodes, max_errors),
                (None, Some(_)) => (false, PROGRESSING, "its first run is under way".into()),
                (None, None) => (true, ACCEPTED, "it has not run yet".into()),
            }),
        }
    }
}

fn running(command: &Command) -> String {
    let cause = command.annotations().get(CAUSE_ANNOTATION).map(String::as_str).unwrap_or_default();
    format!("Command {} is running ({cause})", command.name_any())
}

/// Whether a run stayed within its limit of errors.
fn verdict(last: &LastCommand, message: Option<&str>, failing: &[FailingNode], max_errors: &str) -> Ready {
    let counts = last.counts.clone().unwrap_or_default();
    let (errors, targets) = (counts.failed.saturating_add(counts.execution_timed_out), total(&counts));
    let first = failing.first().map(|node| format!(": {}", in_words(node))).unwrap_or_default();
    let failed = format!("{errors} of {targets} nodes failed");
    match last.status_details.as_str() {
        "Failed" | "Undeliverable" | "RateExceeded" | "AccessDenied" | "InvalidPlatform" if errors > 0 => {
            (false, RUN_FAILED, format!("{failed}{first}"))
        }
        details @ ("Failed" | "Undeliverable" | "RateExceeded" | "AccessDenied" | "InvalidPlatform") => {
            let why = message.map_or_else(|| details.to_owned(), ToOwned::to_owned);
            (false, RUN_FAILED, format!("Command {} failed: {why}", last.name))
        }
        _ if errors > 0 => {
            (true, SUCCEEDED, format!("{failed}, which maxErrors ({max_errors}) allows{first}"))
        }
        "Cancelled" => (true, SUCCEEDED, "the last run was cancelled".into()),
        _ if targets == 0 => (true, SUCCEEDED, "no node that matches was online at the last run".into()),
        _ => (true, SUCCEEDED, format!("the last run ended well on {} of {targets} nodes", counts.success)),
    }
}

fn total(counts: &CommandCounts) -> u32 {
    let CommandCounts {
        pending,
        in_progress,
        success,
        failed,
        delivery_timed_out,
        execution_timed_out,
        cancelled,
        terminated,
        undeliverable,
    } = *counts;
    [
        pending,
        in_progress,
        success,
        failed,
        delivery_timed_out,
        execution_timed_out,
        cancelled,
        terminated,
        undeliverable,
    ]
    .into_iter()
    .fold(0, u32::saturating_add)
}

#[cfg(test)]
mod tests;
