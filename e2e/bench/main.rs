//! `make bench`: what Keelson costs on this machine, beside its goals and what the real SSM agent takes.

mod agent;
mod command;
mod figures;
mod fleet;
mod machine;
mod writes;

use clap::Parser;

use crate::figures::Figures;
use crate::machine::Machine;

/// Measures Keelson on a real control plane and booted nodes; it takes about five minutes.
#[derive(Debug, Parser)]
struct Arguments {
    /// Prints JSON in the place of a table.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let machine = Machine::this()?;
    eprintln!("measuring one node by itself");
    let mut figures = agent::measure().await?;
    eprintln!("measuring a fleet of twenty nodes");
    figures.extend(fleet::measure().await?);
    let figures = Figures { machine, figures };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        println!("{figures}");
    }
    Ok(())
}
