//! The work of a chaos run: Commands of one script, several at once, sent through an API server that comes and goes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::ensure;
use futures::StreamExt as _;
use keelson_api::Command;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::random::Random;
use crate::keelson::has_ended;
use crate::lab::Lab;
use crate::wait::eventually;

/// Where each run of a script leaves a line, in a file named by its Command's uid.
pub const RUNS: &str = "/var/lib/chaos";
/// Below the five that a node runs at once, so that nothing waits on the node alone.
const COMMANDS_AT_ONCE: usize = 4;
const LONGEST_SCRIPT: Duration = Duration::from_secs(2);
/// A small run has at least so many Commands, of fewer nodes each.
const FEWEST_COMMANDS: usize = 8;
/// Commands are spread over at least this time, so that a small run meets every kind of kill.
const SHORTEST_STORM: Duration = Duration::from_secs(30);
/// From the sending of a Command to its end, kills and all.
const PATIENCE: Duration = Duration::from_secs(600);
const DOCUMENT: &str = "chaos";

/// Commands with their targets.
#[derive(Debug)]
pub struct Work {
    /// All of them.
    pub commands: Vec<Order>,
    ended: AtomicUsize,
}

/// One Command to send.
#[derive(Debug)]
pub struct Order {
    /// Its name.
    pub name: String,
    /// The nodes it is for.
    pub nodes: Vec<String>,
    /// How long the script takes.
    seconds: String,
}

impl Work {
    /// Makes the Document and plans the Commands, each for all nodes of the lab unless there are few Invocations.
    pub async fn prepare(lab: &Lab, invocations: usize, random: &mut Random) -> anyhow::Result<Self> {
        let content = json!({
            "schemaVersion": "2.2",
            "parameters": { "seconds": { "type": "String", "allowedPattern": "^[0-9.]+$" } },
            "mainSteps": [{ "name": "count", "action": "aws:runShellScript", "inputs": { "runCommand": [
                format!("mkdir -p {RUNS}"),
                format!("echo run >> {RUNS}/$SSM_COMMAND_ID"),
                "sleep {{ seconds }}",
            ] } }],
        });
        ensure!(!lab.names.is_empty(), "the lab has no nodes");
        lab.keelson.document(DOCUMENT, &content).await?;
        let mut commands = Vec::new();
        let mut left = invocations;
        let size = (invocations / FEWEST_COMMANDS).clamp(1, lab.names.len());
        while left > 0 {
            // Each begins where the one before ended, so that small Commands meet all nodes.
            let nodes = lab.names.iter().cycle().skip(invocations - left).take(size.min(left));
            let nodes: Vec<String> = nodes.cloned().collect();
            left -= nodes.len();
            let seconds = random.between(Duration::ZERO, LONGEST_SCRIPT).as_secs_f64().to_string();
            commands.push(Order { name: format!("chaos-{}", commands.len()), nodes, seconds });
        }
        Ok(Self { commands, ended: AtomicUsize::new(0) })
    }

    /// How many Invocations belong to Commands that have ended.
    pub fn ended(&self) -> usize {
        self.ended.load(Ordering::Relaxed)
    }

    /// Sends all and waits until each has ended or had its time. `sent` is called when the last one is sent.
    pub async fn send_all(&self, client: &Client, sent: impl Fn()) {
        let commands: Api<Command> = Api::namespaced(client.clone(), "default");
        let last = self.commands.len().saturating_sub(1);
        let (started, pause) =
            (Instant::now(), SHORTEST_STORM / u32::try_from(last).unwrap_or(u32::MAX).max(1));
        let runs = self.commands.iter().enumerate().map(|(index, order)| {
            let (commands, sent) = (&commands, &sent);
            async move {
                sleep_until(started + pause * u32::try_from(index).unwrap_or(u32::MAX)).await;
                let was_sent = order.send(commands).await;
                if index == last {
                    sent();
                }
                // What has not ended in time is found by the count.
                if was_sent.is_ok() && order.ended(commands).await.is_ok() {
                    self.ended.fetch_add(order.nodes.len(), Ordering::Relaxed);
                }
            }
        });
        futures::stream::iter(runs).buffer_unordered(COMMANDS_AT_ONCE).collect::<()>().await;
    }
}

impl Order {
    fn command(&self) -> anyhow::Result<Command> {
        let spec = json!({
            "documentName": DOCUMENT,
            "parameters": { "seconds": [self.seconds] },
            "targets": [{ "key": "InstanceIds", "values": self.nodes }],
            "maxErrors": "100%",
        });
        Ok(Command::new(&self.name, serde_json::from_value(spec)?))
    }

    /// The answer to a request may be lost with the API server, so a name that is taken is ours.
    async fn send(&self, commands: &Api<Command>) -> anyhow::Result<()> {
        let command = self.command()?;
        eventually(PATIENCE, &format!("{} to be taken", self.name), || async {
            match commands.create(&PostParams::default(), &command).await {
                Ok(_) => Ok(Some(())),
                Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(Some(())),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    async fn ended(&self, commands: &Api<Command>) -> anyhow::Result<()> {
        eventually(PATIENCE, &format!("{} to end", self.name), || async {
            Ok(has_ended(&commands.get(&self.name).await?).then_some(()))
        })
        .await
    }
}
