//! Which runs have output that the archive may lack, and what waits for it.

use std::time::Instant;

use super::{Inner, Notice, Phase, Runs};
use crate::journal::State;
use crate::run_directory::RunDirectory;

/// A run whose output is, or will be, in the archive.
#[derive(Debug, Clone)]
pub struct OutputTask {
    /// Uid of the Command.
    pub command_uid: String,
    /// Name of the Invocation.
    pub invocation: String,
    /// The run's folder.
    pub directory: RunDirectory,
    /// How far the run is.
    pub stage: OutputStage,
}

/// What waits for a run's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStage {
    /// The run goes on, and its output grows.
    Growing,
    /// The result waits for the output, since then.
    ResultWaits(Instant),
    /// The result has been told; nothing waits any more.
    Late,
}

impl Runs {
    /// The runs whose output the archive may lack; those whose result waits for it first.
    pub fn output_tasks(&self) -> Vec<OutputTask> {
        let inner = self.lock();
        let tasks = inner.active.iter().filter_map(|(uid, active)| {
            let stage = match active.phase {
                Phase::Finished { since, announced: None } => {
                    OutputStage::ResultWaits(since.max(inner.attached))
                }
                Phase::Running | Phase::AwaitsReboot => OutputStage::Growing,
                Phase::Finished { announced: Some(true), .. } | Phase::Reported { complete: false } => {
                    OutputStage::Late
                }
                Phase::Queued | Phase::Finished { .. } | Phase::Reported { .. } | Phase::Refused => {
                    return None;
                }
            };
            Some(OutputTask {
                command_uid: uid.clone(),
                invocation: active.invocation.clone(),
                directory: self.setting.directory(uid),
                stage,
            })
        });
        let mut tasks: Vec<_> = tasks.collect();
        tasks.sort_by_key(|task| !matches!(task.stage, OutputStage::ResultWaits(_)));
        tasks
    }

    /// The archive has all output of a run whose result was told before, with its output pending: it is told again.
    pub fn output_complete(&self, uid: &str) {
        let mut inner = self.lock();
        let left = inner.has_left_its_output(uid);
        let Some(active) = inner.active.get_mut(uid) else { return };
        match &mut active.phase {
            Phase::Finished { announced, .. } if *announced == Some(true) => *announced = Some(false),
            Phase::Reported { complete } if left => *complete = true,
            // Its folder had to make room, so that nobody can tell whether the archive has all.
            Phase::Reported { .. } => return drop(inner.active.remove(uid)),
            _ => return,
        }
        inner.say(Notice::Finished { command_uid: uid.to_owned(), output_pending: false });
    }
}

impl Inner {
    /// Whether an acknowledged run still has its folder.
    fn has_left_its_output(&self, uid: &str) -> bool {
        let entry = self.journal.entry(uid).ok().flatten();
        entry.is_some_and(|entry| matches!(entry.state, State::Acknowledged(Some(_))))
    }
}
