//! Begins a Command: finds its document, checks its spec, freezes its targets. One that began before this
//! process did goes on with what was frozen then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keelson_api::{Command, DocumentReference};
use kube::ResourceExt as _;

use super::called::{self, Cluster};
use super::freeze::{self, Frozen, FrozenTarget};
use super::runs::Run;
use super::validate::{Refusal, validate};
use super::{lifecycle, lists};
use crate::context::{Context, now};
use crate::documents::{self, Unresolved};
use crate::error::Error;

/// A Document that was applied together with the Command may be seen after it, and its version takes a moment.
const DOCUMENT_PATIENCE: Duration = Duration::from_secs(2);
/// A Document that is there gets longer to become ready.
const VERSION_PATIENCE: Duration = Duration::from_secs(10);

/// How a start went.
pub enum Start {
    /// It runs.
    Begun(Arc<Frozen>),
    /// Its document may yet come: try again after so long, or when a Document changes.
    Later(Duration),
    /// It can never run.
    Refused(Refusal),
}

/// Starts a Command, or takes it up where another process left it.
pub async fn start(context: &Context, command: &Command, run: &mut Run) -> Result<Start, Error> {
    let frozen = if has_begun(context, command, run) {
        take_up(context, command, run).await?
    } else {
        match begin(context, command, run).await? {
            Ok(frozen) => frozen,
            Err(start) => return Ok(start),
        }
    };
    let frozen = Arc::new(frozen);
    run.frozen = Some(frozen.clone());
    Ok(Start::Begun(frozen))
}

/// Whether somebody has begun it: its status says so, or there are Invocations, whose maker died before it could say so.
pub fn has_begun(context: &Context, command: &Command, run: &Run) -> bool {
    let uid = command.uid().unwrap_or_default();
    run.status.start_time.is_some() || !context.index.invocations.of_command(&uid).is_empty()
}

async fn begin(context: &Context, command: &Command, run: &mut Run) -> Result<Result<Frozen, Start>, Error> {
    let spec = &command.spec;
    let namespace = command.namespace().unwrap_or_default();
    let site = Cluster { context, namespace: &namespace };
    let found = documents::resolve(context, &namespace, &spec.document_name, &spec.document_version).await?;
    let document = match found {
        Ok(document) => document,
        Err(unresolved) => return Ok(Err(missing(command, run, unresolved))),
    };
    if let Some(left) = changing(context, command, run, &document.reference) {
        return Ok(Err(Start::Later(left)));
    }
    let validated = match validate(spec, &document.content) {
        Ok(validated) => validated,
        Err(refusal) => return Ok(Err(Start::Refused(refusal))),
    };
    let called = match called::freeze(&site, &document.content, validated.bound.values()).await? {
        Ok(called) => called,
        Err(refusal) => return Ok(Err(Start::Refused(refusal))),
    };
    let unsettled =
        called.documents.iter().find_map(|called| changing(context, command, run, &called.document));
    let lacking = left(command, run, DOCUMENT_PATIENCE).filter(|_| called.lacking);
    if let Some(left) = unsettled.or(lacking) {
        return Ok(Err(Start::Later(left)));
    }
    let execution_timeout = document.content.execution_timeout_with(&validated.bound) + called.timeout;
    run.rate = Some(validated.rate);
    let mut nodes = context.index.nodes.state();
    nodes.retain(|node| node.metadata.namespace.as_deref() == Some(&namespace));
    let frozen = Frozen {
        document: document.reference,
        called_documents: called.documents,
        fail_fast: spec.fail_fast.unwrap_or(document.fail_fast),
        strict_scripts: spec.strict_scripts.unwrap_or(document.strict_scripts),
        execution_timeout_seconds: seconds(execution_timeout),
        targets: freeze::select(spec, &validated.query, &nodes),
        lists: Vec::new(),
        lost: 0,
    };
    if frozen.targets.is_empty() {
        return Ok(Ok(frozen)); // it ends at once, so there is nothing to keep and nothing to cancel
    }
    let ((), frozen) =
        tokio::try_join!(lifecycle::hold(context, command), lists::write(&context.client, command, frozen))?;
    Ok(frozen.map_err(Start::Refused))
}

/// The longest that an Invocation can say, where it is more.
fn seconds(timeout: Duration) -> i64 {
    const MOST: i64 = 2_592_000_000;
    i64::try_from(timeout.as_secs()).unwrap_or(MOST).min(MOST)
}

fn missing(command: &Command, run: &Run, unresolved: Unresolved) -> Start {
    let patience = match unresolved.reason {
        documents::NOT_RUNNABLE => Duration::ZERO,
        "DocumentNotReady" => VERSION_PATIENCE,
        _ => DOCUMENT_PATIENCE,
    };
    match left(command, run, patience) {
        Some(left) => Start::Later(left),
        None => Start::Refused(Refusal { reason: unresolved.reason, message: unresolved.message }),
    }
}

/// How long to wait for a Document whose spec was changed a moment ago, perhaps together with the Command's creation:
/// its versions are those of before.
fn changing(
    context: &Context,
    command: &Command,
    run: &Run,
    reference: &DocumentReference,
) -> Option<Duration> {
    let document = documents::document(context, &reference.namespace, &reference.name).ok()?;
    let seen = document.status.as_ref().and_then(|status| status.observed_generation);
    let is_behind = document.metadata.generation > seen;
    left(command, run, VERSION_PATIENCE).filter(|_| is_behind)
}

/// What is left of a time since the creation of the Command.
fn left(command: &Command, run: &Run, patience: Duration) -> Option<Duration> {
    let wall = now();
    let created = command.creation_timestamp().map_or(wall, |time| time.0);
    let age = run.ages.age("creation", created, wall, Instant::now());
    patience.checked_sub(age).filter(|left| !left.is_zero())
}

async fn take_up(context: &Context, command: &Command, run: &mut Run) -> Result<Frozen, Error> {
    let records = context.index.invocations.of_command(&command.uid().unwrap_or_default());
    // What ended before this process began was counted by the one before it.
    run.counted =
        records.values().filter(|record| record.is_terminal()).map(|record| record.name.clone()).collect();
    let wanted = run.status.target_count.unwrap_or(0);
    if let Some(frozen) = lists::read(&context.client, command).await? {
        return Ok(frozen);
    }
    tracing::warn!(
        command = command.name_any(),
        namespace = command.namespace(),
        "the list of targets is gone: nodes that were not sent to will not be"
    );
    let targets: Vec<_> = records
        .into_values()
        .map(|record| FrozenTarget { name: record.node, uid: record.node_uid, hostname: record.hostname })
        .collect();
    let known = u32::try_from(targets.len()).unwrap_or(u32::MAX);
    Ok(Frozen {
        document: DocumentReference {
            name: command.spec.document_name.clone(),
            version: run.status.document_version.clone().unwrap_or_default(),
            hash: run.status.document_hash.clone().unwrap_or_default(),
            revision: String::new(),
            namespace: String::new(),
        },
        called_documents: run.status.called_documents.clone(),
        fail_fast: false,
        strict_scripts: false,
        execution_timeout_seconds: 0,
        targets,
        lists: run.status.target_lists.clone(),
        lost: wanted.saturating_sub(known),
    })
}
