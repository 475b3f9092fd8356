//! A small generator of numbers that look random, so that a seed repeats a run's decisions (`SplitMix64`).

use std::time::Duration;

/// Decisions of a run.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A sequence of its own, so that tasks do not take from each other.
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A duration of whole milliseconds from `low` up to and with `high`.
    pub fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let milliseconds = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let width = milliseconds(high).saturating_sub(milliseconds(low)).saturating_add(1);
        low + Duration::from_millis(self.next() % width)
    }

    /// One of the items; `None` of none.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let index = self.next().checked_rem(items.len() as u64)?;
        items.get(usize::try_from(index).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_decisions_and_another_does_not() {
        let decisions = |seed| {
            let mut random = Random::new(seed);
            (0..8).map(|_| random.between(Duration::ZERO, Duration::from_secs(60))).collect::<Vec<_>>()
        };
        assert_eq!(decisions(7), decisions(7));
        assert_ne!(decisions(7), decisions(8));
    }

    #[test]
    fn durations_stay_within_their_bounds_and_reach_them() {
        let mut random = Random::new(1);
        let (low, high) = (Duration::from_millis(2), Duration::from_millis(4));
        let drawn: Vec<_> = (0..200).map(|_| random.between(low, high)).collect();
        assert!(drawn.iter().all(|duration| (low..=high).contains(duration)));
        assert!(drawn.contains(&low) && drawn.contains(&high));
    }

    #[test]
    fn every_item_is_chosen_and_none_of_nothing() {
        let mut random = Random::new(1);
        let chosen: std::collections::BTreeSet<_> =
            (0..100).filter_map(|_| random.choose(&[1, 2, 3]).copied()).collect();
        assert_eq!(chosen.len(), 3);
        assert_eq!(random.choose::<u8>(&[]), None);
    }
}
