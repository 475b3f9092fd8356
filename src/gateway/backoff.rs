//! How long to wait before the control plane or the archive is tried again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);

/// Doubles the wait with each failure, and spreads it, so that a thousand nodes' reports do not meet an API
/// server that comes back at one moment.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next wait: between half of the bound and the bound.
    pub fn next_wait(&mut self) -> Duration {
        let bound = FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let half = bound / 2;
        let spread = u64::try_from(half.as_millis()).unwrap_or(0).max(1);
        half + Duration::from_millis(RandomState::new().hash_one(self.failures) % spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_ten_seconds_and_never_overflow() {
        let mut backoff = Backoff::default();
        for bound in [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000] {
            let wait = backoff.next_wait().as_millis();
            assert!((bound / 2..=bound).contains(&wait), "{wait} is not within {bound}");
        }
        assert!(Backoff { failures: u32::MAX }.next_wait() >= LONGEST / 2);
    }
}
