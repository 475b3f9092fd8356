//! The Command controller: freezes targets, releases nodes by rate control, counts results, ends what nobody
//! else ends. The only one that makes Invocations.
//!
//! Each look at a Command: start it if it is new (dereference, validate, freeze), observe its Invocations and
//! nodes, plan, apply, and update its status. What decides is pure and has no client.

mod apply;
mod called;
mod deadline;
mod freeze;
mod lifecycle;
mod lists;
mod observe;
mod plan;
mod report;
mod runs;
mod start;
mod status;
mod validate;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use keelson_api::Command;
use kube::ResourceExt as _;
use kube::runtime::Controller;
use kube::runtime::controller::{self, Action};
use kube::runtime::reflector::{ObjectRef, Store};

use crate::context::{Context, now};
use crate::error::{self, Error};
use crate::index::{Change, RESYNC};

pub use freeze::is_online;
pub use lifecycle::FINALIZER;
pub use plan::details;
pub use validate::{query, validate};

use observe::Sight;
use runs::{Run, Runs};
use start::Start;

/// The field manager of Commands' status and of what the controller writes into Invocations.
const MANAGER: &str = "keelson/command";
/// How many Commands are looked at at once.
const CONCURRENCY: u16 = 16;
/// How often what is remembered of Commands that are gone is forgotten.
const SWEEP_INTERVAL: Duration = Duration::from_secs(300);
/// How long after a look the next one comes when something should have happened by itself.
const NUDGE: Duration = Duration::from_secs(1);
/// How long a Command that is being deleted may take to be cancelled.
const CANCEL_BEFORE_DELETE: Duration = Duration::from_secs(60);

/// What every look is given.
struct Shared {
    context: Arc<Context>,
    runs: Runs,
}

/// Runs until the process ends.
pub async fn controller(context: Arc<Context>) {
    let store = context.index.commands.clone();
    let shared = Arc::new(Shared { runs: Runs::new(now()), context: context.clone() });
    let triggers = context.index.triggers(all(&store), concerned(&shared));
    let controller = Controller::for_stream(futures::stream::pending(), store.clone())
        .reconcile_on(triggers)
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .run(reconcile, policy, shared.clone())
        .for_each(|_| std::future::ready(())); // errors went through the policy
    tokio::select! {
        () = controller => {}
        () = sweep(&shared, &store) => {}
    }
}

/// Every Command: those that have ended wait for their deletion.
fn all(store: &Store<Command>) -> impl Fn() -> Vec<ObjectRef<Command>> + Send + use<> {
    let store = store.clone();
    move || store.state().iter().map(|command| ObjectRef::from_obj(&**command)).collect()
}

/// The Commands that a change may matter to.
fn concerned(shared: &Arc<Shared>) -> impl Fn(Change) -> Vec<ObjectRef<Command>> + Send + use<> {
    let shared = shared.clone();
    move |change| match change {
        Change::Command { namespace, name, .. } => vec![ObjectRef::new(&name).within(&namespace)],
        Change::Invocation { namespace, command } => vec![ObjectRef::new(&command).within(&namespace)],
        Change::Node { namespace, .. } => shared.runs.in_namespace(&namespace),
        Change::Document { .. } => shared.runs.not_started(),
        Change::Association { .. } => Vec::new(),
    }
}

#[allow(clippy::needless_pass_by_value)] // the shape Controller::run asks for
fn policy(command: Arc<Command>, error: &Error, shared: Arc<Shared>) -> Action {
    error::policy(command, error, shared.context.clone())
}

async fn sweep(shared: &Shared, store: &Store<Command>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        let existing: HashSet<_> = store.state().iter().filter_map(|command| command.uid()).collect();
        shared.runs.retain(|uid| existing.contains(uid));
        lifecycle::sweep(&shared.context, |uid| existing.contains(uid));
    }
}

async fn reconcile(command: Arc<Command>, shared: Arc<Shared>) -> Result<Action, Error> {
    shared.context.metrics.reconcile("Command");
    if command.has_ended() {
        // This process ended it just now and has done what is left to do; the cache will show that, too.
        if shared.runs.forget(&command.uid().unwrap_or_default()) {
            return Ok(Action::requeue(NUDGE));
        }
        return lifecycle::finished(&shared.context, &command).await;
    }
    let run = shared.runs.of(&command);
    let mut run = run.lock().await;
    if run.is_over() {
        return Ok(Action::requeue(NUDGE)); // the cache will show it
    }
    match run.pause(Instant::now()) {
        Some(pause) => Ok(Action::requeue(pause)),
        None => look(&shared.context, &command, &mut run).await,
    }
}

async fn look(context: &Context, command: &Command, run: &mut Run) -> Result<Action, Error> {
    let deleting = command.metadata.deletion_timestamp.is_some();
    let frozen = match run.frozen.clone() {
        Some(frozen) => frozen,
        None if deleting && !start::has_begun(context, command, run) => {
            lifecycle::let_go(context, command).await?;
            return Ok(Action::await_change());
        }
        None => match start::start(context, command, run).await? {
            Start::Begun(frozen) => frozen,
            Start::Later(wait) => return Ok(Action::requeue(wait)),
            Start::Refused(refusal) => return report::refuse(context, command, run, &refusal).await,
        },
    };
    let sight = Sight { context, command, frozen: &frozen };
    let limits = sight.limits(run)?;
    let deletion = deleting.then(|| sight.since_deletion(run));
    if deletion.is_some_and(|since| since >= CANCEL_BEFORE_DELETE) {
        lifecycle::let_go(context, command).await?;
        return Ok(Action::await_change());
    }

    let records = sight.records();
    let observations = sight.observe(run, &records);
    let plan = plan::plan(&limits, &observations, &plan::tally(&limits, &observations, frozen.lost));
    let applied = apply::apply(context, command, &frozen, &plan).await;

    // What was made is in the index already.
    let records_now = sight.records();
    let observations = sight.observe(run, &records_now);
    let tally = plan::tally(&limits, &observations, frozen.lost);
    let wait = report::update(&sight, run, &limits, &tally, &observations).await?;
    applied?;
    let deletion = deletion.and_then(|since| CANCEL_BEFORE_DELETE.checked_sub(since));
    let nudge = (!plan.end.is_empty()).then_some(NUDGE);
    let waits = [plan.next, wait, deletion, nudge, Some(RESYNC)];
    Ok(Action::requeue(waits.into_iter().flatten().min().unwrap_or(RESYNC)))
}

#[cfg(test)]
mod tests;
