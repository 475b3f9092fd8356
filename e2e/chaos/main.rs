//! `make chaos N=1000`: many Invocations under fire; ends with "lost 0, doubled 0", or fails and says what was.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::ensure;
use clap::Parser;
use keelson_e2e::{Lab, chaos};

/// Runs Invocations over twenty nodes while agents, gateways, operator and API server are killed at random.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many Invocations.
    invocations: usize,
    /// Decides what is killed when; printed, so that a run's decisions can be had again.
    #[arg(long)]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    ensure!(arguments.invocations > 0, "nothing to do: give a number of Invocations of at least 1");
    let seed = arguments.seed.unwrap_or_else(seed_of_now);
    println!("seed {seed}");
    let mut lab = Lab::start_with("chaos", chaos::NODES, chaos::settings).await?;
    let counted = chaos::run(&mut lab, arguments.invocations, seed, show).await;
    if std::io::stderr().is_terminal() {
        eprintln!();
    }
    let is_right = match counted {
        Ok(tally) => {
            println!("{tally} (seed {seed})");
            tally.is_right()
        }
        Err(error) => {
            println!("the run came to no end: {error:#} (seed {seed})");
            false
        }
    };
    if is_right {
        return Ok(ExitCode::SUCCESS);
    }
    lab.keep();
    println!("logs are in {}", lab.folder().display());
    Ok(ExitCode::FAILURE)
}

fn seed_of_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_nanos())
}

/// One line that is written over, or a line each where nobody watches.
fn show(line: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r{line}\x1b[K");
    } else {
        eprintln!("{line}");
    }
}
