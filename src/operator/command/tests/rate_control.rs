//! Rate control over simulated fleets: many seeds, each a whole Command with nodes that come, go, fail and vanish.

use std::collections::BTreeSet;
use std::time::Duration;

use keelson_core::status::{StatusDetails, command_outcome};

use super::fleet::{Dice, Records, is_running, limits, record, target};
use crate::command::deadline::Elapsed;
use crate::command::freeze::FrozenTarget;
use crate::command::plan::{Halt, Limits, NodeState, Observation, Plan, Tally, plan, tally};

const SEEDS: u64 = 300;
const LONG: Duration = Duration::from_secs(601);

/// A Command in the middle of its life, as the API server has it.
struct World {
    limits: Limits,
    targets: Vec<FrozenTarget>,
    nodes: Vec<NodeState>,
    records: Records,
    released: BTreeSet<String>,
    dice: Dice,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let count = 1 + dice.roll(40);
        let targets = (0..count).map(|number| target(&format!("mi-{number:02}"))).collect();
        let nodes = (0..count).map(|_| if dice.roll(4) == 0 { away(&mut dice) } else { NodeState::Online });
        Self {
            nodes: nodes.collect(),
            limits: limits(1 + dice.roll(8), dice.roll(6)),
            targets,
            records: Records::new(),
            released: BTreeSet::new(),
            dice,
        }
    }

    fn observe(&self) -> Vec<Observation<'_>> {
        let with_nodes = self.targets.iter().zip(&self.nodes);
        with_nodes
            .map(|(target, node)| Observation {
                target,
                invocation: self.records.get(&target.name),
                elapsed: Elapsed::default(),
                node: *node,
            })
            .collect()
    }

    fn tally(&self) -> Tally {
        tally(&self.limits, &self.observe(), 0)
    }

    fn in_flight(&self) -> usize {
        self.records.values().filter(|record| is_running(record)).count()
    }

    /// Plans and does what was planned, as the controller does.
    fn look(&mut self) {
        let before = self.tally();
        let observations = self.observe();
        let plan = plan(&self.limits, &observations, &before);
        let again = super::super::plan::plan(&self.limits, &observations, &self.tally());
        assert_eq!(plan, again, "a process that starts now decides the same");
        if before.halt.is_some() {
            assert!(plan.release.is_empty() && plan.expire.is_empty(), "nothing is sent after a halt");
        }
        let Plan { release, expire, cancel, end, next: _ } = plan;
        let release: Vec<_> = release.into_iter().cloned().collect();
        let expire: Vec<_> = expire.into_iter().cloned().collect();
        let cancel: Vec<_> = cancel.into_iter().map(|record| record.node.clone()).collect();
        let end: Vec<_> = end.into_iter().map(|(record, ending)| (record.node.clone(), ending)).collect();
        for target in &release {
            assert!(self.released.insert(target.name.clone()), "{} was released twice", target.name);
            self.records.insert(target.name.clone(), record(target, None));
        }
        for target in &expire {
            assert!(self.released.insert(target.name.clone()), "{} was released twice", target.name);
            let ended = record(target, Some(StatusDetails::DeliveryTimedOut));
            self.records.insert(target.name.clone(), ended);
        }
        for node in cancel {
            self.records.get_mut(&node).unwrap().cancel = true;
        }
        for (node, ending) in end {
            self.finish(&node, ending.details);
        }
    }

    fn finish(&mut self, node: &str, details: StatusDetails) {
        let target = self.targets.iter().find(|target| target.name == node).unwrap().clone();
        let cancel = self.records[node].cancel;
        self.records.insert(node.to_owned(), record(&target, Some(details)));
        self.records.get_mut(node).unwrap().cancel = cancel;
    }

    /// Something happens on some nodes.
    fn happen(&mut self) {
        let running: Vec<_> = self
            .records
            .values()
            .filter(|record| is_running(record))
            .map(|record| record.node.clone())
            .collect();
        for node in running {
            let cancel = self.records[&node].cancel;
            match self.dice.roll(8) {
                0 => self.finish(&node, StatusDetails::Failed),
                1 => self.finish(&node, StatusDetails::ExecutionTimedOut),
                2 => self.finish(&node, StatusDetails::DeliveryTimedOut),
                3 | 4 => {
                    self.finish(
                        &node,
                        if cancel { StatusDetails::Cancelled } else { StatusDetails::Success },
                    );
                }
                5 => self.finish(&node, StatusDetails::InProgress),
                _ => {}
            }
        }
        for index in 0..self.nodes.len() {
            if self.nodes[index] == NodeState::Gone {
                continue;
            }
            match self.dice.roll(20) {
                0 => self.nodes[index] = NodeState::Online,
                1 => self.nodes[index] = away(&mut self.dice),
                2 if self.dice.roll(4) == 0 => self.nodes[index] = NodeState::Gone,
                _ => {}
            }
        }
    }

    fn check(&self) {
        let tally = self.tally();
        assert!(self.in_flight() <= self.limits.max_concurrency as usize, "more in flight than allowed");
        assert_eq!(tally.counts.total_accounted(), u32::try_from(self.targets.len()).unwrap());
        assert_eq!(tally.in_flight as usize, self.in_flight());
        assert_eq!(tally.halt == Some(Halt::TooManyErrors), tally.counts.errors() > self.limits.max_errors);
    }
}

fn away(dice: &mut Dice) -> NodeState {
    NodeState::Offline(if dice.roll(6) == 0 { LONG } else { Duration::from_secs(10) })
}

#[test]
fn whatever_nodes_do_limits_hold_counts_add_up_and_no_node_is_sent_to_twice() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for _ in 0..60 {
            world.look();
            world.check();
            world.happen();
            world.check();
        }
        // Everybody answers at last.
        for round in 0.. {
            world
                .nodes
                .iter_mut()
                .filter(|node| **node != NodeState::Gone)
                .for_each(|node| *node = NodeState::Online);
            let running: Vec<_> =
                world.records.values().filter(|record| is_running(record)).cloned().collect();
            for record in &running {
                world.finish(&record.node, StatusDetails::Success);
            }
            world.look();
            world.check();
            let tally = world.tally();
            if tally.counts.is_finished() {
                assert!(command_outcome(&tally.counts, world.limits.max_errors, false).is_terminal());
                break;
            }
            assert!(round < 100, "seed {seed} does not end: {tally:?}");
        }
    }
}

#[test]
fn nothing_is_sent_once_one_error_more_than_allowed_has_come() {
    let mut world = World::new(7);
    world.limits = limits(5, 1);
    world.targets = (0..20).map(|number| target(&format!("mi-{number:02}"))).collect();
    world.nodes = vec![NodeState::Online; 20];
    world.look();
    assert_eq!(world.released.len(), 5);
    world.finish("mi-00", StatusDetails::Failed);
    world.look();
    assert_eq!(world.released.len(), 6, "one error is allowed");
    world.finish("mi-01", StatusDetails::ExecutionTimedOut);
    world.look();
    assert_eq!(world.released.len(), 6, "the second one stops it");
    let tally = world.tally();
    assert_eq!((tally.counts.terminated, tally.in_flight, tally.halt), (14, 4, Some(Halt::TooManyErrors)));
    assert!(!tally.counts.is_finished(), "what runs goes on");
    for number in 2..6 {
        world.finish(&format!("mi-{number:02}"), StatusDetails::Success);
    }
    assert_eq!(command_outcome(&world.tally().counts, 1, false), StatusDetails::Failed);
}

#[test]
fn what_was_not_delivered_is_no_error() {
    let mut world = World::new(7);
    world.limits = limits(1, 0);
    world.targets = vec![target("mi-0"), target("mi-1")];
    world.nodes = vec![NodeState::Online; 2];
    world.look();
    world.finish("mi-0", StatusDetails::DeliveryTimedOut);
    world.look();
    assert_eq!(world.released.len(), 2);
    world.finish("mi-1", StatusDetails::Success);
    assert_eq!(command_outcome(&world.tally().counts, 0, false), StatusDetails::Incomplete);
}

#[test]
fn a_node_that_is_away_holds_no_slot_and_is_sent_to_when_it_comes() {
    let mut world = World::new(7);
    world.limits = limits(1, 0);
    world.targets = vec![target("mi-0"), target("mi-1")];
    world.nodes = vec![NodeState::Offline(Duration::from_secs(5)), NodeState::Online];
    world.look();
    assert_eq!(world.released, BTreeSet::from(["mi-1".to_owned()]));
    let before = world.tally();
    let observations = world.observe();
    let wait = plan(&world.limits, &observations, &before).next.unwrap();
    assert!(wait <= Duration::from_secs(595), "it is looked at again when its time is over");
    world.finish("mi-1", StatusDetails::Success);
    world.nodes[0] = NodeState::Online;
    world.look();
    assert_eq!(world.released.len(), 2);
}

#[test]
fn a_node_that_stays_away_ends_as_never_delivered() {
    let mut world = World::new(7);
    world.targets = vec![target("mi-0")];
    world.nodes = vec![NodeState::Offline(LONG)];
    world.look();
    let tally = world.tally();
    assert_eq!(tally.counts.delivery_timed_out, 1);
    assert_eq!(command_outcome(&tally.counts, 0, false), StatusDetails::DeliveryTimedOut);
}

#[test]
fn a_cancel_stops_sending_and_asks_what_runs_to_stop() {
    let mut world = World::new(7);
    world.limits = limits(2, 0);
    world.targets = (0..4).map(|number| target(&format!("mi-{number}"))).collect();
    world.nodes = vec![NodeState::Online; 4];
    world.look();
    world.limits.cancelled = true;
    world.look();
    assert_eq!(world.released.len(), 2);
    assert!(world.records.values().all(|record| record.cancel));
    assert_eq!(world.tally().counts.cancelled, 2, "those that were not sent to");
    let tally_now = world.tally();
    let observations = world.observe();
    assert_eq!(plan(&world.limits, &observations, &tally_now).cancel.len(), 0, "asked once");
    world.finish("mi-0", StatusDetails::Cancelled);
    world.finish("mi-1", StatusDetails::Success);
    assert_eq!(command_outcome(&world.tally().counts, 0, true), StatusDetails::Cancelled);
}

#[test]
fn a_node_that_was_deleted_before_its_turn_is_undeliverable() {
    let mut world = World::new(7);
    world.targets = vec![target("mi-0")];
    world.nodes = vec![NodeState::Gone];
    world.look();
    assert!(world.released.is_empty());
    assert_eq!(world.tally().counts.undeliverable, 1);
}

#[test]
fn targets_that_nobody_can_name_any_more_still_count() {
    let world = World { targets: Vec::new(), nodes: Vec::new(), ..World::new(7) };
    let tally = tally(&world.limits, &world.observe(), 3);
    assert_eq!((tally.counts.targets, tally.counts.undeliverable), (3, 3));
    assert!(tally.counts.is_finished());
}
