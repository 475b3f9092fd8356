//! Taking the results of a Command that has ended: first each node's entry, then, once the cache shows them, the
//! Association's status. Whoever dies in between leaves the Command current, so that the next one does it again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _};
use keelson_api::{Association, Command, ManagedNode, NodeAssociation};
use keelson_core::target::TargetQuery;
use kube::ResourceExt as _;

use super::failing;
use super::memory::Memory;
use super::nodes::{self, Member};
use super::status::Draft;
use crate::command::query;
use crate::compliance::entry::Ended;
use crate::compliance::write;
use crate::context::{Context, now};
use crate::error::Error;
use crate::index::InvocationRecord;

/// How many nodes are written at once.
const WRITES: usize = 8;
/// How soon to look whether the cache shows what was written.
const SOON: Duration = Duration::from_millis(250);
/// How long to wait for a cache before going on without it: it may never show what the API server leaves out.
const PATIENCE: Duration = Duration::from_secs(30);

/// Puts what a Command did into the draft; or says how long to wait before trying again. `matching` are the nodes
/// that the Association is for now; without an answer to that, those that the Command was for.
pub async fn take(
    context: &Context,
    memory: &Memory,
    association: &Association,
    command: &Command,
    matching: Option<&TargetQuery>,
    draft: &mut Draft,
) -> Result<Option<Duration>, Error> {
    let namespace = association.namespace().unwrap_or_default();
    let records = context.index.invocations.of_command(&command.uid().unwrap_or_default());
    let waited = memory.recording(association, &command.uid().unwrap_or_default(), Instant::now());
    if waited < PATIENCE && records.values().any(|record| !record.is_terminal()) && ended_lately(command) {
        return Ok(Some(SOON));
    }
    let of_node: HashMap<_, _> = records.values().map(|record| (record.node_uid.as_str(), record)).collect();
    let spec = &command.spec;
    let entries = match query(&spec.targets, spec.label_selector.as_ref(), &spec.exclude) {
        Ok(scope) => {
            let matching = matching.unwrap_or(&scope);
            let members = nodes::members(context, &namespace, &association.name_any(), matching);
            changed_entries(association, command, &scope, members, &of_node)
        }
        Err(_) => Vec::new(), // such a Command has run nowhere
    };
    if !entries.is_empty() && waited < PATIENCE {
        let writes =
            entries.into_iter().map(|(node, entry)| async move { write::put(context, &node, &entry).await });
        futures::stream::iter(writes).buffer_unordered(WRITES).try_collect::<()>().await?;
        return Ok(Some(SOON));
    }
    let failing = failing::describe(context, &namespace, records.values()).await?;
    draft.finished(command, &|node| records.values().any(|record| record.node == node), failing);
    Ok(None)
}

/// The entries that the Command changes: of nodes that it was for, since a catch-up is for few.
fn changed_entries(
    association: &Association,
    command: &Command,
    scope: &TargetQuery,
    members: Vec<Member>,
    records: &HashMap<&str, &InvocationRecord>,
) -> Vec<(Arc<ManagedNode>, NodeAssociation)> {
    let name = association.name_any();
    let meant = members.into_iter().filter(|member| nodes::matches(scope, &member.node));
    meant
        .filter_map(|member| {
            let uid = member.node.metadata.uid.as_deref().unwrap_or_default();
            let ended = Ended {
                association: &name,
                severity: association.spec.compliance_severity,
                command,
                invocation: records.get(uid).copied(),
            };
            let entry = ended.entry(&member.node, member.entry.as_ref())?;
            Some((member.node, entry))
        })
        .collect()
}

/// Whether the Command ended just now, so that the cache may not show the end of its Invocations yet.
fn ended_lately(command: &Command) -> bool {
    let ended = command.status.as_ref().and_then(|status| status.completion_time.as_ref());
    ended.is_none_or(|ended| now().duration_since(ended.0).as_secs().abs() < 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::association::fixtures::{association, ended_command, entry, member, record};
    use keelson_api::Target;

    fn changed(command: &Command, members: Vec<Member>) -> Vec<(String, String)> {
        let record = record("a", "Success");
        let records = HashMap::from([("uid-a", &record)]);
        let scope = query(&command.spec.targets, None, &[]).unwrap();
        let changed = changed_entries(&association(), command, &scope, members, &records);
        changed.into_iter().map(|(node, entry)| (node.name_any(), entry.status)).collect()
    }

    #[test]
    fn a_catch_up_changes_only_the_nodes_it_was_for() {
        let mut command = ended_command("c1", "Success");
        command.spec.targets = vec![Target { key: "InstanceIds".into(), values: vec!["a".into()] }];
        let members = vec![member("a", None), member("b", None)];
        assert_eq!(changed(&command, members), [("a".to_owned(), "Success".to_owned())]);
    }

    #[test]
    fn a_run_for_all_says_of_each_node_where_it_stands() {
        let members = vec![member("a", None), member("away", None)];
        assert_eq!(
            changed(&ended_command("c1", "Success"), members),
            [("a".to_owned(), "Success".to_owned()), ("away".to_owned(), "Pending".to_owned())]
        );
    }

    #[test]
    fn a_run_that_confirms_what_is_known_changes_no_node() {
        let members = vec![member("a", Some(entry("Success", "Success")))];
        assert!(changed(&ended_command("c2", "Success"), members).is_empty());
    }
}
