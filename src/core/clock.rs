//! How old things are, without trusting the wall clock more than once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Measures the age of objects so that a wall clock that jumps never expires a deadline.
///
/// Only the age of an object from before this process is read from the wall clock, once, at first sight. From
/// then on, and for every newer object from the start, age grows as the monotonic clock does. Objects are
/// known by their uid.
#[derive(Debug)]
pub struct Ages {
    started_wall: Timestamp,
    seen: Mutex<HashMap<String, FirstSight>>,
}

#[derive(Debug, Clone, Copy)]
struct FirstSight {
    at: Instant,
    age: Duration,
}

impl Ages {
    /// Starts with nothing seen. `started_wall` is the wall time at which the process started.
    pub fn new(started_wall: Timestamp) -> Self {
        Self { started_wall, seen: Mutex::new(HashMap::new()) }
    }

    /// The age of the object `uid`, which says it was made at `created`. `now_wall` and `now` are this moment.
    pub fn age(&self, uid: &str, created: Timestamp, now_wall: Timestamp, now: Instant) -> Duration {
        let mut seen = self.lock();
        if let Some(first) = seen.get(uid) {
            return first.age.saturating_add(now.saturating_duration_since(first.at));
        }
        let age = if created < self.started_wall {
            Duration::try_from(now_wall.duration_since(created)).unwrap_or(Duration::ZERO)
        } else {
            Duration::ZERO
        };
        seen.insert(uid.to_owned(), FirstSight { at: now, age });
        age
    }

    /// Forgets every object that `keep` does not want, so that memory follows what exists.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.lock().retain(|uid, _| keep(uid));
    }

    /// A panic elsewhere leaves the map whole, since each entry is written at once: go on with it.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, FirstSight>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn wall(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn an_object_from_before_the_start_has_its_wall_age_at_first_sight() {
        let ages = Ages::new(wall(0));
        assert_eq!(ages.age("a", wall(-90), wall(30), Instant::now()), MINUTE * 2);
    }

    #[test]
    fn a_new_object_starts_at_zero_whatever_the_wall_clock_says() {
        let (ages, now) = (Ages::new(wall(0)), Instant::now());
        assert_eq!(ages.age("a", wall(10), wall(3600), now), Duration::ZERO);
        assert_eq!(ages.age("a", wall(10), wall(3660), now + MINUTE), MINUTE);
    }

    #[test]
    fn a_wall_clock_that_jumps_by_an_hour_neither_ages_nor_rejuvenates() {
        let (ages, now) = (Ages::new(wall(0)), Instant::now());
        assert_eq!(ages.age("a", wall(-60), wall(0), now), MINUTE);
        assert_eq!(ages.age("a", wall(-60), wall(3600), now + MINUTE), MINUTE * 2);
        assert_eq!(ages.age("a", wall(-60), wall(-3600), now + MINUTE * 2), MINUTE * 3);
    }

    #[test]
    fn an_age_is_never_negative() {
        let (ages, now) = (Ages::new(wall(0)), Instant::now());
        assert_eq!(ages.age("a", wall(-10), wall(-3600), now + MINUTE), Duration::ZERO);
        assert_eq!(ages.age("a", wall(-10), wall(-3600), now), Duration::ZERO);
    }

    #[test]
    fn what_is_not_retained_is_forgotten() {
        let (ages, now) = (Ages::new(wall(0)), Instant::now());
        ages.age("kept", wall(1), wall(1), now);
        ages.age("gone", wall(1), wall(1), now);
        ages.retain(|uid| uid == "kept");
        assert_eq!(ages.age("kept", wall(1), wall(1), now + MINUTE), MINUTE);
        assert_eq!(ages.age("gone", wall(1), wall(1), now + MINUTE), Duration::ZERO);
    }
}
