//! Documents, Commands and Invocations as tests make and await them.

use std::time::Duration;

use anyhow::Context as _;
use keelson_api::{Command, Document, Invocation, condition};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};

use super::Keelson;
use crate::wait::eventually;

const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(20);

impl Keelson {
    /// Makes a Document of one shell script with the parameters of `extra`, a piece of YAML, and waits until it is ready.
    pub async fn script(&self, name: &str, script: &str, timeout_seconds: u32) -> anyhow::Result<()> {
        let content = serde_json::json!({
            "schemaVersion": "2.2",
            "mainSteps": [{
                "name": "script",
                "action": "aws:runShellScript",
                "inputs": { "timeoutSeconds": timeout_seconds.to_string(), "runCommand": [script] },
            }],
        });
        self.document(name, &content).await
    }

    /// Makes or changes a Document and waits until its content is a version that can run.
    pub async fn document(&self, name: &str, content: &serde_json::Value) -> anyhow::Result<()> {
        let manifest = serde_json::json!({
            "apiVersion": "keelson.dev/v1alpha1",
            "kind": "Document",
            "metadata": { "name": name },
            "spec": { "content": content },
        });
        self.apply(&manifest.to_string()).await?;
        let documents: Api<Document> = Api::namespaced(self.client(), "default");
        eventually(DOCUMENT_TIMEOUT, &format!("Document {name} to be ready"), || async {
            let document = documents.get(name).await?;
            let status = document.status.clone().unwrap_or_default();
            let current = status.observed_generation == document.metadata.generation;
            Ok((current && condition::is_true(&status.conditions, condition::READY)).then_some(()))
        })
        .await
    }

    /// Makes a Command; `spec` is YAML in flow form without its braces, such as `documentName: x, targets: […]`.
    pub async fn command(&self, name: &str, spec: &str) -> anyhow::Result<()> {
        self.apply(&format!(
            "{{apiVersion: keelson.dev/v1alpha1, kind: Command, metadata: {{name: {name}}}, spec: {{{spec}}}}}"
        ))
        .await?;
        Ok(())
    }

    /// The Command, once it has ended.
    pub async fn ended(&self, name: &str, timeout: Duration) -> anyhow::Result<Command> {
        let commands: Api<Command> = Api::namespaced(self.client(), "default");
        let what = format!("Command {name} to end");
        let waited = eventually(timeout, &what, || async {
            let command = commands.get(name).await?;
            Ok(has_ended(&command).then_some(command))
        });
        match waited.await {
            Ok(command) => Ok(command),
            Err(error) => {
                let now = self.kubectl("get commands,invocations,managednodes -o wide").await?;
                Err(error.context(format!("the objects are\n{now}")))
            }
        }
    }
}

/// Whether a Command has a terminal status.
pub fn has_ended(command: &Command) -> bool {
    command.status.as_ref().and_then(|status| status.status).is_some_and(keelson_api::RunStatus::is_terminal)
}

/// The Invocations of a Command of the namespace `default`.
pub async fn invocations_of(client: &Client, command: &str) -> anyhow::Result<Vec<Invocation>> {
    let invocations: Api<Invocation> = Api::namespaced(client.clone(), "default");
    let list =
        invocations.list(&ListParams::default().fields(&format!("spec.commandName={command}"))).await?;
    Ok(list.items)
}

/// The one Invocation of a Command.
pub async fn invocation_of(client: &Client, command: &str) -> anyhow::Result<Invocation> {
    let mut list = invocations_of(client, command).await?;
    anyhow::ensure!(list.len() <= 1, "Command {command} has {} Invocations", list.len());
    list.pop().with_context(|| format!("Command {command} has no Invocation"))
}

/// The uid of a Command, which is the command id scripts see.
pub async fn run_id_of(client: &Client, command: &str) -> anyhow::Result<String> {
    let commands: Api<Command> = Api::namespaced(client.clone(), "default");
    commands.get(command).await?.uid().context("an object without a uid")
}
