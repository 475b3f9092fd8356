//! Brings a case through the flow: Document, Command, one booted node, and back by way of the archive.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use futures::StreamExt as _;
use keelson_api::{Command, CommandStatus, Invocation, RunStatus};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use super::answer::{Answer, Ran, ResultFile};
use super::case::Case;
use super::differences::Differences;
use super::folder::Recorded;
use super::normal::Names;
use super::report::Report;
use super::store::{Store, refusal_of};
use crate::keelson::{has_ended, invocations_of};
use crate::lab::Lab;
use crate::wait::eventually;
use crate::web::{Files, WebServer};

/// A node runs five at once; one place stays free for what a case leaves behind.
const AT_ONCE: usize = 4;
/// Where the recorded documents download from.
const WEB: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 77, 0, 1), 8899);
/// What the way to the node and back may take beside the run.
const WAY: Duration = Duration::from_secs(30);
/// A case cannot make the run wait longer than this for what may come behind its end.
const LONGEST_SETTLING: f64 = 30.0;

/// Runs the cases on the lab's first node and judges each; `progress` hears the name of each that has ended.
pub async fn all(lab: &Lab, cases: &[&Recorded], progress: impl Fn(&str)) -> anyhow::Result<Report> {
    let list = Differences::read()?;
    lab.network.add_host_address(WEB.0, &lab.nodes)?;
    let web = WebServer::listen(SocketAddr::from(WEB)).await?;
    let (alone, together): (Vec<&Recorded>, Vec<&Recorded>) =
        cases.iter().copied().partition(|recorded| recorded.case.wants_the_node_alone());
    let mut answers = BTreeMap::new();
    let runs = together.into_iter().map(|recorded| one(lab, recorded));
    let mut running = futures::stream::iter(runs).buffer_unordered(AT_ONCE);
    while let Some((name, answer)) = running.next().await {
        progress(&name);
        answers.insert(name, answer);
    }
    let node = lab.nodes.first().context("the lab has no node")?;
    if alone.iter().any(|recorded| recorded.case.reboots) {
        lab.keelson.reboot_at_once(node).await?;
    }
    for recorded in alone {
        web.serve(recorded.case.web_files());
        let (name, answer) = one(lab, recorded).await;
        progress(&name);
        answers.insert(name, answer);
        if recorded.case.reboots {
            node.wait_running().await?;
        }
        web.serve(Files::new());
    }
    let mut report = Report::default();
    for recorded in cases {
        if let Some(answer) = answers.get(&recorded.case.name) {
            report.add(recorded, answer, &list);
        }
    }
    Ok(report)
}

/// Runs one case. Whatever goes wrong with it is its answer, and no matter of the others.
async fn one(lab: &Lab, recorded: &Recorded) -> (String, Answer) {
    let name = recorded.case.name.clone();
    if let Some(reason) = &recorded.unreadable {
        return (name, Answer::Lost(reason.clone()));
    }
    let flow = Flow { lab, case: &recorded.case, store: Store::of(lab.client()) };
    let answer = flow.answer().await;
    let cleaned = flow.clean_up().await;
    let lost = |error: anyhow::Error| Answer::Lost(format!("{error:#}"));
    (name, answer.and_then(|answer| cleaned.map(|()| answer)).unwrap_or_else(lost))
}

/// One case on its way.
struct Flow<'a> {
    lab: &'a Lab,
    case: &'a Case,
    store: Store,
}

impl Flow<'_> {
    async fn answer(&self) -> anyhow::Result<Answer> {
        self.store.put_called(&self.case.documents).await?;
        if let Some(refusal) = self.store.put(&self.case.object_name(), &self.case.document).await? {
            return Ok(Answer::Refused(refusal));
        }
        if let Some(refusal) = self.send().await? {
            return Ok(Answer::Refused(refusal));
        }
        let command = match self.case.cancel_after {
            Some(seconds) if seconds >= 0.0 => {
                let (command, cancelled) = futures::join!(self.ended(), self.cancel_after(seconds));
                cancelled?;
                command?
            }
            _ => self.ended().await?,
        };
        let settle = self.case.settle.unwrap_or_default().clamp(0.0, LONGEST_SETTLING);
        tokio::time::sleep(Duration::from_secs_f64(settle)).await;
        self.read(&command).await
    }

    /// Makes the Command, as often as the case is sent; the reason if it is not accepted.
    async fn send(&self) -> anyhow::Result<Option<String>> {
        let command = self.command()?;
        let refusal = refusal_of(self.commands().create(&PostParams::default(), &command).await)?;
        for _ in 1..self.case.copies.unwrap_or(1) {
            match self.commands().create(&PostParams::default(), &command).await {
                // A Command is there once, however often it is made.
                Err(kube::Error::Api(status)) if status.is_already_exists() => {}
                other => drop(other?),
            }
        }
        Ok(refusal)
    }

    fn command(&self) -> anyhow::Result<Command> {
        let node = self.lab.names.first().context("the lab has no node")?;
        let spec = json!({
            "documentName": self.case.object_name(),
            "parameters": self.case.command_parameters(),
            "targets": [{ "key": "InstanceIds", "values": [node] }],
            "cancel": self.case.cancel_after.is_some_and(|seconds| seconds < 0.0),
        });
        Ok(Command::new(&self.case.object_name(), serde_json::from_value(spec)?))
    }

    async fn ended(&self) -> anyhow::Result<Command> {
        let (commands, name) = (self.commands(), self.case.object_name());
        eventually(self.case.time_allowed() + WAY, &format!("Command {name} to end"), || async {
            let command = commands.get(&name).await?;
            Ok(has_ended(&command).then_some(command))
        })
        .await
    }

    async fn cancel_after(&self, seconds: f64) -> anyhow::Result<()> {
        eventually(WAY, "the Invocation to be made", || async {
            Ok((!self.invocations().await?.is_empty()).then_some(()))
        })
        .await?;
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        self.cancel().await
    }

    async fn cancel(&self) -> anyhow::Result<()> {
        let cancel = Patch::Merge(json!({ "spec": { "cancel": true } }));
        self.commands().patch(&self.case.object_name(), &PatchParams::default(), &cancel).await?;
        Ok(())
    }

    /// Leaves the node and the cluster to the next case.
    async fn clean_up(&self) -> anyhow::Result<()> {
        let command = self.commands().get_opt(&self.case.object_name()).await?;
        if command.is_some_and(|command| !has_ended(&command)) {
            self.cancel().await?;
        }
        self.store.remove(&self.case.documents).await
    }

    /// What the archive holds of the run.
    async fn read(&self, command: &Command) -> anyhow::Result<Answer> {
        let Some(invocation) = self.invocations().await?.pop() else {
            return Ok(without_invocation(command.status.clone().unwrap_or_default()));
        };
        let status = invocation.status.unwrap_or_default();
        let key = status.output_key.with_context(|| {
            format!("the Invocation is {} without an outputKey: {:?}", status.status_details, status.message)
        })?;
        let path = self.lab.keelson.archive().join(key).join("result.json");
        let file = std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let file: ResultFile =
            serde_json::from_slice(&file).with_context(|| format!("{} has another form", path.display()))?;
        let names = Names { node: invocation.spec.node_name, command: invocation.spec.command_uid };
        let status = format!("{:?}", status.status);
        Ok(Answer::Ran(names.normal(Ran { status, message: file.message, steps: file.steps })))
    }

    fn commands(&self) -> Api<Command> {
        Api::namespaced(self.lab.client(), "default")
    }

    async fn invocations(&self) -> anyhow::Result<Vec<Invocation>> {
        invocations_of(&self.lab.client(), &self.case.object_name()).await
    }
}

/// A Command that never reached the node was cancelled first, or does not fit its document.
fn without_invocation(status: CommandStatus) -> Answer {
    let message = status.message.or(status.status_details).unwrap_or_default();
    if status.status == Some(RunStatus::Cancelled) {
        return Answer::Ran(Ran { status: "Cancelled".to_owned(), message, steps: Vec::new() });
    }
    Answer::Refused(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_without_an_invocation_was_cancelled_or_refused() {
        let status = |status, message: &str| CommandStatus {
            status: Some(status),
            message: Some(message.to_owned()),
            ..CommandStatus::default()
        };
        let cancelled = without_invocation(status(RunStatus::Cancelled, "0 of 1 nodes"));
        assert!(matches!(cancelled, Answer::Ran(ran) if ran.status == "Cancelled" && ran.steps.is_empty()));
        let refused = without_invocation(status(RunStatus::Failed, "p is not a parameter"));
        assert!(matches!(refused, Answer::Refused(message) if message == "p is not a parameter"));
    }
}
