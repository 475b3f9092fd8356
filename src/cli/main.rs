//! `keelson`: what a user of Keelson does at a terminal. As `kubectl-keelson` on the path it is `kubectl keelson`.

mod args;
mod cluster;
mod exit;
#[cfg(test)]
mod fixtures;
mod lint;
mod results;
mod run;
mod text;

use std::process::ExitCode;

use crate::args::{Command, Get};

fn main() -> ExitCode {
    match args::parse().command {
        Command::Lint(arguments) => lint::run(&arguments),
        Command::Run(arguments) => wait_for(run::run(&arguments)),
        Command::Get(Get::Results(arguments)) => wait_for(results::run(&arguments)),
    }
}

/// Runs what speaks with a cluster.
fn wait_for(work: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => exit::unusable(&format!("cannot start: {error}")),
    }
}
