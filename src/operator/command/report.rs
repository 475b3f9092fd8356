//! Tells what became of a Command: its status, metrics and Events.

use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use keelson_api::{Command, CommandStatus, RunStatus};
use kube::runtime::controller::Action;

use super::observe::Sight;
use super::plan::{Halt, Limits, Observation, Tally, details};
use super::runs::Run;
use super::status::{self, Due, Moment};
use super::validate::Refusal;
use super::{MANAGER, lifecycle};
use crate::context::{Context, now};
use crate::error::Error;
use crate::patch::replace_status;

/// Writes the status of a Command that has begun, if it has to be; answers when to look again for its sake.
pub async fn update(
    sight: &Sight<'_>,
    run: &mut Run,
    limits: &Limits,
    tally: &Tally,
    observations: &[Observation<'_>],
) -> Result<Option<Duration>, Error> {
    let Sight { context, command, frozen } = sight;
    count(context, run, observations);
    let next = status::running(&run.status, moment(command), frozen, limits, tally, observations);
    let wait = match status::due(&run.status, &next, run.written, Instant::now()) {
        Due::Never => None,
        Due::In(wait) => Some(wait),
        Due::Now => {
            write(context, command, run, next).await?;
            None
        }
    };
    if !run.is_over() && tally.halt == Some(Halt::TooManyErrors) && tally.counts.terminated > 0 && !run.warned
    {
        run.warned = true;
        let note = format!(
            "errors: {} where maxErrors allows {}; nodes that are not sent to: {}",
            tally.counts.errors(),
            limits.max_errors,
            tally.counts.terminated
        );
        context.events.warning(*command, "TooManyErrors", "Stop", &note).await;
    }
    Ok(wait)
}

/// Ends a Command that cannot run.
pub async fn refuse(
    context: &Context,
    command: &Command,
    run: &mut Run,
    refusal: &Refusal,
) -> Result<Action, Error> {
    let next = status::refused(&run.status, moment(command), refusal);
    write(context, command, run, next).await?;
    Ok(Action::requeue(Duration::from_secs(1)))
}

async fn write(
    context: &Context,
    command: &Command,
    run: &mut Run,
    next: CommandStatus,
) -> Result<(), Error> {
    let written = replace_status(&context.client, command, MANAGER, &next).await?;
    run.status = next;
    run.written = Some(Instant::now());
    if run.is_over() {
        run.frozen = None;
        announce(context, command, &run.status).await;
        lifecycle::let_go(context, &written).await?;
    }
    Ok(())
}

async fn announce(context: &Context, command: &Command, status: &CommandStatus) {
    let details = status.status_details.as_deref().unwrap_or_default();
    context.metrics.command_finished(details);
    let message = status.message.as_deref().unwrap_or_default();
    let failed = status.conditions.iter().find(|condition| condition.type_ == keelson_api::condition::FAILED);
    match (status.status, failed) {
        (Some(RunStatus::Cancelled), _) => {
            context.events.normal(command, "Cancelled", "Cancel", message).await;
        }
        (_, Some(failed)) => context.events.warning(command, &failed.reason, "Run", message).await,
        // Whoever made it tells of its runs; one that goes well at every tick is no news.
        _ if command.metadata.owner_references.is_some() => {}
        _ => context.events.normal(command, "Completed", "Run", message).await,
    }
}

fn count(context: &Context, run: &mut Run, observations: &[Observation]) {
    for record in observations.iter().filter_map(|observation| observation.invocation) {
        if record.is_terminal() && run.counted.insert(record.name.clone()) {
            context.metrics.invocation_finished(details(record).as_str());
        }
    }
}

/// Now, in whole seconds: what is compared must read back as it was written.
fn moment(command: &Command) -> Moment {
    let now = now();
    Moment {
        generation: command.metadata.generation,
        now: Timestamp::from_second(now.as_second()).unwrap_or(now),
    }
}
