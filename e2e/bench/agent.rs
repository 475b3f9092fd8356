//! One node by itself: what its agent takes of it, and how quickly it runs something.
//!
//! By itself, because the nodes of a fleet share the pages of one binary, and each would be charged only its share.

use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::jiff::Timestamp;
use keelson_e2e::keelson::AGENT_UNIT;
use keelson_e2e::wait::eventually;
use keelson_e2e::{Lab, Node, assets, usage};
use tokio::time::sleep;

use crate::command::{self, Target};
use crate::figures::{Figure, mebibytes, median, milliseconds, precise};
use crate::steps;

const DOCUMENTS_AT_ONCE: u8 = 5;
const RUNS: u16 = 20;
const SOON: Duration = Duration::from_secs(30);
const SETTLING: Duration = Duration::from_secs(15);
/// As the gateway logs them at debug level.
const DISPATCHED: &str = "dispatched";
const REPORTED: &str = "reported";
/// As the agent logs the journalled beginning of a run, and its end.
pub const ACCEPTED: &str = "accepted";
pub const FINISHED: &str = "finished";

/// Boots the node and measures all of it.
pub async fn measure() -> anyhow::Result<Vec<Figure>> {
    let lab = Lab::start_with("bench-agent", 1, |settings| {
        settings.preload.push(("RUST_LOG".into(), "info,keelson_gateway=debug".into()));
        settings.preload.push(("NO_COLOR".into(), "1".into()));
    })
    .await?;
    let node = lab.nodes.first().context("the lab has no node")?;
    let name = lab.names.first().context("the lab has no node")?;
    lab.keelson.script("no-op", "true", 60).await?;
    let mut figures = latency(&lab, node, name).await?;
    figures.push(steps::overhead(&lab, node, name).await?);
    sleep(SETTLING).await;
    let rest = usage::rss(node.pid_of(AGENT_UNIT).await?)?;
    figures.push(
        Figure::new("agent: RSS at rest", mebibytes(rest), "MiB")
            .goal(10.0)
            .real_agent(41.6)
            .note(format!("after {RUNS} documents; PSS {:.1} MiB", mebibytes(agents(node).1))),
    );
    figures.push(five_documents(&lab, node, name).await?);
    let size = std::fs::metadata(assets::agent()?)?.len();
    figures.push(
        Figure::new("agent: stripped static binary", precise(size) / 1e6, "MB").goal(6.0).real_agent(102.0),
    );
    Ok(figures)
}

/// One Command after the other to the one node.
async fn latency(lab: &Lab, node: &Node, name: &str) -> anyhow::Result<Vec<Figure>> {
    command::run(&lab.keelson, "warm-up", "no-op", &Target::Node(name)).await?;
    let (mut whole, mut commands) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        let (took, uid) =
            command::run(&lab.keelson, &format!("no-op-{run}"), "no-op", &Target::Node(name)).await?;
        whole.push(milliseconds(took));
        commands.push(uid);
    }
    let gateway = lab.keelson.gateways.first().context("there is no gateway")?.log_path();
    let gateway = std::fs::read_to_string(gateway)?;
    let agent = node.shell(&format!("journalctl --unit {AGENT_UNIT} --output cat --no-pager")).await?;
    // The node's clock is this machine's, so times of both logs can be compared.
    let between = |from: (&str, &str), to: (&str, &str)| {
        let spans = commands.iter().map(|uid| Ok(logged(to, uid)? - logged(from, uid)?));
        anyhow::Ok(median(spans.collect::<anyhow::Result<_>>()?))
    };
    let (dispatched, reported) = ((gateway.as_str(), DISPATCHED), (gateway.as_str(), REPORTED));
    let (accepted, finished) = ((agent.as_str(), ACCEPTED), (agent.as_str(), FINISHED));
    Ok(vec![
        Figure::new("one `true` document: dispatch to final result", between(dispatched, reported)?, "ms")
            .goal(10.0)
            .real_agent(30.0)
            .note(format!(
                "by the gateway's log, from sending the dispatch to hearing the result; median of {RUNS}; {:.1} ms until it is in the node's journal, {:.1} ms until its end is, {:.1} ms until the gateway knows",
                between(dispatched, accepted)?,
                between(accepted, finished)?,
                between(finished, reported)?,
            )),
        Figure::new("one `true` document: Command created to ended", median(whole), "ms")
            .note(format!("as a watch tells it; median of {RUNS}")),
    ])
}

/// When a log says so of a Command, in milliseconds. Each of its lines begins with the time.
pub fn logged((log, what): (&str, &str), uid: &str) -> anyhow::Result<f64> {
    let line = log.lines().find(|line| line.contains(what) && line.contains(uid));
    let line = line.with_context(|| format!("no log has a line {what:?} of {uid}"))?;
    let time: Timestamp = line.split_whitespace().next().unwrap_or_default().parse()?;
    Ok(time.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64() * 1000.0)
}

async fn five_documents(lab: &Lab, node: &Node, name: &str) -> anyhow::Result<Figure> {
    lab.keelson.script("wait", "touch /root/waiting-$SSM_COMMAND_ID; sleep 20", 60).await?;
    let spec = format!("documentName: wait, targets: [{{key: InstanceIds, values: [{name}]}}]");
    for index in 0..DOCUMENTS_AT_ONCE {
        lab.keelson.command(&format!("wait-{index}"), &spec).await?;
    }
    eventually(SOON, "five documents to run", || async {
        let files = std::fs::read_dir(node.host_path("/root")?)?.flatten();
        let waiting = files.filter(|file| file.file_name().to_string_lossy().starts_with("waiting-")).count();
        Ok((waiting == usize::from(DOCUMENTS_AT_ONCE)).then_some(()))
    })
    .await?;
    sleep(Duration::from_secs(2)).await; // they have to be at rest, which nothing announces
    let (processes, memory) = agents(node);
    for index in 0..DOCUMENTS_AT_ONCE {
        lab.keelson.ended(&format!("wait-{index}"), SOON).await?;
    }
    Ok(Figure::new("agent and workers: PSS with five documents", mebibytes(memory), "MiB")
        .goal(16.0)
        .real_agent(149.0)
        .note(format!("{processes} processes of the agent's binary, without the scripts")))
}

/// How many processes of the agent's binary run on the node, and their memory in bytes, shared pages counted once.
fn agents(node: &Node) -> (usize, u64) {
    let is_agent = |pid: &u32| {
        std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|path| path.ends_with("keelson-agent"))
    };
    let processes = node.processes_of(AGENT_UNIT).into_iter().filter(is_agent);
    let memory: Vec<u64> = processes.filter_map(|pid| usage::pss(pid).ok()).collect();
    (memory.len(), memory.iter().sum())
}
