//! What the agent adds to each step of a document: its script written, its process started, its end made durable.

use anyhow::Context as _;
use keelson_e2e::keelson::AGENT_UNIT;
use keelson_e2e::{Lab, Node};
use serde_json::json;

use crate::agent::{ACCEPTED, FINISHED, logged};
use crate::command::{self, Target};
use crate::figures::{Figure, median};

const STEPS: u16 = 100;
const RUNS: u16 = 5;

/// Runs documents of one step and of a hundred more, and the same script as often by itself, on the same node.
pub async fn overhead(lab: &Lab, node: &Node, name: &str) -> anyhow::Result<Figure> {
    let short = durations(lab, node, name, 1).await?;
    let long = durations(lab, node, name, STEPS + 1).await?;
    let a_step = (long - short) / f64::from(STEPS);
    let mut shells = Vec::new();
    for _ in 0..RUNS {
        shells.push(shell(node).await?);
    }
    let shell = median(shells);
    Ok(Figure::new("agent: each further step, over `sh -c`", a_step - shell, "ms").goal(2.0).note(format!(
        "by the agent's log: {a_step:.2} ms a step of `true`, of {STEPS} in one document, the progress written before each; {shell:.2} ms for the same script by `sh -c` on the same node; medians of {RUNS}"
    )))
}

/// How long a document of so many steps takes from its acceptance to its end, in milliseconds.
async fn durations(lab: &Lab, node: &Node, name: &str, steps: u16) -> anyhow::Result<f64> {
    let step = |index| json!({ "name": format!("step{index}"), "action": "aws:runShellScript", "inputs": { "runCommand": ["true"] } });
    let document = format!("steps-{steps}");
    let content = json!({ "schemaVersion": "2.2", "mainSteps": (0..steps).map(step).collect::<Vec<_>>() });
    lab.keelson.document(&document, &content).await?;
    let mut commands = Vec::new();
    for run in 0..RUNS {
        let (_, uid) =
            command::run(&lab.keelson, &format!("{document}-{run}"), &document, &Target::Node(name)).await?;
        commands.push(uid);
    }
    let log = node.shell(&format!("journalctl --unit {AGENT_UNIT} --output cat --no-pager")).await?;
    let spans =
        commands.iter().map(|uid| Ok(logged((&log, FINISHED), uid)? - logged((&log, ACCEPTED), uid)?));
    Ok(median(spans.collect::<anyhow::Result<_>>()?))
}

/// How long the same script takes by itself, begun as the agent begins it, in milliseconds.
async fn shell(node: &Node) -> anyhow::Result<f64> {
    node.write_executable("/root/true.sh", "true\n")?;
    let loop_of_shells = format!(
        "begin=$(date +%s%N); i=0; while [ $i -lt {STEPS} ]; do sh -c /root/true.sh; i=$((i+1)); done; echo $(($(date +%s%N) - begin))"
    );
    let nanoseconds: f64 =
        node.shell(&loop_of_shells).await?.trim().parse().context("the node's date has no nanoseconds")?;
    Ok(nanoseconds / 1e6 / f64::from(STEPS))
}
