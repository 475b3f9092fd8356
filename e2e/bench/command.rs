//! Times a Command as a user would: from its creation to the terminal status, as a watch tells it.

use anyhow::{Context as _, ensure};
use keelson_api::{Command, RunStatus};
use keelson_e2e::Keelson;
use keelson_e2e::keelson::has_ended;
use kube::Api;
use kube::api::PostParams;
use kube::runtime::wait::await_condition;
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(60);

/// Where a Command runs.
pub enum Target<'a> {
    /// On every node.
    Fleet,
    /// On the node of this name.
    Node(&'a str),
}

/// Makes a Command, waits until it has ended well, and tells how long that took and what its uid is.
pub async fn run(
    keelson: &Keelson,
    name: &str,
    document: &str,
    target: &Target<'_>,
) -> anyhow::Result<(Duration, String)> {
    let value = match target {
        Target::Fleet => "*",
        Target::Node(name) => name,
    };
    let spec = json!({ "documentName": document, "targets": [{ "key": "InstanceIds", "values": [value] }] });
    let command = Command::new(name, serde_json::from_value(spec)?);
    let commands: Api<Command> = Api::namespaced(keelson.client(), "default");
    let ended =
        await_condition(commands.clone(), name, |command: Option<&Command>| command.is_some_and(has_ended));
    let started = Instant::now();
    let parameters = PostParams::default();
    let (created, ended) = tokio::join!(commands.create(&parameters, &command), timeout(PATIENCE, ended));
    let took = started.elapsed();
    let created = created?;
    let ended = ended.with_context(|| format!("Command {name} did not end"))??;
    let status = ended.and_then(|command| command.status).unwrap_or_default();
    ensure!(
        status.status == Some(RunStatus::Success),
        "Command {name} ended as {:?}: {:?}",
        status.status_details,
        status.message
    );
    Ok((took, created.metadata.uid.context("an object without a uid")?))
}
