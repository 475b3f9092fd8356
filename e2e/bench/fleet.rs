//! Twenty nodes: what a Command costs over all of them, and what they cost while nothing happens.

use std::time::Duration;

use keelson_api::{Command, Invocation};
use keelson_e2e::keelson::AGENT_UNIT;
use keelson_e2e::wait::eventually;
use keelson_e2e::{Keelson, Lab, Process, Settings, usage};
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use tokio::time::sleep;

use crate::command::{self, Target};
use crate::figures::{Figure, median, milliseconds, precise};
use crate::writes::Writes;

const NODES: u8 = 20;
const RUNS: u16 = 5;
/// What follows the terminal status, such as acknowledgements, is part of the cost.
const AFTERWARDS: Duration = Duration::from_secs(1);
/// From the last work to the rest that is measured.
const SETTLING: Duration = Duration::from_secs(20);
const REST: Duration = Duration::from_secs(120);
const GONE_TIMEOUT: Duration = Duration::from_secs(60);

/// Boots the fleet and measures all of it.
pub async fn measure() -> anyhow::Result<Vec<Figure>> {
    // The product's own timing: leases are renewed as often as on a user's cluster.
    let lab =
        Lab::start_with("bench-fleet", NODES, |settings| *settings = Settings::at(settings.address)).await?;
    lab.keelson.script("no-op", "true", 60).await?;
    lab.keelson.script("three-seconds", "sleep 3", 60).await?;
    let mut figures = no_op(&lab).await?;
    figures.extend(three_seconds(&lab).await?);
    figures.extend(at_rest(&lab).await?);
    Ok(figures)
}

async fn no_op(lab: &Lab) -> anyhow::Result<Vec<Figure>> {
    command::run(&lab.keelson, "warm-up", "no-op", &Target::Fleet).await?;
    sleep(AFTERWARDS).await;
    let writes = Writes::until_now(&lab.keelson).await?;
    let mut wall = Vec::new();
    let mut costs = Vec::new();
    for run in 0..RUNS {
        let before = Cost::until_now(lab)?;
        let (took, _) = command::run(&lab.keelson, &format!("no-op-{run}"), "no-op", &Target::Fleet).await?;
        sleep(AFTERWARDS).await;
        costs.push(Cost::until_now(lab)?.since(&before));
        wall.push(milliseconds(took));
    }
    let of =
        |part: fn(&Cost) -> Duration| median(costs.iter().map(|cost| milliseconds(part(cost))).collect());
    let (operator, gateways, nodes) =
        (of(|cost| cost.operator), of(|cost| cost.gateways), of(|cost| cost.nodes));
    let what = format!("one no-op Command to {NODES} nodes");
    let mut figures = vec![
        Figure::new(format!("{what}: wall"), median(wall), "ms")
            .note(format!("from create to terminal status, as a watch tells it; median of {RUNS}")),
        Figure::new(format!("{what}: CPU of Keelson"), of(Cost::keelson), "ms").note(format!(
            "operator {operator:.0} ms, gateway {gateways:.0} ms, nodes {nodes:.0} ms (agents, workers, scripts and what systemd does for them); medians"
        )),
        Figure::new(format!("{what}: CPU of the API server"), of(|cost| cost.api_server), "ms"),
    ];
    let made = Writes::until_now(&lab.keelson).await?.since(&writes);
    figures.extend(per_invocation("no-op", &made, u64::from(RUNS), 2.0));
    figures.push(deletes(&lab.keelson).await?);
    Ok(figures)
}

async fn three_seconds(lab: &Lab) -> anyhow::Result<Vec<Figure>> {
    let before = Writes::until_now(&lab.keelson).await?;
    command::run(&lab.keelson, "three-seconds", "three-seconds", &Target::Fleet).await?;
    sleep(AFTERWARDS).await;
    let made = Writes::until_now(&lab.keelson).await?.since(&before);
    let figures = per_invocation("3 s script", &made, 1, 3.0);
    deletes(&lab.keelson).await?;
    Ok(figures)
}

/// Writes for each Invocation: of Invocations themselves, and of everything else but Leases and the Command that the
/// benchmark made.
fn per_invocation(what: &str, made: &Writes, commands: u64, goal: f64) -> Vec<Figure> {
    let invocations = precise(commands * u64::from(NODES));
    let is_theirs = |resource: &str| resource.starts_with("invocations");
    let theirs = made.only(|_, resource| is_theirs(resource));
    let others = made.only(|verb, resource| {
        !is_theirs(resource) && resource != "leases" && (verb, resource) != ("POST", "commands")
    });
    vec![
        Figure::new(
            format!("API writes for each Invocation, {what}"),
            precise(theirs.count()) / invocations,
            "",
        )
        .goal(goal)
        .note(format!("over {invocations} Invocations: {theirs}")),
        Figure::new(format!("  and of all else, {what}"), precise(others.count()) / invocations, "")
            .note(format!("over {commands} Commands: {others}")),
    ]
}

/// Deletes all Commands, waits until nothing of them is left, and tells what that took.
async fn deletes(keelson: &Keelson) -> anyhow::Result<Figure> {
    let commands: Api<Command> = Api::namespaced(keelson.client(), "default");
    let invocations: Api<Invocation> = Api::namespaced(keelson.client(), "default");
    let all = ListParams::default();
    let there_were = invocations.list(&all).await?.items.len() as u64;
    let before = Writes::until_now(keelson).await?;
    for command in commands.list(&all).await? {
        let name = command.metadata.name.unwrap_or_default();
        commands.delete(&name, &DeleteParams::default()).await?;
    }
    eventually(GONE_TIMEOUT, "the Commands and their Invocations to go", || async {
        let left = commands.list(&all).await?.items.len() + invocations.list(&all).await?.items.len();
        Ok((left == 0).then_some(()))
    })
    .await?;
    let made = Writes::until_now(keelson).await?.since(&before);
    let made = made.only(|verb, resource| resource != "leases" && (verb, resource) != ("DELETE", "commands"));
    Ok(Figure::new("  and of deleting it", precise(made.count()) / precise(there_were.max(1)), "")
        .note(format!("over {there_were} Invocations: {made}")))
}

async fn at_rest(lab: &Lab) -> anyhow::Result<Vec<Figure>> {
    sleep(SETTLING).await;
    let mut agents = Vec::new();
    for node in &lab.nodes {
        agents.push(node.pid_of(AGENT_UNIT).await?);
    }
    let agents_time = || agents.iter().map(|pid| usage::cpu_time(*pid)).collect::<Result<Vec<_>, _>>();
    let writes = Writes::until_now(&lab.keelson).await?;
    let (before, agents_before) = (Cost::until_now(lab)?, agents_time()?);
    sleep(REST).await;
    let (after, agents_after) = (Cost::until_now(lab)?.since(&before), agents_time()?);
    let made = Writes::until_now(&lab.keelson).await?.since(&writes);
    let a_second = |spent: Duration| milliseconds(spent) / REST.as_secs_f64();
    let agents = agents_after
        .iter()
        .zip(&agents_before)
        .map(|(after, before)| a_second(after.saturating_sub(*before)));
    let leases = made.only(|_, resource| resource == "leases");
    let others = made.only(|_, resource| resource != "leases");
    Ok(vec![
        Figure::new("agent: CPU at rest", median(agents.collect()), "ms/s")
            .goal(0.2)
            .real_agent(0.43)
            .note(format!("two minutes, median of {NODES} agents")),
        Figure::new("gateway: CPU at rest", a_second(after.gateways), "ms/s")
            .note(format!("holding {NODES} nodes")),
        Figure::new("operator: CPU at rest", a_second(after.operator), "ms/s"),
        Figure::new("API server: CPU at rest", a_second(after.api_server), "ms/s")
            .note("its own work included"),
        Figure::new("API writes at rest, but Leases", precise(others.count()), "")
            .goal(0.0)
            .note(format!("in two minutes: {others}; Leases: {leases}")),
    ])
}

/// CPU time by who spent it.
struct Cost {
    operator: Duration,
    gateways: Duration,
    nodes: Duration,
    api_server: Duration,
}

impl Cost {
    fn until_now(lab: &Lab) -> anyhow::Result<Self> {
        let gateways = lab.keelson.gateways.iter().map(Process::cpu_time);
        let nodes = lab.nodes.iter().map(keelson_e2e::Node::cpu_time);
        Ok(Self {
            operator: lab.keelson.operator.cpu_time()?,
            gateways: gateways.sum::<anyhow::Result<Duration>>()?,
            nodes: nodes.sum::<anyhow::Result<Duration>>()?,
            api_server: lab.keelson.control_plane.api_server().cpu_time()?,
        })
    }

    fn since(&self, earlier: &Self) -> Self {
        Self {
            operator: self.operator.saturating_sub(earlier.operator),
            gateways: self.gateways.saturating_sub(earlier.gateways),
            nodes: self.nodes.saturating_sub(earlier.nodes),
            api_server: self.api_server.saturating_sub(earlier.api_server),
        }
    }

    fn keelson(&self) -> Duration {
        self.operator + self.gateways + self.nodes
    }
}
