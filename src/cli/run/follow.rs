//! A Command from its making to its end, as the API server tells it.

use std::collections::BTreeMap;
use std::pin::pin;

use futures::StreamExt as _;
use keelson_api::{COMMAND_LABEL, Command, Invocation, RunStatus};
use kube::api::{Patch, PatchParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Config, Event, watcher};
use kube::{Api, ResourceExt as _};

use super::progress::Progress;
use super::report;
use super::terminal::Terminal;
use crate::cluster::{Cluster, Trouble};
use crate::results;

/// Why waiting ended.
pub enum End {
    /// The Command has ended. Its Invocations are all there are.
    Ended(Box<Command>, Vec<Invocation>),
    /// The user does not want to wait any longer.
    Interrupted,
    /// Somebody deleted the Command.
    Deleted,
}

/// A Command that is waited for.
pub struct Follow<'a> {
    cluster: &'a Cluster,
    terminal: &'a mut Terminal,
    command: Command,
    /// Whether nodes' outputs are printed.
    prints: bool,
    /// Where each Invocation stands.
    seen: BTreeMap<String, RunStatus>,
    /// Whether a lost connection has been told.
    complained: bool,
}

impl<'a> Follow<'a> {
    /// Of a Command that was just made.
    pub fn new(cluster: &'a Cluster, terminal: &'a mut Terminal, command: Command, prints: bool) -> Self {
        Self { cluster, terminal, command, prints, seen: BTreeMap::new(), complained: false }
    }

    /// Waits for the end. An interrupt ends the waiting, or cancels the Command where `cancels`; the second one ends it.
    pub async fn until_end(mut self, mut cancels: bool) -> Result<End, Trouble> {
        let name = self.command.name_any();
        let (client, namespace) = (&self.cluster.client, &self.cluster.namespace);
        let api: Api<Command> = Api::namespaced(client.clone(), namespace);
        let one = Config::default().fields(&format!("metadata.name={name}"));
        let its = Config::default().labels(&format!("{COMMAND_LABEL}={name}"));
        let mut commands = pin!(watcher(api.clone(), one).default_backoff());
        let mut nodes =
            pin!(watcher(Api::<Invocation>::namespaced(client.clone(), namespace), its).default_backoff());
        // One listener for all turns, so that no interrupt falls between two.
        let mut interrupt = Box::pin(tokio::signal::ctrl_c());
        let mut is_there = true;
        self.show();
        loop {
            tokio::select! {
                Some(event) = commands.next() => match event {
                    Ok(Event::Init) => is_there = false,
                    Ok(Event::InitApply(command) | Event::Apply(command)) => {
                        is_there = true;
                        self.command = command;
                    }
                    Ok(Event::InitDone) if is_there => {}
                    Ok(Event::InitDone | Event::Delete(_)) => return Ok(End::Deleted),
                    Err(error) => self.complain(&error, "commands")?,
                },
                Some(event) = nodes.next() => match event {
                    Ok(Event::InitApply(node) | Event::Apply(node)) => self.take(&node),
                    Ok(_) => {}
                    Err(error) => self.complain(&error, "invocations")?,
                },
                _ = &mut interrupt => {
                    interrupt = Box::pin(tokio::signal::ctrl_c());
                    if !std::mem::take(&mut cancels) {
                        return Ok(End::Interrupted);
                    }
                    let patch = Patch::Merge(serde_json::json!({ "spec": { "cancel": true } }));
                    api.patch(&name, &PatchParams::default(), &patch)
                        .await
                        .map_err(|error| self.cluster.trouble(&error, "patch", "commands"))?;
                    self.terminal.say("cancelling; interrupt again to wait no longer");
                }
            }
            self.show();
            if self.command.has_ended() {
                return self.ended().await;
            }
        }
    }

    /// The Command's end may be seen before that of its last nodes.
    async fn ended(mut self) -> Result<End, Trouble> {
        let invocations = results::invocations(self.cluster, &self.command).await?;
        for invocation in &invocations {
            self.take(invocation);
        }
        Ok(End::Ended(Box::new(self.command), invocations))
    }

    /// Prints what a node printed, once it has ended.
    fn take(&mut self, invocation: &Invocation) {
        if !results::is_of(invocation, &self.command) {
            return;
        }
        let status = results::status(invocation).status;
        let before = self.seen.insert(invocation.name_any(), status);
        if self.prints && status.is_terminal() && !before.is_some_and(RunStatus::is_terminal) {
            self.terminal.print(&report::output(invocation));
        }
    }

    fn show(&mut self) {
        self.terminal.progress(Progress::of(&self.command, &self.seen));
    }

    /// A watch tries again by itself; what trying again does not mend ends the waiting.
    fn complain(&mut self, error: &watcher::Error, resource: &str) -> Result<(), Trouble> {
        if let Some(trouble) = self.cluster.watch_trouble(error, resource) {
            return Err(trouble);
        }
        if !std::mem::replace(&mut self.complained, true) {
            self.terminal.say(&format!("lost the connection to the cluster, trying again: {error}"));
        }
        Ok(())
    }
}
