//! Random numbers that spread nodes over time; nothing secret is made of them.

use std::time::Duration;

use rustix::rand::{GetRandomFlags, getrandom};

/// Evenly distributed between `low` and `high`.
pub fn between(low: Duration, high: Duration) -> Duration {
    let mut bytes = [0_u8; 4];
    // Without randomness (a kernel that is still starting) every node waits the shortest time, which is sound.
    let _filled = getrandom(&mut bytes, GetRandomFlags::NONBLOCK);
    let share = f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX);
    low + high.saturating_sub(low).mul_f64(share)
}
