//! Doing what is due: making the Command, leaving a tick out, or waiting.

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use keelson_api::{Association, AssociationStatus, Command, CommandSpec, RECONCILE_ANNOTATION};
use kube::api::PostParams;
use kube::{Api, ResourceExt as _};

use super::accept::{Accepted, Problem};
use super::build::{self, Run};
use super::due::{self, Cause, Decision, Facts, Live};
use super::memory::Memory;
use super::nodes::{self, Member};
use super::owned::{self, Current};
use super::status::Draft;
use super::{MANAGER, SLOW, this_second};
use crate::compliance::{entry, write};
use crate::context::{Context, now};
use crate::error::Error;
use crate::patch::{is_conflict, is_forbidden, is_invalid};

/// What came of a look.
pub struct Done {
    /// What keeps it from running, if anything does.
    pub problem: Option<Problem>,
    /// The Command that runs now.
    pub current: Current,
    /// When to look again at the latest.
    pub wait: Duration,
}

/// Does what is due now, and puts nodes and times into the draft.
pub async fn what_is_due(
    context: &Context,
    memory: &Memory,
    association: &Association,
    accepted: &Accepted,
    draft: &mut Draft,
    current: Current,
) -> Result<Done, Error> {
    let (namespace, now) = (association.namespace().unwrap_or_default(), now());
    let members = nodes::members(context, &namespace, &association.name_any(), &accepted.query);
    follow_severity(context, association, &members).await?;
    draft.nodes(association, &members, this_second());
    let owing = nodes::owing(association, &members, now);
    let known = draft.status.clone();
    // While something runs nobody is gathered: most of those without an entry are its targets.
    let live = current.live();
    let gathering = !owing.names.is_empty() && live == Live::Nothing;
    let facts = Facts {
        live,
        gathered: memory.gathered(association, gathering, Instant::now()),
        gather: context.settings.catch_up,
        refreshing: owing.refresh,
        ..facts(association, accepted, &known, now)
    };
    let mut done = Done { problem: None, current, wait: SLOW };
    match due::decide(&facts) {
        Decision::Wait(wait) => done.wait = wait,
        Decision::SkipTick(tick) => {
            skip(context, association, tick, &done.current).await;
            draft.dealt_with(tick);
        }
        Decision::Run { cause, tick } => {
            let spec = accepted.command.clone();
            done.begin(context, association, spec, &answer(&facts, &known, cause, tick), draft).await?;
        }
        Decision::CatchUp { cause } => {
            let spec = build::for_nodes(&accepted.command, &owing.names);
            done.begin(context, association, spec, &answer(&facts, &known, cause, None), draft).await?;
        }
    }
    let last_tick = draft.status.last_tick.as_ref().map(|tick| tick.0);
    let next = due::next_tick(&Facts { last_tick, ..facts }).filter(|_| !facts.suspended);
    draft.status.next_execution_time = next.map(Time);
    Ok(done)
}

impl Done {
    async fn begin(
        &mut self,
        context: &Context,
        association: &Association,
        spec: CommandSpec,
        run: &Run<'_>,
        draft: &mut Draft,
    ) -> Result<(), Error> {
        match make(context, association, &spec, run).await? {
            Ok(command) => {
                draft.started(&command);
                self.current = Current::Live(Arc::new(command));
            }
            Err(problem) => self.problem = Some(problem),
        }
        Ok(())
    }
}

/// What is known, with nothing going on.
fn facts<'a>(
    association: &'a Association,
    accepted: &'a Accepted,
    status: &'a AssociationStatus,
    now: Timestamp,
) -> Facts<'a> {
    Facts {
        now,
        created: association.creation_timestamp().map_or(now, |time| time.0),
        schedule: accepted.schedule.as_ref(),
        only_at_ticks: association.spec.apply_only_at_cron_interval,
        suspended: association.spec.suspend,
        hash: &accepted.hash,
        applied_hash: status.applied_hash.as_deref(),
        requested: association.annotations().get(RECONCILE_ANNOTATION).map(String::as_str),
        handled_request: status.last_handled_reconcile_at.as_deref(),
        last_tick: status.last_tick.as_ref().map(|tick| tick.0),
        live: Live::Nothing,
        gathered: None,
        refreshing: false,
        gather: Duration::ZERO,
    }
}

fn answer<'a>(
    facts: &Facts<'a>,
    status: &'a AssociationStatus,
    cause: Cause,
    tick: Option<Timestamp>,
) -> Run<'a> {
    let previous = status.last_command.as_ref().map(|last| last.name.as_str());
    Run { cause, tick, hash: facts.hash, request: facts.requested, previous }
}

/// Makes the Command, or finds the one that was made for the same reason before.
async fn make(
    context: &Context,
    association: &Association,
    spec: &CommandSpec,
    run: &Run<'_>,
) -> Result<Result<Command, Problem>, Error> {
    let api: Api<Command> =
        Api::namespaced(context.client.clone(), &association.namespace().unwrap_or_default());
    let parameters = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
    let mut taken = String::new();
    for name in build::names(association, spec, run) {
        let command = build::command(association, &name, spec.clone(), run);
        match api.create(&parameters, &command).await {
            Ok(created) => return Ok(Ok(created)),
            Err(error) if is_conflict(&error) => {
                if let Some(made) = owned::fetch(context, association, &name).await? {
                    return Ok(Ok(made));
                }
                taken = name;
            }
            Err(error) if is_invalid(&error) || is_forbidden(&error) => {
                let message = format!("the Command that is due was refused: {error}");
                return Ok(Err(Problem { reason: "CommandRefused", message }));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let message = format!("Command {taken} exists already and belongs to somebody else; delete it");
    Ok(Err(Problem { reason: "CommandNameTaken", message }))
}

async fn skip(context: &Context, association: &Association, tick: Timestamp, current: &Current) {
    let running = match current {
        Current::Live(command) => command.name_any(),
        Current::Nothing | Current::Ended(_) | Current::Lost(_) => String::new(),
    };
    let note = format!("the run of {tick} is left out: Command {running} is still running");
    context.metrics.association_tick_skipped();
    context.events.warning(association, "TickSkipped", "Schedule", &note).await;
}

/// Tells nodes of another severity; that alone runs nothing.
async fn follow_severity(
    context: &Context,
    association: &Association,
    members: &[Member],
) -> Result<(), Error> {
    for member in members {
        let entry = member.entry.as_ref();
        let changed =
            entry.and_then(|entry| entry::with_severity(entry, association.spec.compliance_severity));
        if let Some(entry) = changed {
            write::put(context, &member.node, &entry).await?;
        }
    }
    Ok(())
}
