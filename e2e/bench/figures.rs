//! The figures and how they are shown: a table for people, JSON for machines.

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::machine::Machine;

/// One figure.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// How much it is.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// At most so much is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<f64>,
    /// What the real SSM agent takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub real_agent: Option<f64>,
    /// How it was measured, or what it is made of.
    pub note: String,
}

impl Figure {
    /// A figure without a goal.
    pub fn new(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { what: what.into(), value, unit, goal: None, real_agent: None, note: String::new() }
    }

    /// With what is wanted at most.
    pub fn goal(self, goal: f64) -> Self {
        Self { goal: Some(goal), ..self }
    }

    /// With what the real SSM agent takes.
    pub fn real_agent(self, value: f64) -> Self {
        Self { real_agent: Some(value), ..self }
    }

    /// With how it was measured.
    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }
}

/// All figures with the machine they are of.
#[derive(Debug, Serialize)]
pub struct Measured {
    pub machine: Machine,
    /// Whose CPU time was measured as operator and gateway: a release build spends less.
    pub operator: PathBuf,
    pub figures: Vec<Figure>,
}

impl Display for Measured {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "{}\noperator and gateway: {}\n", self.machine, self.operator.display())?;
        writeln!(to, "{:<54} {:>14} {:>10} {:>10}", "", "measured", "goal", "SSM agent")?;
        for figure in &self.figures {
            let Figure { what, value, unit, goal, real_agent, note } = figure;
            let measured = format!("{} {unit}", short(*value));
            let verdict = if goal.is_some_and(|goal| *value > goal) { "  MISSED" } else { "" };
            writeln!(
                to,
                "{what:<54} {measured:>14} {:>10} {:>10}{verdict}",
                wanted(*goal),
                known(*real_agent)
            )?;
            if !note.is_empty() {
                writeln!(to, "    {note}")?;
            }
        }
        Ok(())
    }
}

fn wanted(goal: Option<f64>) -> String {
    goal.map_or_else(String::new, |goal| format!("<= {}", short(goal)))
}

fn known(value: Option<f64>) -> String {
    value.map_or_else(String::new, short)
}

/// Three digits that count, at most two behind the point.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The middle of the values; the upper of the two middle ones if their number is even, 0 of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// A duration in milliseconds.
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Bytes in MiB.
pub fn mebibytes(bytes: u64) -> f64 {
    precise(bytes) / 1_048_576.0
}

/// A count as a number that can be divided; what is counted here is far below 2^52.
#[allow(clippy::cast_precision_loss)]
pub fn precise(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_over_its_goal_is_marked() {
        let machine = Machine::this().unwrap();
        let figures = vec![
            Figure::new("size", 5.5, "MB").goal(6.0).real_agent(102.0).note("stripped"),
            Figure::new("time", 12.25, "ms").goal(10.0),
        ];
        let table = Measured { machine, operator: PathBuf::new(), figures }.to_string();
        let line = |what: &str| table.lines().find(|line| line.starts_with(what)).unwrap().to_owned();
        assert!(
            line("size").contains("5.5 MB") && line("size").contains("<= 6") && line("size").ends_with("102")
        );
        assert!(line("time").ends_with("MISSED"), "{table}");
        assert!(table.contains("    stripped\n"), "{table}");
    }

    #[test]
    fn the_median_is_a_value_that_was_measured() {
        let medians = [vec![3.0, 1.0, 2.0], vec![], vec![1.0, 2.0]].map(median);
        assert_eq!(medians.map(short), ["2", "0", "2"]);
    }

    #[test]
    fn numbers_are_short() {
        let shown = [0.0, 2.0, 2.046, 12.34, 123.4].map(short);
        assert_eq!(shown, ["0", "2", "2.05", "12.3", "123"]);
    }
}
