//! What an Association has to run now. Pure: given what is known and the time, the same answer every time, so that
//! a controller that starts in the middle decides the same.

use std::fmt;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use keelson_core::schedule::Schedule;

/// The longest wait without a look at the clock, since the clock may be set.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Why a Command is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The schedule says so.
    Tick,
    /// It never ran.
    First,
    /// Document, parameters, targets or schedule are not what was last applied.
    Change,
    /// A user asked for it.
    Request,
    /// Nodes came that missed a run.
    CatchUp,
    /// A run on a node asked for another one, by aws:refreshAssociation.
    Refresh,
}

impl Cause {
    /// As it stands in the Command's annotation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tick => "Tick",
            Self::First => "First",
            Self::Change => "Change",
            Self::Request => "Request",
            Self::CatchUp => "CatchUp",
            Self::Refresh => "Refresh",
        }
    }

    /// Whether it is for some nodes only, whom it gives what they are owed.
    pub fn is_for_some(self) -> bool {
        matches!(self, Self::CatchUp | Self::Refresh)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The Command that has not ended yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    /// There is none.
    Nothing,
    /// One for every node.
    Run,
    /// One for nodes that had missed a run. It delays a tick, but does not take its place.
    CatchUp,
}

/// Everything that decides.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The wall clock.
    pub now: Timestamp,
    /// When the Association was created.
    pub created: Timestamp,
    /// Its schedule.
    pub schedule: Option<&'a Schedule>,
    /// `spec.applyOnlyAtCronInterval`.
    pub only_at_ticks: bool,
    /// `spec.suspend`.
    pub suspended: bool,
    /// The hash of what is to be applied.
    pub hash: &'a str,
    /// The hash of what was applied last; `None` before the first run.
    pub applied_hash: Option<&'a str>,
    /// The annotation that asks for a run.
    pub requested: Option<&'a str>,
    /// The last one that was answered.
    pub handled_request: Option<&'a str>,
    /// The newest tick that was dealt with.
    pub last_tick: Option<Timestamp>,
    /// What runs.
    pub live: Live,
    /// How long nodes that are owed a run have been gathered; `None` where there are none.
    pub gathered: Option<Duration>,
    /// A run on one of them asked for this one.
    pub refreshing: bool,
    /// How long they are to be.
    pub gather: Duration,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Make a Command for every node.
    Run {
        /// Why.
        cause: Cause,
        /// The tick that is dealt with by it.
        tick: Option<Timestamp>,
    },
    /// Leave this tick out: the last run has not ended.
    SkipTick(Timestamp),
    /// Make a Command for the nodes that were gathered.
    CatchUp {
        /// Why.
        cause: Cause,
    },
    /// Nothing, and look again after so long.
    Wait(Duration),
}

/// Decides.
pub fn decide(facts: &Facts) -> Decision {
    if facts.suspended {
        return Decision::Wait(LONGEST_WAIT);
    }
    let tick = due_tick(facts);
    match (facts.live, tick, cause(facts, tick)) {
        (Live::Nothing, tick, Some(cause)) => Decision::Run { cause, tick },
        (Live::Run, Some(tick), _) => Decision::SkipTick(tick),
        (Live::Nothing, _, None) if catches_up(facts) => catch_up(facts),
        _ => Decision::Wait(until_tick(facts)),
    }
}

/// The tick after those that were dealt with, for people; `None` when none will come.
pub fn next_tick(facts: &Facts) -> Option<Timestamp> {
    let after = facts.last_tick.map_or(facts.now, |last| last.max(facts.now));
    facts.schedule?.next_after(facts.created, after)
}

/// The newest tick that is due. Of several that were missed only that one runs, and none comes twice, however
/// the clock is set.
fn due_tick(facts: &Facts) -> Option<Timestamp> {
    let tick = facts.schedule?.latest_at_or_before(facts.created, facts.now)?;
    (tick > facts.created && facts.last_tick.is_none_or(|last| tick > last)).then_some(tick)
}

fn cause(facts: &Facts, tick: Option<Timestamp>) -> Option<Cause> {
    if tick.is_some() {
        return Some(Cause::Tick);
    }
    if facts.requested.is_some() && facts.requested != facts.handled_request {
        return Some(Cause::Request);
    }
    match facts.applied_hash {
        _ if facts.only_at_ticks => None,
        None => Some(Cause::First),
        Some(applied) => (applied != facts.hash).then_some(Cause::Change),
    }
}

/// Nodes can have missed a run only after there was one. What a run has asked for does not wait for a tick.
fn catches_up(facts: &Facts) -> bool {
    let missed = !facts.only_at_ticks && facts.applied_hash.is_some();
    facts.gathered.is_some() && (missed || facts.refreshing)
}

fn catch_up(facts: &Facts) -> Decision {
    match facts.gather.checked_sub(facts.gathered.unwrap_or_default()) {
        Some(rest) if !rest.is_zero() => Decision::Wait(rest.min(until_tick(facts))),
        _ => Decision::CatchUp { cause: if facts.refreshing { Cause::Refresh } else { Cause::CatchUp } },
    }
}

fn until_tick(facts: &Facts) -> Duration {
    let rest = next_tick(facts).and_then(|tick| Duration::try_from(tick.duration_since(facts.now)).ok());
    rest.map_or(LONGEST_WAIT, |rest| rest.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests;
