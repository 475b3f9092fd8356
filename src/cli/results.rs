//! `keelson get results`: how a Command went, node by node.

mod json;
mod table;

use std::io::{self, Write};
use std::process::ExitCode;

use keelson_api::{COMMAND_LABEL, Command, Invocation, InvocationStatus};
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use crate::args::{ResultsArguments, TableFormat};
use crate::cluster::{Cluster, Trouble};
use crate::exit;

pub use json::CommandResults;
pub use table::without;

/// How many Invocations are asked for at once.
const PAGE: u32 = 500;

/// Reads a Command's results and writes them as the arguments say.
pub async fn run(arguments: &ResultsArguments) -> ExitCode {
    let found = match read(arguments).await {
        Ok(found) => found,
        Err(trouble) => return exit::unusable(&trouble),
    };
    let (command, invocations) = found;
    let text = match arguments.output {
        Some(TableFormat::Json) => CommandResults::new(&command, &invocations).to_text(),
        other => {
            exit::say(&table::heading(&command, invocations.len()));
            table::table(&invocations, other == Some(TableFormat::Wide))
        }
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            exit::unusable(&format!("cannot write the results: {error}"))
        }
        _ => ExitCode::SUCCESS,
    }
}

async fn read(arguments: &ResultsArguments) -> Result<(Command, Vec<Invocation>), Trouble> {
    let cluster = Cluster::find(&arguments.cluster).await?;
    let commands: Api<Command> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let name = arguments.command.strip_prefix("command/").unwrap_or(&arguments.command);
    let command =
        commands.get(name).await.map_err(|error| match cluster.trouble(&error, "get", "commands") {
            Trouble::NotFound(_) => Trouble::NotFound(format!(
                "there is no Command {name:?} in namespace {:?}; it may have been deleted after its \
                 ttlSecondsAfterFinished",
                cluster.namespace
            )),
            other => other,
        })?;
    let invocations = invocations(&cluster, &command).await?;
    Ok((command, invocations))
}

/// The Invocations of a Command, by host name.
pub async fn invocations(cluster: &Cluster, command: &Command) -> Result<Vec<Invocation>, Trouble> {
    let api: Api<Invocation> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let mut page =
        ListParams::default().labels(&format!("{COMMAND_LABEL}={}", command.name_any())).limit(PAGE);
    let mut found = Vec::new();
    loop {
        let list = api.list(&page).await.map_err(|error| cluster.trouble(&error, "list", "invocations"))?;
        found.extend(list.items.into_iter().filter(|invocation| is_of(invocation, command)));
        match list.metadata.continue_ {
            Some(token) if !token.is_empty() => page = page.continue_token(&token),
            _ => break,
        }
    }
    found.sort_by(|a, b| (host(a), &a.spec.node_name).cmp(&(host(b), &b.spec.node_name)));
    Ok(found)
}

/// Whether it is of this Command, and not of an earlier one of the same name.
pub fn is_of(invocation: &Invocation, command: &Command) -> bool {
    Some(&invocation.spec.command_uid) == command.metadata.uid.as_ref()
}

/// What a person calls the node: its host name, or the ManagedNode's name where it has none.
pub fn host(invocation: &Invocation) -> &str {
    if invocation.spec.hostname.is_empty() { &invocation.spec.node_name } else { &invocation.spec.hostname }
}

/// What is known of it; `Pending` before anything is.
pub fn status(invocation: &Invocation) -> InvocationStatus {
    invocation.status.clone().unwrap_or_else(|| InvocationStatus {
        status_details: "Pending".to_owned(),
        ..InvocationStatus::default()
    })
}

/// How many frozen targets have no Invocation.
pub fn without_invocation(command: &Command, invocations: usize) -> u32 {
    let targets = command.status.as_ref().and_then(|status| status.target_count).unwrap_or_default();
    targets.saturating_sub(u32::try_from(invocations).unwrap_or(u32::MAX))
}
