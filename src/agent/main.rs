//! `keelson-agent`: enrols a server as a node and runs what the control plane sends it.

mod args;
mod backoff;
mod clock;
mod connect;
mod daemon;
mod enrol;
mod facts;
#[cfg(test)]
#[allow(dead_code, reason = "the tests of the whole agent use the rest")]
mod fake_gateway;
mod files;
mod identity;
mod journal;
mod plugin;
mod random;
mod reboot;
mod renewal;
mod resolver;
mod retention;
mod run_directory;
mod runs;
mod session;
mod state_lock;
mod status;
mod unenrol;
mod update;
mod upload;
mod version;
mod worker;

use std::process::ExitCode;

use args::{Action, Arguments};
use clap::Parser;
use tracing_subscriber::filter::LevelFilter;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    resolver::use_files_and_dns_only();
    match perform(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("keelson-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let state = &arguments.state_dir;
    match &arguments.action {
        Action::Enrol(enrolment) => {
            let node = block_on(enrol::enrol(state, enrolment))??;
            println!("enrolled as {} in namespace {}", node.node, node.namespace);
        }
        Action::Unenrol(leave) => {
            let node = block_on(unenrol::unenrol(state, leave.local_only))??;
            println!("{} of namespace {} is no longer enrolled", node.node, node.namespace);
        }
        Action::Version => println!("keelson-agent {}", version::version()),
        Action::Update(arguments) => println!("{}", update::update(state, arguments)?),
        Action::FetchAgent(arguments) => update::fetch_agent(state, arguments)?,
        Action::Recover(arguments) => update::recover(arguments)?,
        Action::Run(run) => {
            log_to_stderr(arguments.log_level);
            block_on(daemon::run(state, run))??;
        }
        Action::Status => {
            let report = status::report(state)?;
            print!("{}", report.text);
            return Ok(ExitCode::from(report.code));
        }
        Action::Worker { directory } => return Ok(worker::main(directory)),
        Action::Fetch => return Ok(plugin::fetch()),
    }
    Ok(ExitCode::SUCCESS)
}

/// One thread for everything: an agent waits nearly always, and memory is what it must not take.
fn block_on<T>(future: impl Future<Output = T>) -> std::io::Result<T> {
    // Name lookups are the only blocking calls; one thread serves them and goes when it is done.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .thread_keep_alive(std::time::Duration::from_secs(1))
        .build()?;
    Ok(runtime.block_on(future))
}

fn log_to_stderr(level: tracing::Level) {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(LevelFilter::from_level(level))
        .with_target(false)
        .init();
}
