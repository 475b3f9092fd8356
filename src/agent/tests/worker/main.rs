//! The worker process on a run's folder, as the daemon starts it: nothing here knows its code.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod called;
mod ends;
mod harness;
mod injection;
mod output;
mod plugins;
mod power_shell;
mod properties;
mod reboots;
mod stops;
mod strict;
mod surroundings;
