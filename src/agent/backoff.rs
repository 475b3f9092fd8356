//! How long to wait before the next attempt to reach the gateway.

use std::time::Duration;

use crate::random;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);

/// Doubles the wait with each failure, and spreads it so that a fleet does not come back at one moment.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait before the next attempt: between half of the bound and the bound.
    pub fn next_wait(&mut self) -> Duration {
        let bound = FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        random::between(bound / 2, bound)
    }

    /// Begins anew, after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::default();
        for bound in [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000] {
            let wait = backoff.next_wait().as_millis();
            assert!((bound / 2..=bound).contains(&wait), "{wait} is not within {bound}");
        }
        backoff.reset();
        assert!(backoff.next_wait() <= FIRST);
    }

    #[test]
    fn it_never_overflows_however_long_a_gateway_is_away() {
        let mut backoff = Backoff { failures: u32::MAX };
        assert!(backoff.next_wait() >= LONGEST / 2);
    }
}
