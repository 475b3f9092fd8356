//! Brings a case through the flow: Document, Command, one booted node, and back by way of the archive.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use futures::StreamExt as _;
use keelson_api::{Command, CommandStatus, Document, RunStatus, condition};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;

use super::answer::{Answer, Ran, ResultFile};
use super::case::Case;
use super::differences::Differences;
use super::folder::Recorded;
use super::normal::Names;
use super::report::Report;
use crate::keelson::{has_ended, invocations_of};
use crate::lab::Lab;
use crate::wait::eventually;

/// A node runs five at once; one place stays free for what a case leaves behind.
const AT_ONCE: usize = 4;
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(20);
/// What the way to the node and back may take beside the run.
const WAY: Duration = Duration::from_secs(30);

/// Runs the cases on the lab's first node and judges each; `progress` hears the name of each that has ended.
pub async fn all(lab: &Lab, cases: &[&Recorded], progress: impl Fn(&str)) -> anyhow::Result<Report> {
    let list = Differences::read()?;
    let (alone, together): (Vec<&Recorded>, Vec<&Recorded>) =
        cases.iter().copied().partition(|recorded| recorded.case.wants_the_node_alone());
    let mut answers = BTreeMap::new();
    let runs = together.into_iter().map(|recorded| one(lab, &recorded.case));
    let mut running = futures::stream::iter(runs).buffer_unordered(AT_ONCE);
    while let Some((name, answer)) = running.next().await {
        progress(&name);
        answers.insert(name, answer);
    }
    for recorded in alone {
        let (name, answer) = one(lab, &recorded.case).await;
        progress(&name);
        answers.insert(name, answer);
        if recorded.case.reboots {
            lab.nodes.first().context("the lab has no node")?.wait_running().await?;
        }
    }
    let mut report = Report::default();
    for recorded in cases {
        if let Some(answer) = answers.get(&recorded.case.name) {
            report.add(&recorded.case.name, &recorded.answers, answer, &list);
        }
    }
    Ok(report)
}

async fn one(lab: &Lab, case: &Case) -> (String, Answer) {
    let answer = match case.beyond_the_flow() {
        Some(needs) => Ok(Answer::NotRun(needs.to_owned())),
        None => Flow { lab, case }.answer().await,
    };
    (case.name.clone(), answer.unwrap_or_else(|error| Answer::Lost(format!("{error:#}"))))
}

/// One case on its way.
struct Flow<'a> {
    lab: &'a Lab,
    case: &'a Case,
}

impl Flow<'_> {
    async fn answer(&self) -> anyhow::Result<Answer> {
        if let Some(refusal) = self.apply_document().await? {
            return Ok(Answer::Refused(refusal));
        }
        if let Some(refusal) =
            admitted(self.commands().create(&PostParams::default(), &self.command()?).await)?
        {
            return Ok(Answer::Refused(refusal));
        }
        let command = match self.case.cancel_after {
            Some(seconds) if seconds > 0.0 => {
                let (command, cancelled) = futures::join!(self.ended(), self.cancel_after(seconds));
                cancelled?;
                command?
            }
            _ => self.ended().await?,
        };
        self.read(&command).await
    }

    /// Makes the Document; the reason if it is not accepted.
    async fn apply_document(&self) -> anyhow::Result<Option<String>> {
        let documents: Api<Document> = Api::namespaced(self.lab.client(), "default");
        let name = self.case.object_name();
        let spec = serde_json::from_value(json!({ "content": self.case.document }))?;
        let created = documents.create(&PostParams::default(), &Document::new(&name, spec)).await;
        if let Some(refusal) = admitted(created)? {
            return Ok(Some(refusal));
        }
        eventually(DOCUMENT_TIMEOUT, &format!("Document {name} to be judged"), || async {
            let status = documents.get(&name).await?.status.unwrap_or_default();
            let stalled = condition::get(&status.conditions, condition::STALLED);
            Ok(match stalled {
                Some(stalled) if stalled.status == "True" => Some(Some(stalled.message.clone())),
                _ => condition::is_true(&status.conditions, condition::READY).then_some(None),
            })
        })
        .await
    }

    fn command(&self) -> anyhow::Result<Command> {
        let node = self.lab.names.first().context("the lab has no node")?;
        let spec = json!({
            "documentName": self.case.object_name(),
            "parameters": self.case.command_parameters(),
            "targets": [{ "key": "InstanceIds", "values": [node] }],
            "cancel": self.case.cancel_after.is_some_and(|seconds| seconds <= 0.0),
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
        let name = self.case.object_name();
        eventually(WAY, "the Invocation to be made", || async {
            Ok((!invocations_of(&self.lab.client(), &name).await?.is_empty()).then_some(()))
        })
        .await?;
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        let cancel = Patch::Merge(json!({ "spec": { "cancel": true } }));
        self.commands().patch(&name, &PatchParams::default(), &cancel).await?;
        Ok(())
    }

    /// What the archive holds of the run.
    async fn read(&self, command: &Command) -> anyhow::Result<Answer> {
        let Some(invocation) = invocations_of(&self.lab.client(), &command.name_any()).await?.pop() else {
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
}

/// A Command that never reached the node was cancelled first, or does not fit its document.
fn without_invocation(status: CommandStatus) -> Answer {
    let message = status.message.or(status.status_details).unwrap_or_default();
    if status.status == Some(RunStatus::Cancelled) {
        return Answer::Ran(Ran { status: "Cancelled".to_owned(), message, steps: Vec::new() });
    }
    Answer::Refused(message)
}

/// The API server's reason if it did not accept an object.
fn admitted<T>(created: kube::Result<T>) -> anyhow::Result<Option<String>> {
    match created {
        Ok(_) => Ok(None),
        Err(kube::Error::Api(status)) if status.is_invalid() || status.code == 400 => {
            Ok(Some(status.message.clone()))
        }
        Err(error) => Err(error.into()),
    }
}
