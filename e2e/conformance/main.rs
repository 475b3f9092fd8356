//! `make conformance`: runs a folder of recorded cases on a booted node and prints what differs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Parser;
use keelson_e2e::Lab;
use keelson_e2e::conformance::{Folder, Selection, run, selection};

/// Runs recorded documents through the whole flow and compares with what the real agent answered.
#[derive(Debug, Parser)]
struct Arguments {
    /// The folder with cases/ and golden.json; without it ../shared/conformance beside the project.
    #[arg(long, env = "KEELSON_CONFORMANCE_DIR")]
    folder: Option<PathBuf>,
    /// Numbers and ranges of cases, such as 001-077,210; or all.
    #[arg(long, default_value = selection::ALL)]
    cases: String,
    /// The documents' schemaVersion; or all.
    #[arg(long, default_value = selection::ALL)]
    schema: String,
    /// Only cases with this in their name.
    #[arg(long)]
    only: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let path = arguments
        .folder
        .or_else(Folder::find)
        .context("there are no cases: set KEELSON_CONFORMANCE_DIR to a folder with cases/ and golden.json")?;
    let folder = Folder::read(&path)?;
    let selection = Selection::new(&arguments.cases, &arguments.schema, arguments.only.as_deref())?;
    let chosen: Vec<_> = folder.cases.iter().filter(|recorded| selection.takes(&recorded.case)).collect();
    ensure!(!chosen.is_empty(), "none of the {} cases of {} is chosen", folder.cases.len(), path.display());
    eprintln!("{} of the {} cases of {}", chosen.len(), folder.cases.len(), path.display());
    let lab = Lab::start("conformance", 1).await?;
    let report = run::all(&lab, &chosen, |name| eprintln!("  ran {name}")).await?;
    println!("{report}");
    Ok(if report.is_right() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
