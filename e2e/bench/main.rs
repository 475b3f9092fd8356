//! `make bench`: what Keelson costs on this machine, beside its goals and what the real SSM agent takes.

mod agent;
mod command;
mod figures;
mod fleet;
mod machine;
mod steps;
mod writes;

use clap::{Parser, ValueEnum};

use crate::figures::Measured;
use crate::machine::Machine;

/// Measures Keelson on a real control plane and booted nodes; it takes about five minutes.
#[derive(Debug, Parser)]
struct Arguments {
    /// Prints JSON in the place of a table.
    #[arg(long)]
    json: bool,
    /// Measures only one part.
    #[arg(long, value_enum)]
    only: Option<Part>,
}

/// What is measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// One node by itself: memory, size, the way of one document.
    Agent,
    /// Twenty nodes: Commands over all of them, writes, rest.
    Fleet,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let machine = Machine::this()?;
    let wanted = |part| arguments.only.is_none_or(|only| only == part);
    let mut figures = Vec::new();
    if wanted(Part::Agent) {
        eprintln!("measuring one node by itself");
        figures.extend(agent::measure().await?);
    }
    if wanted(Part::Fleet) {
        eprintln!("measuring a fleet of twenty nodes");
        figures.extend(fleet::measure().await?);
    }
    let operator = keelson_e2e::assets::operator()?;
    let measured = Measured { machine, operator, figures };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&measured)?);
    } else {
        println!("{measured}");
    }
    Ok(())
}
