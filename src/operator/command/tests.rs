//! The controller's decisions, without a client.

mod deadlines;
mod fleet;
mod freezing;
mod rate_control;
mod reporting;
mod validation;
