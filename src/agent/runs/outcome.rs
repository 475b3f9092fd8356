//! The result of a run, as it is journalled and reported.

use std::fs::File;
use std::io::Read;

use keelson_core::output::{STREAM_LIMIT, truncate};
use keelson_core::status::StepStatus;
use keelson_protocol::v1::{RefreshAssociations, RunResult, StepResult, StreamDigest};
use prost::Message;
use sha2::{Digest, Sha256};

use crate::clock;
use crate::facts::unhex;
use crate::run_directory::{CurrentStep, Progress, RunDirectory, StepRecord, Stream, StreamRecord};

/// A result is at most this long, so that it fits a message however many steps it has.
const RESULT_LIMIT: usize = 3 * 1024 * 1024;

/// Whose result it is.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Uid of the Command.
    pub command_uid: &'a str,
    /// Name of the Invocation.
    pub invocation: &'a str,
}

/// The result of a run that came to its end.
pub fn ended(subject: Subject<'_>, progress: Progress) -> RunResult {
    let result = RunResult {
        command_uid: subject.command_uid.to_owned(),
        invocation: subject.invocation.to_owned(),
        status: progress.status.as_str().to_owned(),
        steps: progress.steps.into_iter().map(step_result).collect(),
        duration_ms: progress.duration_ms,
        message: progress.message,
        started_unix_ms: progress.started_unix_ms,
        ended_unix_ms: progress.ended_unix_ms,
        output_pending: false,
    };
    fitting(result)
}

/// The result of a run whose worker is gone: the steps that ended did so, the one that ran has failed.
pub fn died(
    subject: Subject<'_>,
    directory: &RunDirectory,
    progress: Option<Progress>,
    message: &str,
) -> RunResult {
    let Some(mut progress) = progress else { return failed(subject, message) };
    if let Some(step) = progress.current.take() {
        progress.steps.push(interrupted(step, directory, message));
    }
    progress.ended_unix_ms = clock::unix_ms();
    let elapsed = progress.ended_unix_ms.saturating_sub(progress.started_unix_ms);
    progress.duration_ms = u64::try_from(elapsed).unwrap_or(0);
    progress.status = StepStatus::Failed;
    message.clone_into(&mut progress.message);
    ended(subject, progress)
}

/// The result of a run that could not be carried out at all.
pub fn failed(subject: Subject<'_>, message: &str) -> RunResult {
    without_steps(subject, StepStatus::Failed, message)
}

/// The result of a run that was cancelled while it waited for its turn.
pub fn cancelled(subject: Subject<'_>) -> RunResult {
    without_steps(subject, StepStatus::Cancelled, "cancelled before it was started")
}

fn without_steps(subject: Subject<'_>, status: StepStatus, message: &str) -> RunResult {
    let now = clock::unix_ms();
    RunResult {
        command_uid: subject.command_uid.to_owned(),
        invocation: subject.invocation.to_owned(),
        status: status.as_str().to_owned(),
        message: message.to_owned(),
        started_unix_ms: now,
        ended_unix_ms: now,
        ..RunResult::default()
    }
}

fn interrupted(step: CurrentStep, directory: &RunDirectory, message: &str) -> StepRecord {
    StepRecord {
        index: step.index,
        name: step.name,
        action: step.action,
        status: StepStatus::Failed,
        code: 1,
        output: message.to_owned(),
        standard_output: String::new(),
        standard_error: message.to_owned(),
        started_unix_ms: step.started_unix_ms,
        ended_unix_ms: clock::unix_ms(),
        stdout: digest(directory, step.index, Stream::Stdout),
        stderr: digest(directory, step.index, Stream::Stderr),
        refresh_associations: None,
    }
}

/// What an interrupted step left of a stream; nothing if it left none or it cannot be read.
fn digest(directory: &RunDirectory, step: u32, stream: Stream) -> Option<StreamRecord> {
    let mut file = File::open(directory.output(step, stream)).ok()?;
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 64 * 1024]);
    loop {
        let count = file.read(&mut buffer).ok()?;
        if count == 0 {
            break;
        }
        hash.update(buffer.get(..count)?);
        bytes += u64::try_from(count).ok()?;
    }
    (bytes > 0).then(|| StreamRecord { bytes, sha256: crate::facts::hex(&hash.finalize()), capped: false })
}

fn step_result(step: StepRecord) -> StepResult {
    StepResult {
        name: step.name,
        action: step.action,
        status: step.status.as_str().to_owned(),
        code: step.code,
        output: step.output,
        standard_output: step.standard_output,
        standard_error: step.standard_error,
        started_unix_ms: step.started_unix_ms,
        ended_unix_ms: step.ended_unix_ms,
        stdout: step.stdout.as_ref().map(stream_digest),
        stderr: step.stderr.as_ref().map(stream_digest),
        refresh_associations: step.refresh_associations.map(|names| RefreshAssociations { names }),
    }
}

fn stream_digest(stream: &StreamRecord) -> StreamDigest {
    StreamDigest { bytes: stream.bytes, sha256: unhex(&stream.sha256), capped: stream.capped }
}

/// Cuts the steps' long texts, all to the same length, until the result fits a message. The archive has the
/// whole. More Associations than fit stand for all of them.
fn fitting(mut result: RunResult) -> RunResult {
    let mut limit = STREAM_LIMIT;
    while result.encoded_len() > RESULT_LIMIT && limit > 0 {
        limit /= 2;
        for step in &mut result.steps {
            for text in [&mut step.standard_output, &mut step.standard_error, &mut step.output] {
                *text = if limit < 64 { String::new() } else { truncate(text.as_bytes(), limit) };
            }
            if let Some(refresh) = &mut step.refresh_associations
                && refresh.encoded_len() > limit
            {
                refresh.names.clear();
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::fixture::{progress, step};

    const SUBJECT: Subject<'_> = Subject { command_uid: "uid-1", invocation: "web-1" };

    #[test]
    fn an_ended_run_reports_its_steps_in_awss_words() {
        let mut ended_run = progress(StepStatus::Success, true);
        let digest = StreamRecord { bytes: 3, sha256: "0aff".into(), capped: false };
        ended_run.steps = vec![StepRecord { stdout: Some(digest), ..step("a", StepStatus::Success) }];
        let result = ended(SUBJECT, ended_run);
        assert_eq!((result.status.as_str(), result.command_uid.as_str()), ("Success", "uid-1"));
        assert_eq!(result.steps[0].status, "Success");
        assert_eq!(result.steps[0].stdout.as_ref().unwrap().sha256, [0x0a, 0xff]);
        assert!(result.steps[0].stderr.is_none());
    }

    #[test]
    fn the_step_that_ran_when_its_worker_died_has_failed_and_earlier_ones_stand() {
        let folder = tempfile::tempdir().unwrap();
        let directory = RunDirectory::new(folder.path());
        let stdout = directory.output(1, Stream::Stdout);
        std::fs::create_dir_all(stdout.parent().unwrap()).unwrap();
        std::fs::write(stdout, "abc").unwrap();
        let mut run = progress(StepStatus::InProgress, false);
        run.steps = vec![step("a", StepStatus::Success)];
        run.current =
            Some(CurrentStep { index: 1, name: "b".into(), action: "aws:x".into(), started_unix_ms: 1 });
        let result = died(SUBJECT, &directory, Some(run), "the node rebooted");
        assert_eq!((result.status.as_str(), result.message.as_str()), ("Failed", "the node rebooted"));
        let steps: Vec<_> =
            result.steps.iter().map(|s| (s.name.as_str(), s.status.as_str(), s.code)).collect();
        assert_eq!(steps, [("a", "Success", 0), ("b", "Failed", 1)]);
        assert_eq!(result.steps[1].stdout.as_ref().unwrap().bytes, 3);
    }

    #[test]
    fn a_result_of_very_many_steps_still_fits_a_message() {
        let mut run = progress(StepStatus::Success, true);
        let long = StepRecord { standard_output: "x".repeat(24_000), ..step("a", StepStatus::Success) };
        run.steps = vec![long; 500];
        let result = ended(SUBJECT, run);
        assert!(result.encoded_len() <= RESULT_LIMIT);
        assert!(result.steps[499].standard_output.ends_with("--output truncated--"));
    }

    #[test]
    fn a_result_that_is_long_in_all_that_a_document_decides_still_fits_a_message() {
        let mut run = progress(StepStatus::Success, true);
        let names = vec!["n".repeat(64 * 1024)];
        let refreshing = StepRecord { refresh_associations: Some(names), ..step("a", StepStatus::Success) };
        let printing = StepRecord { output: "x".repeat(2500), ..step("a", StepStatus::Success) };
        run.steps = [vec![refreshing; 100], vec![printing; 3500]].concat();
        let result = ended(SUBJECT, run);
        assert!(result.encoded_len() <= RESULT_LIMIT, "{}", result.encoded_len());
        assert_eq!(result.steps[0].refresh_associations.as_ref().unwrap().names.len(), 0);
        assert!(result.steps[100].output.ends_with("--output truncated--"));
    }
}
