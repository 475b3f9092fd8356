//! The end of a Command's life: its finalizer, and the time after which it is deleted.

use std::time::{Duration, Instant};

use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::controller::Action;
use serde_json::json;

use keelson_api::Command;
use kube::{Resource as _, ResourceExt as _};

use crate::context::{Context, now};
use crate::error::Error;
use crate::patch::{is_conflict, is_not_found};

/// On a Command while it runs, so that deleting it cancels it first. Who makes Commands may put it on from the
/// start, which saves a write.
pub const FINALIZER: &str = "keelson.dev/command";

/// The field manager of the finalizer: what one manager applies it applies whole.
const MANAGER: &str = "keelson/command-finalizer";
/// Before the uid of a Command that has ended, among [`Context::ages`].
const ENDED: &str = "command-ended/";

/// Puts the finalizer on.
pub async fn hold(context: &Context, command: &Command) -> Result<(), Error> {
    if command.metadata.deletion_timestamp.is_some() || has_finalizer(command) {
        return Ok(());
    }
    let patch = json!({
        "apiVersion": Command::api_version(&()),
        "kind": Command::kind(&()),
        "metadata": { "uid": command.uid(), "finalizers": [FINALIZER] },
    });
    let parameters = PatchParams::apply(MANAGER).force();
    api(context, command).patch(&command.name_any(), &parameters, &Patch::Apply(patch)).await?;
    Ok(())
}

/// Takes the finalizer away, whoever put it on. `command` has to be fresh: a conflict says that it was not.
pub async fn let_go(context: &Context, command: &Command) -> Result<(), Error> {
    if !has_finalizer(command) {
        return Ok(());
    }
    let others: Vec<_> = command.finalizers().iter().filter(|finalizer| *finalizer != FINALIZER).collect();
    let patch = json!({
        "metadata": {
            "uid": command.uid(),
            "resourceVersion": command.resource_version(),
            "finalizers": others,
        },
    });
    let parameters = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    match api(context, command).patch(&command.name_any(), &parameters, &Patch::Merge(patch)).await {
        Err(error) if !is_not_found(&error) => Err(error.into()),
        _ => Ok(()),
    }
}

/// What is left to do for a Command that has ended.
pub async fn finished(context: &Context, command: &Command) -> Result<Action, Error> {
    let_go(context, command).await?;
    if command.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let uid = command.uid().unwrap_or_default();
    let completed = command.status.as_ref().and_then(|status| status.completion_time.as_ref());
    let wall = now();
    let age = context.ages.age(&age_key(&uid), completed.map_or(wall, |time| time.0), wall, Instant::now());
    let lifetime = Duration::from_secs(u64::try_from(command.spec.ttl_seconds_after_finished).unwrap_or(0));
    match lifetime.checked_sub(age).filter(|left| !left.is_zero()) {
        Some(left) => Ok(Action::requeue(left)),
        None => delete(context, command, uid).await,
    }
}

async fn delete(context: &Context, command: &Command, uid: String) -> Result<Action, Error> {
    let preconditions = Preconditions { uid: Some(uid), resource_version: None };
    let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
    match api(context, command).delete(&command.name_any(), &parameters).await {
        Err(error) if !is_not_found(&error) && !is_conflict(&error) => Err(error.into()),
        _ => Ok(Action::await_change()),
    }
}

/// Forgets the ages of Commands that `exists` does not know.
pub fn sweep(context: &Context, exists: impl Fn(&str) -> bool) {
    context.ages.retain(|key| key.strip_prefix(ENDED).is_none_or(&exists));
}

fn age_key(uid: &str) -> String {
    format!("{ENDED}{uid}")
}

fn has_finalizer(command: &Command) -> bool {
    command.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
}

fn api(context: &Context, command: &Command) -> Api<Command> {
    Api::namespaced(context.client.clone(), &command.namespace().unwrap_or_default())
}
