//! What to do for a Command now, and where it stands. Pure: everything is decided from what is observed, so that
//! a controller that starts in the middle decides the same.

use std::time::Duration;

use keelson_api::RunStatus;
use keelson_core::rate::{RateInput, Release, release};
use keelson_core::status::{Counts, InvocationStatus, StatusDetails};

use super::deadline::{Elapsed, Ending, Verdict, judge};
use super::freeze::FrozenTarget;
use crate::index::InvocationRecord;

/// The most Invocations that are made in one go, so that the status is written between.
const BATCH: usize = 500;

/// What rate control and a user allow.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many nodes run it at once, resolved.
    pub max_concurrency: u32,
    /// How many errors are borne, resolved.
    pub max_errors: u32,
    /// How long a node that is away is waited for.
    pub delivery_timeout: Duration,
    /// How long past its deadline an Invocation is left to its executor.
    pub grace: Duration,
    /// A user asked to stop, or deleted the Command.
    pub cancelled: bool,
}

/// Where a target's node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeState {
    /// Connected.
    Online,
    /// Away, and for so long since the Command began.
    Offline(Duration),
    /// Deleted, perhaps made again as another node.
    Gone,
}

/// A target and what became of it so far.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// The target.
    pub target: &'a FrozenTarget,
    /// Its Invocation, once it was released.
    pub invocation: Option<&'a InvocationRecord>,
    /// How long things have lasted for the Invocation.
    pub elapsed: Elapsed,
    /// Where its node is.
    pub node: NodeState,
}

/// Why no more is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// A user asked.
    Cancelled,
    /// One error more than allowed has come.
    TooManyErrors,
}

/// Where the Command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Every target once.
    pub counts: Counts,
    /// Invocations that have not ended.
    pub in_flight: u32,
    /// Targets that were released.
    pub released: u32,
    /// Why no more is sent, if so.
    pub halt: Option<Halt>,
}

/// What to do now.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan<'a> {
    /// Targets to make Invocations for.
    pub release: Vec<&'a FrozenTarget>,
    /// Targets that were away for too long, to make Invocations for that have ended already.
    pub expire: Vec<&'a FrozenTarget>,
    /// Invocations to ask to stop.
    pub cancel: Vec<&'a InvocationRecord>,
    /// Invocations to end in their executors' stead.
    pub end: Vec<(&'a InvocationRecord, Ending)>,
    /// When to look again at the latest, if nothing happens.
    pub next: Option<Duration>,
}

/// Counts every target once. `lost` are targets that nobody can name any more.
pub fn tally(limits: &Limits, observations: &[Observation], lost: u32) -> Tally {
    let invocations = observations.iter().filter_map(|observation| observation.invocation);
    let errors = invocations.clone().filter(|record| details(record).counts_as_error()).count();
    let halt = halt(limits, errors);
    let known = observations.iter().map(|observation| standing(observation, halt));
    let lost_ones =
        std::iter::repeat_n(StatusDetails::Undeliverable, usize::try_from(lost).unwrap_or(usize::MAX));
    Tally {
        counts: Counts::tally(number(observations.len()).saturating_add(lost), known.chain(lost_ones)),
        in_flight: number(invocations.clone().filter(|record| !record.is_terminal()).count()),
        released: number(invocations.count()),
        halt,
    }
}

/// Decides what to do.
pub fn plan<'a>(limits: &Limits, observations: &[Observation<'a>], tally: &Tally) -> Plan<'a> {
    let mut plan = Plan::default();
    for observation in observations {
        match observation.invocation {
            Some(record) if !record.is_terminal() => plan.follow(record, observation, limits),
            _ => {}
        }
    }
    if tally.halt.is_none() {
        plan.release(limits, observations, tally);
    }
    plan
}

impl<'a> Plan<'a> {
    /// An Invocation that has not ended.
    fn follow(&mut self, record: &'a InvocationRecord, observation: &Observation<'a>, limits: &Limits) {
        match judge(record, observation.elapsed, observation.node, limits.grace) {
            Verdict::Ends(ending) => self.end.push((record, ending)),
            Verdict::Goes(wait) => {
                if limits.cancelled && !record.cancel {
                    self.cancel.push(record);
                }
                self.look_again_in(wait);
            }
        }
    }

    /// Targets that wait to be sent.
    fn release(&mut self, limits: &Limits, observations: &[Observation<'a>], tally: &Tally) {
        let mut ready = Vec::new();
        for observation in observations.iter().filter(|observation| observation.invocation.is_none()) {
            match observation.node {
                NodeState::Online => ready.push(observation.target),
                NodeState::Offline(away) => match limits.delivery_timeout.checked_sub(away) {
                    Some(left) if !left.is_zero() => self.look_again_in(left),
                    _ => self.expire.push(observation.target),
                },
                NodeState::Gone => {}
            }
        }
        let input = RateInput {
            max_concurrency: limits.max_concurrency,
            max_errors: limits.max_errors,
            in_flight: tally.in_flight,
            errors: tally.counts.errors(),
            waiting: number(ready.len()),
        };
        if let Release::Send(free) = release(input) {
            ready.truncate(usize::try_from(free).unwrap_or(usize::MAX));
            self.release = ready;
        }
        for batch in [&mut self.release, &mut self.expire] {
            if batch.len() > BATCH {
                batch.truncate(BATCH);
                self.next = Some(Duration::ZERO);
            }
        }
    }

    fn look_again_in(&mut self, wait: Duration) {
        if wait != Duration::MAX {
            self.next = Some(self.next.map_or(wait, |next| next.min(wait)));
        }
    }
}

/// A user's word goes before the limit of errors, since it stays and so keeps the counts from changing sides.
fn halt(limits: &Limits, errors: usize) -> Option<Halt> {
    if limits.cancelled {
        Some(Halt::Cancelled)
    } else if number(errors) > limits.max_errors {
        Some(Halt::TooManyErrors)
    } else {
        None
    }
}

/// Where one target stands.
fn standing(observation: &Observation, halt: Option<Halt>) -> StatusDetails {
    match (observation.invocation, observation.node, halt) {
        (Some(record), _, _) => details(record),
        (None, NodeState::Gone, _) => StatusDetails::Undeliverable,
        (None, _, Some(Halt::Cancelled)) => StatusDetails::Cancelled,
        (None, _, Some(Halt::TooManyErrors)) => StatusDetails::Terminated,
        (None, _, None) => StatusDetails::Pending,
    }
}

/// The exact status of an Invocation. The coarse one decides whether it has ended; words that do not go with it,
/// such as those of a newer version, are read as the plainest that do.
pub fn details(record: &InvocationRecord) -> StatusDetails {
    let exact = |coarse: InvocationStatus, plainest: StatusDetails| {
        let details = record.status_details.parse().ok();
        details
            .filter(|details: &StatusDetails| is_of_a_node(*details) && details.status() == coarse)
            .unwrap_or(plainest)
    };
    match record.status {
        None | Some(RunStatus::Pending) => StatusDetails::Pending,
        Some(RunStatus::InProgress | RunStatus::Cancelling) => StatusDetails::InProgress,
        Some(RunStatus::Success) => StatusDetails::Success,
        Some(RunStatus::Cancelled) => exact(InvocationStatus::Cancelled, StatusDetails::Cancelled),
        Some(RunStatus::Failed) => exact(InvocationStatus::Failed, StatusDetails::Failed),
        Some(RunStatus::TimedOut) => exact(InvocationStatus::TimedOut, StatusDetails::ExecutionTimedOut),
    }
}

fn is_of_a_node(details: StatusDetails) -> bool {
    use StatusDetails::{Incomplete, NoInstancesInTag, RateExceeded};
    !matches!(details, Incomplete | RateExceeded | NoInstancesInTag)
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
