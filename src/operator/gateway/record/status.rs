//! A report as an Invocation's status.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use keelson_api::{InvocationStatus, RunStatus, StepResult};
use keelson_core::fleet::{Report, RunReport, StepReport};
use keelson_core::status::{InvocationStatus as CoreStatus, StatusDetails, StepStatus};
use serde::Serialize;

/// The most JSON of a status that goes into etcd; the archive has everything.
const MAX_STATUS: usize = 16 * 1024;
/// The longest message.
const MAX_MESSAGE: usize = 2000;
/// The longest output of a step that a node reports.
const MAX_OUTPUT: usize = 2500;
/// Outputs are not cut below this: what is shorter tells nothing.
const MIN_OUTPUT: usize = 128;
const CUT: &str = "\n---Output truncated---";

/// The whole status that a report makes.
pub fn of(report: &Report) -> InvocationStatus {
    match report {
        Report::InProgress => plain(StatusDetails::InProgress, ""),
        Report::Refused { details, message } => plain(*details, message),
        Report::Finished(run) => fitted(finished(run)),
    }
}

/// The end alone, for a status that the API server does not take whole.
pub fn reduced(status: &InvocationStatus, problem: &str) -> InvocationStatus {
    InvocationStatus {
        status: status.status,
        status_details: status.status_details.clone(),
        response_code: status.response_code,
        message: message(&format!("the steps could not be stored: {problem}")),
        output_key: status.output_key.clone(),
        output_pending: status.output_pending,
        ..InvocationStatus::default()
    }
}

fn plain(details: StatusDetails, text: &str) -> InvocationStatus {
    InvocationStatus {
        status: run_status(details.status()),
        status_details: details.as_str().into(),
        message: message(text),
        ..InvocationStatus::default()
    }
}

fn finished(run: &RunReport) -> InvocationStatus {
    InvocationStatus {
        response_code: response_code(&run.steps),
        execution_start_time: time(run.started_unix_ms),
        execution_end_time: time(run.ended_unix_ms),
        duration_seconds: Some(seconds(run.duration)),
        steps: run.steps.iter().map(step).collect(),
        output_key: Some(run.output_key.clone()).filter(|key| !key.is_empty()),
        output_pending: run.output_pending,
        ..plain(run.details, &run.message)
    }
}

fn step(report: &StepReport) -> StepResult {
    StepResult {
        name: report.name.clone(),
        action: report.action.clone(),
        status: report.status.to_string(),
        response_code: report.code,
        output: report.output.clone(),
        start_time: time(report.started_unix_ms),
        end_time: time(report.ended_unix_ms),
        stdout_bytes: bytes(report.stdout_bytes),
        stdout_sha256: report.stdout_sha256.clone(),
        stderr_bytes: bytes(report.stderr_bytes),
        stderr_sha256: report.stderr_sha256.clone(),
        output_key: report.output_key.clone(),
    }
}

/// The code of the first step that failed, else of the last one that ran; none where none ran.
fn response_code(steps: &[StepReport]) -> Option<i32> {
    let failed = |step: &&StepReport| {
        matches!(step.status, StepStatus::Failed | StepStatus::TimedOut | StepStatus::Cancelled)
    };
    let ran = |step: &&StepReport| !matches!(step.status, StepStatus::Skipped | StepStatus::NotStarted);
    steps.iter().find(failed).or_else(|| steps.iter().rfind(ran)).map(|step| step.code)
}

fn run_status(status: CoreStatus) -> RunStatus {
    match status {
        CoreStatus::Pending => RunStatus::Pending,
        CoreStatus::InProgress => RunStatus::InProgress,
        CoreStatus::Success => RunStatus::Success,
        CoreStatus::Cancelled => RunStatus::Cancelled,
        CoreStatus::Failed => RunStatus::Failed,
        CoreStatus::TimedOut => RunStatus::TimedOut,
        CoreStatus::Cancelling => RunStatus::Cancelling,
    }
}

/// To the second, as Kubernetes writes times; none where the node has none or one that no clock shows.
fn time(unix_ms: i64) -> Option<Time> {
    if unix_ms <= 0 {
        return None;
    }
    Timestamp::from_second(unix_ms.div_euclid(1000)).ok().map(Time)
}

fn seconds(duration: Duration) -> String {
    format!("{}.{:03}", duration.as_secs(), duration.subsec_millis())
}

/// The API server's integers end at 63 bits.
fn bytes(count: u64) -> u64 {
    count.min(i64::MAX.unsigned_abs())
}

fn message(text: &str) -> Option<String> {
    Some(head(text.trim(), MAX_MESSAGE).to_owned()).filter(|text| !text.is_empty())
}

/// The beginning of a text, whole characters of at most `limit` bytes.
fn head(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// Cuts a status to its size: first all long outputs alike, then whole steps are left out.
fn fitted(mut status: InvocationStatus) -> InvocationStatus {
    let mut limit = MAX_OUTPUT;
    while size(&status) > MAX_STATUS && limit > MIN_OUTPUT {
        limit /= 2;
        status.steps.iter_mut().for_each(|step| cut(&mut step.output, limit));
    }
    let excess = (size(&status) + MAX_MESSAGE).saturating_sub(MAX_STATUS);
    if size(&status) > MAX_STATUS { without_some_steps(status, excess) } else { status }
}

/// Leaves out steps of `excess` bytes together: those that went well first, later ones before earlier ones.
fn without_some_steps(mut status: InvocationStatus, excess: usize) -> InvocationStatus {
    let (all, text) = (status.steps.len(), status.message.take().unwrap_or_default());
    let well = |step: &StepResult| step.status == "Success" || step.status == "Skipped";
    let (mut first, mut last): (Vec<_>, Vec<_>) =
        status.steps.into_iter().enumerate().partition(|(_, step)| well(step));
    let mut left = excess;
    while left > 0
        && let Some((_, step)) = first.pop().or_else(|| last.pop())
    {
        left = left.saturating_sub(size(&step) + 1);
    }
    first.append(&mut last);
    first.sort_by_key(|(index, _)| *index);
    status.steps = first.into_iter().map(|(_, step)| step).collect();
    let left_out = all - status.steps.len();
    let note = format!("{left_out} of {all} steps are not shown here; the archive has their output\n{text}");
    status.message = message(&note);
    status
}

fn size(value: &impl Serialize) -> usize {
    serde_json::to_string(value).map_or(0, |json| json.len())
}

fn cut(output: &mut String, limit: usize) {
    let text = output.strip_suffix(CUT).unwrap_or(output);
    if text.len() > limit {
        *output = format!("{}{CUT}", head(text, limit));
    }
}

#[cfg(test)]
mod tests;
