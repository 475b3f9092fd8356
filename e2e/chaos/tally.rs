//! Holds what the control plane says of each Invocation against what its node did.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::Duration;

use keelson_api::{Command, Invocation, RunStatus};
use kube::{Api, ResourceExt as _};

use super::work::{Order, RUNS, Work};
use crate::keelson::invocations_of;
use crate::lab::Lab;
use crate::node::Node;

/// The account of a chaos run.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many Invocations there should have been.
    pub invocations: usize,
    /// Each that did not end as Success with a run on its node, in words.
    pub lost: Vec<String>,
    /// Each that ran more than once, in words.
    pub doubled: Vec<String>,
    /// How long it took.
    pub took: Duration,
    /// What was killed how often.
    pub kills: String,
}

impl Tally {
    /// Whether every Invocation ran once and says so.
    pub fn is_right(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty()
    }

    fn add(&mut self, what: &str, runs: usize, status: Option<RunStatus>) {
        self.invocations += 1;
        let said = status.map_or_else(|| "does not exist".to_owned(), |status| format!("is {status:?}"));
        let line = format!("{what} {said} and ran {runs} times");
        match (runs, status) {
            (2.., _) => self.doubled.push(line),
            (1, Some(RunStatus::Success)) => {}
            _ => self.lost.push(line),
        }
    }
}

impl Display for Tally {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lost.iter().try_for_each(|line| writeln!(to, "lost: {line}"))?;
        self.doubled.iter().try_for_each(|line| writeln!(to, "doubled: {line}"))?;
        writeln!(to, "{} Invocations in {} s; {}", self.invocations, self.took.as_secs(), self.kills)?;
        write!(to, "lost {}, doubled {}", self.lost.len(), self.doubled.len())
    }
}

/// Looks at every Invocation there should be, and at the file its script left on its node.
pub async fn count(lab: &Lab, work: &Work) -> anyhow::Result<Tally> {
    let commands: Api<Command> = Api::namespaced(lab.client(), "default");
    let nodes: BTreeMap<&str, &Node> = lab.names.iter().map(String::as_str).zip(&lab.nodes).collect();
    let mut tally = Tally::default();
    for order in &work.commands {
        let uid = commands.get(&order.name).await?.uid().unwrap_or_default();
        let invocations = invocations_of(&lab.client(), &order.name).await?;
        account(&mut tally, order, &uid, &invocations, &nodes);
    }
    Ok(tally)
}

fn account(
    tally: &mut Tally,
    order: &Order,
    uid: &str,
    invocations: &[Invocation],
    nodes: &BTreeMap<&str, &Node>,
) {
    for name in &order.nodes {
        let of_node: Vec<_> =
            invocations.iter().filter(|invocation| invocation.spec.node_name == *name).collect();
        let status = of_node
            .first()
            .map(|invocation| invocation.status.as_ref().map_or(RunStatus::Pending, |status| status.status));
        // Without the file there was no run.
        let file = nodes.get(name.as_str()).and_then(|node| node.read(&format!("{RUNS}/{uid}")).ok());
        let runs = file.map_or(0, |text| text.lines().count());
        tally.add(&format!("{} on {name}", order.name), runs, status);
        if of_node.len() > 1 {
            tally.doubled.push(format!("{} on {name} has {} Invocations", order.name, of_node.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_success_with_one_run_is_neither_lost_nor_doubled() {
        let mut tally = Tally::default();
        tally.add("well", 1, Some(RunStatus::Success));
        assert!(tally.is_right());
        tally.add("unstarted", 0, Some(RunStatus::Success));
        tally.add("endless", 1, Some(RunStatus::InProgress));
        tally.add("denied", 1, Some(RunStatus::Failed));
        tally.add("missing", 0, None);
        tally.add("twice", 2, Some(RunStatus::Success));
        assert_eq!((tally.lost.len(), tally.doubled.len(), tally.invocations), (4, 1, 6));
        assert!(tally.to_string().ends_with("lost 4, doubled 1"), "{tally}");
        assert!(tally.to_string().contains("lost: missing does not exist and ran 0 times"), "{tally}");
    }
}
