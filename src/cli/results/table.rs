//! Results as a table for people.

use keelson_api::{Command, Invocation};
use kube::ResourceExt as _;

use super::{host, status, without_invocation};
use crate::text::{counted, printable};

/// Longer first lines are cut where the table is not wide.
const FIRST_LINE: usize = 60;

/// `Command x: Failed (Failed), 3 targets`, and what there is to know besides.
pub fn heading(command: &Command, invocations: usize) -> String {
    let now = command.status.clone().unwrap_or_default();
    let details = now.status_details.unwrap_or_else(|| "Pending".to_owned());
    let targets = now.target_count.unwrap_or_default();
    let mut text = format!("Command {}: {details}, {}", command.name_any(), counted(targets, "target"));
    if let Some(message) = now.message {
        text = format!("{text}: {}", printable(&message));
    }
    let missing = without_invocation(command, invocations);
    if missing > 0 {
        text = format!("{text}\n{}", without(missing, targets));
        let counts = now.counts.unwrap_or_default();
        let why: Vec<_> = [
            (counts.pending, "Pending"),
            (counts.undeliverable, "Undeliverable"),
            (counts.terminated, "Terminated"),
            (counts.cancelled, "Cancelled"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
        if !why.is_empty() {
            text = format!("{text} (of all targets: {})", why.join(", "));
        }
    }
    text
}

/// `2 of 5 targets have no Invocation: nothing was sent to them`
pub fn without(missing: u32, targets: u32) -> String {
    let have = if missing == 1 { "has" } else { "have" };
    format!("{missing} of {} {have} no Invocation: nothing was sent there", counted(targets, "target"))
}

/// One line a node, under a line of titles. `wide` has whole first lines, and where the output is.
pub fn table(invocations: &[Invocation], wide: bool) -> String {
    let mut rows = vec![["HOST", "NODE", "STATUS", "EXIT", "SECONDS"].map(str::to_owned).to_vec()];
    if let Some(titles) = rows.first_mut() {
        titles.extend(wide.then(|| "ARCHIVE".to_owned()));
        titles.push("OUTPUT".to_owned());
    }
    rows.extend(invocations.iter().map(|invocation| row(invocation, wide)));
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len))
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn row(invocation: &Invocation, wide: bool) -> Vec<String> {
    let now = status(invocation);
    let or_dash =
        |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned());
    let printed = now.steps.iter().flat_map(|step| step.output.lines()).find(|line| !line.trim().is_empty());
    let first = printable(printed.or(now.message.as_deref()).unwrap_or_default());
    let mut row = vec![
        host(invocation).to_owned(),
        invocation.spec.node_name.clone(),
        now.status_details.clone(),
        or_dash(now.response_code.map(|code| code.to_string())),
        or_dash(now.duration_seconds.clone()),
    ];
    if wide {
        row.push(or_dash(now.output_key.clone()));
        row.push(first);
    } else {
        row.push(shortened(&first));
    }
    row
}

fn shortened(line: &str) -> String {
    if line.chars().count() <= FIRST_LINE {
        return line.to_owned();
    }
    line.chars().take(FIRST_LINE - 3).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{command, invocation};

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let nodes =
            [invocation("node1", "Success", 0, "up 3 days\nmore"), invocation("web", "Failed", 7, "")];
        assert_eq!(
            table(&nodes, false),
            "HOST   NODE      STATUS   EXIT  SECONDS  OUTPUT\n\
             node1  mi-node1  Success  0     0.034    up 3 days\n\
             web    mi-web    Failed   7     0.034\n"
        );
    }

    #[test]
    fn long_lines_are_cut_unless_the_table_is_wide() {
        let nodes = [invocation("node1", "Success", 0, &"x".repeat(100))];
        assert!(table(&nodes, false).ends_with(&format!("{}...\n", "x".repeat(57))));
        let wide = table(&nodes, true);
        assert!(wide.contains("ARCHIVE") && wide.ends_with(&format!("{}\n", "x".repeat(100))), "{wide}");
    }

    #[test]
    fn targets_that_nothing_was_sent_to_are_told() {
        let heading = heading(&command("Failed", "Failed", 3), 2);
        assert_eq!(
            heading,
            "Command uptime-x: Failed, 3 targets\n1 of 3 targets has no Invocation: nothing was sent there"
        );
    }
}
