//! How a run of the program ends: its exit code, and what is said on stderr.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// What was asked could not be done, or not be asked.
const UNUSABLE: u8 = 2;

/// Says why nothing could be done.
pub fn unusable(reason: &impl Display) -> ExitCode {
    say(&format!("error: {reason}"));
    ExitCode::from(UNUSABLE)
}

/// Writes a line to stderr, if anybody listens.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
