//! `keelson`: what a user of Keelson does at a terminal. As `kubectl-keelson` on the path it is `kubectl keelson`.

mod args;
mod lint;

use std::process::ExitCode;

use crate::args::Command;

fn main() -> ExitCode {
    match args::parse().command {
        Command::Lint(arguments) => lint::run(&arguments),
    }
}
