//! When the controller ends an Invocation in its executor's stead.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use keelson_core::clock::Ages;
use keelson_core::status::StatusDetails;

use super::fleet::{record, target};
use crate::command::deadline::{Elapsed, Verdict, judge, never_delivered};
use crate::command::plan::NodeState;
use crate::index::InvocationRecord;

const GRACE: Duration = Duration::from_secs(60);
const AWAY: NodeState = NodeState::Offline(Duration::from_secs(1));

fn made() -> InvocationRecord {
    record(&target("mi-0"), None)
}

fn accepted() -> InvocationRecord {
    record(&target("mi-0"), Some(StatusDetails::InProgress))
}

fn since_creation(seconds: u64) -> Elapsed {
    Elapsed { created: Duration::from_secs(seconds), ..Elapsed::default() }
}

fn ending(record: &InvocationRecord, elapsed: Elapsed, node: NodeState) -> Option<StatusDetails> {
    match judge(record, elapsed, node, GRACE) {
        Verdict::Ends(ending) => Some(ending.details),
        Verdict::Goes(_) => None,
    }
}

#[test]
fn what_is_not_accepted_in_time_ends_a_grace_later() {
    assert_eq!(ending(&made(), since_creation(659), NodeState::Online), None);
    assert_eq!(
        ending(&made(), since_creation(660), NodeState::Online),
        Some(StatusDetails::DeliveryTimedOut)
    );
    assert_eq!(judge(&made(), since_creation(600), NodeState::Online, GRACE), Verdict::Goes(GRACE));
}

#[test]
fn what_was_accepted_and_lost_ends_as_an_execution_that_timed_out() {
    let elapsed = |seconds| Elapsed { accepted: Duration::from_secs(seconds), ..since_creation(700) };
    assert_eq!(ending(&accepted(), elapsed(3659), AWAY), None);
    assert_eq!(ending(&accepted(), elapsed(3660), AWAY), Some(StatusDetails::ExecutionTimedOut));
}

#[test]
fn restarts_of_the_controller_do_not_prolong_a_run_for_ever() {
    let just_started = |seconds| Elapsed { accepted: Duration::ZERO, ..since_creation(seconds) };
    assert_eq!(ending(&accepted(), just_started(600 + 60 + 3600 + 59), AWAY), None);
    assert_eq!(
        ending(&accepted(), just_started(600 + 60 + 3600 + 60), AWAY),
        Some(StatusDetails::ExecutionTimedOut)
    );
}

#[test]
fn an_invocation_that_was_made_too_late_ends_at_once() {
    let mut record = made();
    record.delivery_timeout_seconds = 0;
    assert_eq!(judge(&record, since_creation(0), AWAY, GRACE), Verdict::Ends(never_delivered(0)));
}

#[test]
fn a_cancel_waits_a_minute_and_a_grace_for_a_node_that_is_away_and_is_left_to_one_that_is_there() {
    for mut record in [made(), accepted()] {
        record.cancel = true;
        let elapsed = |seconds| Elapsed { cancelled: Duration::from_secs(seconds), ..Elapsed::default() };
        assert_eq!(ending(&record, elapsed(119), AWAY), None);
        assert_eq!(ending(&record, elapsed(120), AWAY), Some(StatusDetails::Cancelled));
        assert_eq!(ending(&record, elapsed(500), NodeState::Online), None);
        let Verdict::Ends(ending) = judge(&record, elapsed(120), AWAY, GRACE) else { unreachable!() };
        assert!(ending.message.contains("could not be reached"), "{}", ending.message);
    }
}

#[test]
fn a_deleted_node_ends_what_it_can_never_report() {
    assert_eq!(ending(&made(), since_creation(0), NodeState::Gone), Some(StatusDetails::Undeliverable));
    assert_eq!(ending(&accepted(), since_creation(0), NodeState::Gone), Some(StatusDetails::Failed));
}

/// The age of an object as the controller measures it while the wall clock is set to and fro.
#[test]
fn a_wall_clock_that_is_set_by_an_hour_ends_nothing_early_and_nothing_late() {
    let start = Timestamp::from_second(1_800_000_000).unwrap();
    let (ages, began) = (Ages::new(start), Instant::now());
    let jumps = BTreeMap::from([(100, 3600), (300, -3600), (500, 7200), (659, -7200), (660, 0)]);
    for (second, jump) in jumps {
        let wall = start + SignedDuration::from_secs(second + jump);
        let monotonic = began + Duration::from_secs(u64::try_from(second - 100).unwrap());
        let elapsed =
            Elapsed { created: ages.age("invocation", start, wall, monotonic), ..Elapsed::default() };
        assert_eq!(ending(&made(), elapsed, NodeState::Online), None, "at second {second}");
    }
    let monotonic = began + Duration::from_secs(660);
    let elapsed = Elapsed { created: ages.age("invocation", start, start, monotonic), ..Elapsed::default() };
    assert_eq!(ending(&made(), elapsed, NodeState::Online), Some(StatusDetails::DeliveryTimedOut));
}
