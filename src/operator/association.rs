//! The Association controller: makes Commands when they are due, takes their results, and says how it stands.
//!
//! Each look at an Association: accept its spec, take the results of a Command that has ended, decide what is due
//! (`due`), make the Command, write the status if it changed. Everything is found again from the API server, so
//! that a look may be cut short anywhere.

mod accept;
mod build;
mod due;
mod failing;
mod memory;
mod nodes;
mod owned;
mod results;
mod run;
mod sight;
mod status;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use k8s_openapi::jiff::Timestamp;
use keelson_api::{Association, ManagedNode, condition};
use keelson_core::names::document_name;
use keelson_core::target::TargetQuery;
use kube::ResourceExt as _;
use kube::runtime::Controller;
use kube::runtime::controller::{self, Action};
use kube::runtime::reflector::ObjectRef;

use crate::command::query;
use crate::compliance::entry;
use crate::context::{Context, now};
use crate::error::{self, Error};
use crate::index::Change;
use crate::patch::apply_status;

use accept::Accepted;
use memory::Memory;
use owned::Current;
use run::Done;
use sight::{Concern, Sight};
use status::Draft;

pub use due::Cause;
pub use nodes::matches;

/// The field manager of Associations' status.
const MANAGER: &str = "keelson/association";
/// How many Associations are looked at at once.
const CONCURRENCY: u16 = 8;
/// How long a Document that is applied together with its Association may take to be there.
const DOCUMENT_GRACE: Duration = Duration::from_secs(3);
/// How often what is wrong is looked at again without an event.
const SLOW: Duration = Duration::from_secs(60);

/// What every look is given.
struct Shared {
    context: Arc<Context>,
    memory: Memory,
    sight: Sight,
}

/// Runs until the process ends.
pub async fn controller(context: Arc<Context>) {
    let store = context.index.associations.clone();
    let shared =
        Arc::new(Shared { context: context.clone(), memory: Memory::default(), sight: Sight::default() });
    let all = store.clone();
    let triggers = context.index.triggers(
        move || all.state().iter().map(|association| ObjectRef::from_obj(&**association)).collect(),
        concerned(&shared),
    );
    Controller::for_stream(futures::stream::pending(), store)
        .reconcile_on(triggers)
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .run(
            reconcile,
            |object, error, shared: Arc<Shared>| error::policy(object, error, shared.context.clone()),
            shared,
        )
        .for_each(|_| std::future::ready(())) // errors went through the policy
        .await;
}

/// The Associations that a change may matter to.
fn concerned(shared: &Arc<Shared>) -> impl Fn(Change) -> Vec<ObjectRef<Association>> + Send + use<> {
    let shared = shared.clone();
    move |change| {
        let index = &shared.context.index;
        match change {
            Change::Association { namespace, name } => {
                let association = ObjectRef::new(&name).within(&namespace);
                if index.associations.get(&association).is_none() {
                    shared.memory.forget(&namespace, &name);
                }
                vec![association]
            }
            Change::Command { namespace, association, .. } => {
                association.map(|name| ObjectRef::new(&name).within(&namespace)).into_iter().collect()
            }
            Change::Node { namespace, name } => shared.concerned_by_node(&namespace, &name),
            Change::Document { namespace, name } => {
                let library = namespace == shared.context.namespace;
                let associations = index.associations.state();
                associations
                    .iter()
                    .filter(|association| {
                        library || association.metadata.namespace.as_ref() == Some(&namespace)
                    })
                    .filter(|association| document_name(&association.spec.document_name) == name)
                    .map(|association| ObjectRef::from_obj(&**association))
                    .collect()
            }
            Change::Invocation { .. } => Vec::new(), // its Command changes with it where it matters
        }
    }
}

impl Shared {
    /// The Associations that a change of a node matters to.
    fn concerned_by_node(&self, namespace: &str, name: &str) -> Vec<ObjectRef<Association>> {
        let node = self.context.index.nodes.get(&ObjectRef::new(name).within(namespace));
        match self.sight.look(namespace, name, node.as_deref()) {
            Concern::Entries(associations) => {
                associations.iter().map(|name| ObjectRef::new(name).within(namespace)).collect()
            }
            Concern::All => {
                let mut associations = self.context.index.associations.state();
                associations.retain(|association| {
                    association.metadata.namespace.as_deref() == Some(namespace)
                        && node.as_deref().is_none_or(|node| self.is_about(association, node))
                });
                associations.iter().map(|association| ObjectRef::from_obj(&**association)).collect()
            }
        }
    }

    /// Whether an Association is for a node, or was.
    fn is_about(&self, association: &Association, node: &ManagedNode) -> bool {
        entry::of(node, &association.name_any()).is_some()
            || self.memory.query(association).is_some_and(|query| matches(&query, node))
    }
}

async fn reconcile(association: Arc<Association>, shared: Arc<Shared>) -> Result<Action, Error> {
    let (context, memory) = (&*shared.context, &shared.memory);
    context.metrics.reconcile("Association");
    if association.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change()); // what it made goes with it
    }
    let accepted = accept::accept(context, memory, &association, now()).await?;
    if let Err(problem) = &accepted
        && problem.may_pass()
        && is_new(context, &association)
    {
        return Ok(Action::requeue(Duration::from_secs(1)));
    }
    let owned = owned::commands(context, &association);
    let mut draft = Draft::new(&association);
    let current = owned::current(context, &association, &draft.status, &owned).await?;
    let current = match current {
        Current::Nothing => current,
        Current::Live(ref command) => {
            draft.started(command);
            current
        }
        Current::Lost(name) => {
            draft.lost(&name);
            Current::Nothing
        }
        Current::Ended(command) => {
            let query = targets(&association, accepted.as_ref().ok());
            match results::take(context, memory, &association, &command, query.as_deref(), &mut draft).await?
            {
                Some(wait) => return Ok(Action::requeue(wait)),
                None => Current::Nothing,
            }
        }
    };
    let done = match accepted {
        Ok(accepted) => {
            run::what_is_due(context, memory, &association, &accepted, &mut draft, current).await?
        }
        Err(problem) => {
            draft.status.next_execution_time = None;
            if let Some(query) = targets(&association, None) {
                let namespace = association.namespace().unwrap_or_default();
                let members = nodes::members(context, &namespace, &association.name_any(), &query);
                draft.nodes(&association, &members, this_second());
            }
            Done { problem: Some(problem), current, wait: SLOW }
        }
    };
    if conclude(&shared, &association, draft, &done).await? == Written::Nothing {
        owned::prune(context, &association, &owned, &done.current).await?;
    }
    Ok(Action::requeue(done.wait))
}

/// Which nodes it is for, even where something else in its spec is wrong.
fn targets(association: &Association, accepted: Option<&Accepted>) -> Option<Arc<TargetQuery>> {
    let spec = &association.spec;
    let parsed = || query(&spec.targets, spec.label_selector.as_ref(), &spec.exclude).ok().map(Arc::new);
    accepted.map(|accepted| accepted.query.clone()).or_else(parsed)
}

/// The time as statuses show it, so that what was just written compares equal.
fn this_second() -> Timestamp {
    Timestamp::from_second(now().as_second()).unwrap_or_default()
}

/// Whether it was created just now and nobody has seen it yet.
fn is_new(context: &Context, association: &Association) -> bool {
    let (uid, now) = (association.uid().unwrap_or_default(), now());
    let created = association.creation_timestamp().map_or(now, |time| time.0);
    association.status.is_none() && context.ages.age(&uid, created, now, Instant::now()) < DOCUMENT_GRACE
}

#[derive(PartialEq, Eq)]
enum Written {
    Nothing,
    Status,
}

/// Writes the status if it changed, and Events for what a person should know of.
async fn conclude(
    shared: &Shared,
    association: &Association,
    draft: Draft,
    done: &Done,
) -> Result<Written, Error> {
    let (context, memory) = (&*shared.context, &shared.memory);
    let problem = done.problem.as_ref();
    let old = association.status.clone().unwrap_or_default();
    let status = draft.conclude(association, problem, done.current.command(), this_second());
    if status == old {
        return Ok(Written::Nothing);
    }
    if memory.has_just_written(association, &status, Instant::now()) {
        return Ok(Written::Status); // the cache will show it
    }
    apply_status(&context.client, association, MANAGER, &status).await?;
    memory.wrote(association, status.clone(), Instant::now());
    let (before, after) = (
        condition::get(&old.conditions, condition::READY),
        condition::get(&status.conditions, condition::READY),
    );
    if let Some(after) = after
        && before.is_none_or(|before| before.reason != after.reason)
    {
        match (problem, after.reason.as_str()) {
            (Some(_), reason) => {
                context.events.warning(association, reason, "Validate", &after.message).await;
            }
            (None, reason @ status::RUN_FAILED) => {
                context.events.warning(association, reason, "Run", &after.message).await;
            }
            (None, reason) if before.is_some() => {
                context.events.normal(association, reason, "Run", &after.message).await;
            }
            (None, _) => {}
        }
    }
    Ok(Written::Status)
}

#[cfg(test)]
pub mod fixtures;
