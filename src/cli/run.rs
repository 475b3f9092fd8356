//! `keelson run`: a document on nodes, waited for, with what each node printed.

mod command;
mod follow;
mod parameters;
mod progress;
mod report;
pub mod targets;
mod terminal;

use std::process::ExitCode;

use keelson_api::Command;
use kube::api::PostParams;
use kube::{Api, ResourceExt as _};

use crate::args::{OutputFormat, RunArguments};
use crate::cluster::{Cluster, Trouble};
use crate::exit;
use crate::results::CommandResults;
use follow::{End, Follow};
use terminal::Terminal;

/// A node did not succeed.
const FAILED: u8 = 1;
/// What a shell says of a program that an interrupt ended.
const INTERRUPTED: u8 = 130;

/// Makes the Command and waits for it. The exit code is 0 only if every node succeeded.
pub async fn run(arguments: &RunArguments) -> ExitCode {
    let wanted = match command::command(arguments) {
        Ok(command) => command,
        Err(reason) => return exit::unusable(&reason),
    };
    let cluster = match Cluster::find(&arguments.cluster).await {
        Ok(cluster) => cluster,
        Err(trouble) => return exit::unusable(&trouble),
    };
    let command = match create(&cluster, &wanted).await {
        Ok(command) => command,
        Err(trouble) => return exit::unusable(&trouble),
    };
    let name = command.name_any();
    if arguments.no_wait {
        Terminal::new().print(&format!("{name}\n"));
        exit::say(&later(&name, &cluster.namespace));
        return ExitCode::SUCCESS;
    }
    let json = arguments.output == Some(OutputFormat::Json);
    let mut terminal = Terminal::new();
    terminal.say(&format!("Command {name} in namespace {}", cluster.namespace));
    let end =
        Follow::new(&cluster, &mut terminal, command, !json).until_end(arguments.cancel_on_interrupt).await;
    terminal.finish();
    match end {
        Ok(End::Ended(command, invocations)) => {
            if json {
                terminal.print(&CommandResults::new(&command, &invocations).to_text());
            }
            exit::say(&report::summary(&command, &invocations));
            if let Some(error) = terminal.failure() {
                return exit::unusable(&format!("cannot write the results: {error}"));
            }
            if report::succeeded(&command) { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
        }
        Ok(End::Interrupted) => {
            exit::say(&format!(
                "Command {name} goes on without being watched.\n{}",
                later(&name, &cluster.namespace)
            ));
            ExitCode::from(INTERRUPTED)
        }
        Ok(End::Deleted) => {
            exit::say(&format!("error: Command {name} was deleted before it had ended"));
            ExitCode::from(FAILED)
        }
        Err(trouble) => {
            exit::say(&format!("Command {name} was made and goes on.\n{}", later(&name, &cluster.namespace)));
            exit::unusable(&trouble)
        }
    }
}

async fn create(cluster: &Cluster, wanted: &Command) -> Result<Command, Trouble> {
    let api: Api<Command> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let made = api.create(&PostParams::default(), wanted).await;
    made.map_err(|error| cluster.trouble(&error, "create", "commands"))
}

/// How to see and how to cancel a Command that nobody waits for.
fn later(name: &str, namespace: &str) -> String {
    format!(
        "results: keelson get results {name} -n {namespace}\n\
         cancel:  kubectl patch command {name} -n {namespace} --type=merge -p '{{\"spec\":{{\"cancel\":true}}}}'"
    )
}
