//! The Commands of an Association: which one is under way, and which may go.

use std::sync::Arc;

use keelson_api::{Association, AssociationStatus, Command, RunStatus};
use kube::api::DeleteParams;
use kube::{Api, ResourceExt};

use super::build;
use super::due::Live;
use crate::context::Context;
use crate::error::Error;
use crate::patch::is_not_found;

/// How many of those that ended well, and of the others, are kept to be looked at.
const KEEP_SUCCEEDED: usize = 1;
const KEEP_FAILED: usize = 3;

/// The Command that the status speaks of, or should.
#[derive(Debug, Clone)]
pub enum Current {
    /// There is none.
    Nothing,
    /// It has not ended.
    Live(Arc<Command>),
    /// It has ended, and its results are not in the status yet.
    Ended(Arc<Command>),
    /// Somebody deleted it before its results were taken.
    Lost(String),
}

impl Current {
    /// The Command that has not ended.
    pub fn command(&self) -> Option<&Command> {
        if let Self::Live(command) = self { Some(command) } else { None }
    }

    /// What it means for the next run.
    pub fn live(&self) -> Live {
        match self {
            Self::Live(command) if build::is_catch_up(command) => Live::CatchUp,
            Self::Live(_) => Live::Run,
            Self::Nothing | Self::Ended(_) | Self::Lost(_) => Live::Nothing,
        }
    }
}

/// The Commands of an Association that the cache knows, oldest first.
pub fn commands(context: &Context, association: &Association) -> Vec<Arc<Command>> {
    let (namespace, uid) = (association.namespace(), association.uid().unwrap_or_default());
    let mut commands = context.index.commands.state();
    commands.retain(|command| command.namespace() == namespace && is_owned(command, &uid));
    commands.sort_by_key(|command| (command.creation_timestamp(), command.name_any()));
    commands
}

/// Whether the Association with this uid made a Command.
pub fn is_owned(command: &Command, association_uid: &str) -> bool {
    command
        .owner_references()
        .iter()
        .any(|owner| owner.controller == Some(true) && owner.uid == association_uid)
}

/// Finds the current Command. One that was made without the status saying so, since somebody died in between, is
/// current too.
pub async fn current(
    context: &Context,
    association: &Association,
    status: &AssociationStatus,
    owned: &[Arc<Command>],
) -> Result<Current, Error> {
    let Some(name) = &status.current_command else {
        let live = owned.iter().find(|command| !command.has_ended());
        return Ok(live.cloned().map_or(Current::Nothing, Current::Live));
    };
    let command = match owned.iter().find(|command| command.name_any() == *name) {
        Some(command) => Some(command.clone()),
        None => fetch(context, association, name).await?.map(Arc::new), // the cache may be behind
    };
    Ok(match command {
        Some(command) if command.has_ended() => Current::Ended(command),
        Some(command) => Current::Live(command),
        None => Current::Lost(name.clone()),
    })
}

/// A Command by name, if this Association made it.
pub async fn fetch(
    context: &Context,
    association: &Association,
    name: &str,
) -> Result<Option<Command>, Error> {
    let command = api(context, association).get_opt(name).await?;
    let uid = association.uid().unwrap_or_default();
    Ok(command.filter(|command| is_owned(command, &uid)))
}

/// Deletes Commands that ended and that nobody needs any more, with their Invocations.
pub async fn prune(
    context: &Context,
    association: &Association,
    owned: &[Arc<Command>],
    current: &Current,
) -> Result<(), Error> {
    let current = current.command().map(ResourceExt::name_any);
    for name in superfluous(owned, current.as_deref()) {
        match api(context, association).delete(&name, &DeleteParams::background()).await {
            Err(error) if !is_not_found(&error) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// The Commands that may go; `owned` are oldest first.
fn superfluous(owned: &[Arc<Command>], current: Option<&str>) -> Vec<String> {
    let (mut succeeded, mut failed) = (0, 0);
    let ended = owned.iter().rev().filter(|command| command.has_ended());
    ended
        .filter(|command| command.metadata.name.as_deref() != current)
        .filter(|command| {
            let success =
                command.status.as_ref().is_some_and(|status| status.status == Some(RunStatus::Success));
            let (count, keep) =
                if success { (&mut succeeded, KEEP_SUCCEEDED) } else { (&mut failed, KEEP_FAILED) };
            *count += 1;
            *count > keep && command.metadata.deletion_timestamp.is_none()
        })
        .map(|command| command.name_any())
        .collect()
}

fn api(context: &Context, association: &Association) -> Api<Command> {
    Api::namespaced(context.client.clone(), &association.namespace().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::association::fixtures::ended_command;

    #[test]
    fn one_command_that_ended_well_and_three_that_did_not_are_kept() {
        let owned: Vec<_> = ["Failed", "Success", "Failed", "Success", "Failed", "DeliveryTimedOut"]
            .iter()
            .enumerate()
            .map(|(index, details)| Arc::new(ended_command(&format!("c{index}"), details)))
            .collect();
        assert_eq!(superfluous(&owned, None), ["c1", "c0"]);
        assert_eq!(superfluous(&owned, Some("c0")), ["c1"], "results that were not taken yet are kept");
    }

    #[test]
    fn a_command_that_runs_is_never_cleaned_up() {
        let mut running = ended_command("c0", "Success");
        running.status = None;
        let owned = [Arc::new(running), Arc::new(ended_command("c1", "Success"))];
        assert!(superfluous(&owned, None).is_empty());
    }
}
