//! How far a Command is, in a line.

use std::collections::BTreeMap;

use keelson_api::{Command, RunStatus};

use crate::text::counted;

/// Nodes by where they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    total: Option<u32>,
    done: u32,
    failed: u32,
    running: u32,
}

impl Progress {
    /// From the Invocations seen, and from the Command, which also counts targets that never get one.
    pub fn of(command: &Command, seen: &BTreeMap<String, RunStatus>) -> Self {
        let count = |wanted: fn(RunStatus) -> bool| {
            u32::try_from(seen.values().filter(|status| wanted(**status)).count()).unwrap_or(u32::MAX)
        };
        let status = command.status.clone().unwrap_or_default();
        Self {
            total: status.target_count,
            done: count(RunStatus::is_terminal).max(status.completed_count.unwrap_or_default()),
            failed: count(|status| status.is_terminal() && status != RunStatus::Success)
                .max(status.error_count.unwrap_or_default()),
            running: count(|status| matches!(status, RunStatus::InProgress | RunStatus::Cancelling)),
        }
    }

    /// `3 of 20 nodes done, 1 failed, 5 running`
    pub fn line(&self) -> String {
        match self.total {
            None => "waiting for the Command to start".to_owned(),
            Some(total) => format!(
                "{} of {} done, {} failed, {} running",
                self.done,
                counted(total, "node"),
                self.failed,
                self.running
            ),
        }
    }

    /// What a log shows of it: a line at the start and as each tenth is done. Equal values are not worth a new line.
    pub fn milestone(&self) -> Option<u32> {
        let total = self.total?;
        Some(self.done.saturating_mul(10).checked_div(total.max(10)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::command;

    #[test]
    fn nodes_are_counted_by_where_they_stand() {
        let statuses = [RunStatus::Success, RunStatus::Failed, RunStatus::InProgress, RunStatus::Pending];
        let seen =
            statuses.into_iter().enumerate().map(|(index, status)| (index.to_string(), status)).collect();
        let mut command = command("InProgress", "InProgress", 5);
        assert_eq!(Progress::of(&command, &seen).line(), "2 of 5 nodes done, 1 failed, 1 running");
        // One target that never got an Invocation.
        command.status.as_mut().unwrap().completed_count = Some(3);
        assert_eq!(Progress::of(&command, &seen).line(), "3 of 5 nodes done, 1 failed, 1 running");
        command.status = None;
        assert_eq!(Progress::of(&command, &BTreeMap::new()).line(), "waiting for the Command to start");
    }

    #[test]
    fn a_log_gets_few_lines_however_many_nodes_there_are() {
        let at = |done, total| Progress { total: Some(total), done, ..Progress::default() }.milestone();
        let lines: std::collections::BTreeSet<_> = (0..=1000).map(|done| at(done, 1000)).collect();
        assert_eq!(lines.len(), 11);
        assert_ne!(at(0, 3), at(1, 3));
        assert_eq!(Progress::default().milestone(), None);
    }
}
