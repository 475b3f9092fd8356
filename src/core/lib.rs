//! The pure domain of Keelson: what a status, a target, a schedule and a rate limit mean.
//!
//! Nothing here does input or output, knows of Kubernetes or of a network, or reads a clock: each function is
//! told the time. That makes every rule of Systems Manager which Keelson keeps testable in a microsecond.

pub mod clock;
pub mod fleet;
pub mod names;
pub mod output;
pub mod rate;
pub mod schedule;
pub mod status;
pub mod target;
