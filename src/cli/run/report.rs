//! What is printed of a node that has ended, and of all of them at the end.

use keelson_api::{Command, Invocation, InvocationStatus, RunStatus, StepResult};
use kube::ResourceExt as _;

use crate::results::{host, status, without_invocation};
use crate::text::{counted, printable};

/// Between stdout and stderr in a step's output, besides newlines.
const ERROR_TITLE_BYTES: u64 = 24;

/// A node's output, with its host name in front of every line.
pub fn output(invocation: &Invocation) -> String {
    let now = status(invocation);
    let mut text = String::new();
    for step in &now.steps {
        for line in step.output.lines() {
            push(&mut text, invocation, &printable(line));
        }
        if let Some(note) = cut(step, &now) {
            push(&mut text, invocation, &note);
        }
    }
    text
}

fn push(text: &mut String, invocation: &Invocation, line: &str) {
    text.push_str(host(invocation));
    text.push_str(": ");
    text.push_str(line);
    text.push('\n');
}

/// Says that there is more than a status keeps, and where.
fn cut(step: &StepResult, now: &InvocationStatus) -> Option<String> {
    let shown = step.output.len() as u64;
    let all = step.stdout_bytes.saturating_add(step.stderr_bytes);
    let title = if step.stderr_bytes > 0 { ERROR_TITLE_BYTES } else { 0 };
    // AWS's marks of a cut are part of what is shown, and a text that only ends in blank lines is whole.
    let is_cut = all.saturating_add(title) > shown
        || step.output.ends_with("truncated---")
        || step.output.ends_with("truncated----");
    if !is_cut || all == 0 {
        return None;
    }
    let place = if now.output_pending {
        "still on the node, since the archive could not take it".to_owned()
    } else if step.output_key.is_empty() {
        "not in the archive".to_owned()
    } else {
        format!("in the archive, under {}", step.output_key)
    };
    Some(format!(
        "[step {:?} printed {all} bytes, of which this is the beginning; all of it is {place}]",
        step.name
    ))
}

/// Whether every node succeeded, and there were any.
pub fn succeeded(command: &Command) -> bool {
    let now = command.status.clone().unwrap_or_default();
    let counts = now.counts.unwrap_or_default();
    let targets = now.target_count.unwrap_or_default();
    now.status == Some(RunStatus::Success) && targets > 0 && counts.success == targets
}

/// How it ended: the failures one by one, then all in a line.
pub fn summary(command: &Command, invocations: &[Invocation]) -> String {
    let now = command.status.clone().unwrap_or_default();
    let targets = now.target_count.unwrap_or_default();
    let name = command.name_any();
    let details = now.status_details.clone().unwrap_or_default();
    let message = now.message.as_deref().map(printable).unwrap_or_default();
    if targets == 0 {
        let reason = if message.is_empty() { "it has no targets".to_owned() } else { message };
        return format!("error: Command {name} ran nowhere ({details}): {reason}");
    }
    let mut lines: Vec<String> = invocations.iter().filter_map(failure).collect();
    let missing = without_invocation(command, invocations.len());
    if missing > 0 {
        lines.push(crate::results::without(missing, targets));
    }
    let good = now.counts.unwrap_or_default().success;
    let mut last = format!("Command {name}: {details}, {good} of {} succeeded", counted(targets, "node"));
    if !message.is_empty() && !succeeded(command) {
        last = format!("{last}: {message}");
    }
    lines.push(last);
    lines.join("\n")
}

/// `failed: node2 (mi-...): Failed, exit 1: message`
fn failure(invocation: &Invocation) -> Option<String> {
    let now = status(invocation);
    if now.status == RunStatus::Success {
        return None;
    }
    let mut text =
        format!("failed: {} ({}): {}", host(invocation), invocation.spec.node_name, now.status_details);
    if let Some(code) = now.response_code {
        text = format!("{text}, exit {code}");
    }
    if let Some(step) = now.steps.iter().find(|step| matches!(step.status.as_str(), "Failed" | "TimedOut")) {
        text = format!("{text}, in step {:?}", step.name);
    }
    if let Some(message) = &now.message {
        text = format!("{text}: {}", printable(message));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{command, invocation};

    #[test]
    fn every_line_has_its_host_in_front() {
        let node = invocation("node1", "Success", 0, "one\n\ntwo\u{1b}[2J\n");
        assert_eq!(output(&node), "node1: one\nnode1: \nnode1: two\u{FFFD}[2J\n");
    }

    #[test]
    fn output_that_was_cut_says_so_and_where_the_rest_is() {
        let mut node = invocation("node1", "Success", 0, "begin");
        let cut = |node: &Invocation| output(node).lines().nth(1).map(str::to_owned);
        assert_eq!(cut(&node), None);
        node.status.as_mut().unwrap().steps[0].stdout_bytes = 9000;
        assert!(cut(&node).unwrap().ends_with("all of it is not in the archive]"));
        node.status.as_mut().unwrap().steps[0].output_key = "default/x/0".into();
        assert_eq!(
            cut(&node).unwrap(),
            "node1: [step \"script\" printed 9000 bytes, of which this is the beginning; all of it is in the \
             archive, under default/x/0]"
        );
        node.status.as_mut().unwrap().output_pending = true;
        assert!(cut(&node).unwrap().contains("still on the node"));
    }

    #[test]
    fn the_summary_names_who_failed_and_how() {
        let nodes = [invocation("node1", "Success", 0, ""), invocation("node2", "Failed", 7, "")];
        let mut command = command("Failed", "Failed", 3);
        command.status.as_mut().unwrap().counts =
            Some(keelson_api::CommandCounts { success: 1, failed: 1, terminated: 1, ..Default::default() });
        assert_eq!(
            summary(&command, &nodes),
            "failed: node2 (mi-node2): Failed, exit 7, in step \"script\"\n\
             1 of 3 targets has no Invocation: nothing was sent there\n\
             Command uptime-x: Failed, 1 of 3 nodes succeeded"
        );
        assert!(!succeeded(&command));
    }

    #[test]
    fn a_command_that_ran_nowhere_did_not_succeed_and_says_why() {
        let mut command = command("Success", "NoInstancesInTag", 0);
        command.status.as_mut().unwrap().message = Some("no node matches".into());
        assert!(!succeeded(&command));
        assert_eq!(
            summary(&command, &[]),
            "error: Command uptime-x ran nowhere (NoInstancesInTag): no node matches"
        );
    }
}
