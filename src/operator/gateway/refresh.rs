//! What a run asks for by `aws:refreshAssociation`, on its way to the Association controller: requests in the node's
//! `status.agent`, written before the run's end is, so that none is lost. Written again by a result that comes again,
//! a request is the same one.
//!
//! No circle of Associations keeps itself going: a run never asks for its own Association, and one that was itself
//! asked for asks for nothing.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use keelson_api::{Association, CAUSE_ANNOTATION, Command, RefreshRequest, RunStatus};
use keelson_core::fleet::{Epoch, NodeIdentity, RecordError, Report};
use keelson_core::names::is_object_name;
use kube::{Api, Resource as _, ResourceExt as _};

use super::assignments::InvocationRecord;
use super::call::{ATTEMPTS, CallError, get};
use super::claim::OwnStatus;
use super::fleet::KubernetesFleet;
use crate::association::Cause;
use crate::compliance::refresh::{ALL, VALID, requests};

/// The most requests that a node keeps; more become one for all.
const MAX_REQUESTS: usize = 100;

impl KubernetesFleet {
    /// Stores what a run that has ended asks for.
    pub async fn ask_for_refresh(
        &self,
        node: &NodeIdentity,
        epoch: Epoch,
        record: &InvocationRecord,
        report: &Report,
    ) -> Result<(), RecordError> {
        let Report::Finished(run) = report else { return Ok(()) };
        let Some(names) = &run.refresh_associations else { return Ok(()) };
        if was_told(record.status) {
            return Ok(());
        }
        let Some(asked_by) = self.asker(record).await? else {
            tracing::info!(
                namespace = record.namespace,
                invocation = record.name,
                "a run that was asked for asks for nothing"
            );
            return Ok(());
        };
        for _ in 0..ATTEMPTS {
            self.owns(node, epoch)?;
            let current = match get(&self.nodes_of(&node.namespace), &node.name).await {
                Ok(current) if current.uid().as_ref() == Some(&node.uid) => current,
                Ok(_) | Err(CallError::NotFound) => return Ok(()), // nothing will run there any more
                Err(error) => return Err(error.into()),
            };
            let asked = Asked { names, association: &asked_by, command: &record.command_uid };
            let Some(next) =
                OwnStatus::asked(&current, asked.added_to(requests(&current), crate::context::now()))
            else {
                return Ok(());
            };
            match self.apply_own_status(&current, &next).await {
                Err(CallError::Conflict) => {}
                Err(CallError::NotFound) => return Ok(()),
                other => return Ok(other.map(drop)?),
            }
        }
        Err(RecordError::Unavailable("the node's status changes too often to be written".into()))
    }

    /// The Association that made the Command of a run, empty where a user did; nothing if the run itself was asked
    /// for by another one.
    async fn asker(&self, record: &InvocationRecord) -> Result<Option<String>, RecordError> {
        let commands: Api<Command> = Api::namespaced(self.client.clone(), &record.namespace);
        match get(&commands, &record.command_name).await {
            Ok(command) if command.uid().as_ref() == Some(&record.command_uid) => Ok(asker_of(&command)),
            Ok(_) | Err(CallError::NotFound) => Ok(Some(String::new())),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether the node has told the end of its run before: that was stored after what the run asks for. An end for which
/// the control plane did not wait says nothing of it.
fn was_told(status: Option<RunStatus>) -> bool {
    matches!(status, Some(RunStatus::Success | RunStatus::Failed))
}

fn asker_of(command: &Command) -> Option<String> {
    if command.annotations().get(CAUSE_ANNOTATION).is_some_and(|cause| cause == Cause::Refresh.as_str()) {
        return None;
    }
    let is_association = |kind: &str| kind == Association::kind(&());
    let owner = command.owner_references().iter().find(|owner| owner.controller == Some(true));
    Some(
        owner.filter(|owner| is_association(&owner.kind)).map(|owner| owner.name.clone()).unwrap_or_default(),
    )
}

/// What a run asks for.
struct Asked<'a> {
    /// Associations; all where there is no name.
    names: &'a [String],
    /// The Association that made the run; empty where a user did.
    association: &'a str,
    /// Uid of the run's Command.
    command: &'a str,
}

impl Asked<'_> {
    /// The requests of a node with these among them, and without those that count no more.
    fn added_to(&self, present: &[RefreshRequest], now: Timestamp) -> Vec<RefreshRequest> {
        let now = Timestamp::from_second(now.as_second()).unwrap_or_default();
        let mut all: Vec<_> =
            present.iter().filter(|old| now.duration_since(old.request_time.0) < VALID).cloned().collect();
        // All that a run asks for comes at once, so this is the same result again.
        if all.iter().any(|old| old.command == self.command) {
            return all;
        }
        let mut names: BTreeSet<_> =
            self.names.iter().map(String::as_str).filter(|name| is_object_name(name)).collect();
        if self.names.is_empty() {
            names.insert(ALL);
        }
        all.retain(|old| old.asked_by != self.association || !names.contains(old.name.as_str()));
        all.extend(names.into_iter().map(|name| self.request(name, now)));
        if all.len() > MAX_REQUESTS {
            // Asked for by nobody in particular, so that all of them are meant.
            all = vec![RefreshRequest { asked_by: String::new(), ..self.request(ALL, now) }];
        }
        all
    }

    fn request(&self, name: &str, now: Timestamp) -> RefreshRequest {
        RefreshRequest {
            name: name.to_owned(),
            request_time: Time(now),
            command: self.command.to_owned(),
            asked_by: self.association.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::association::fixtures;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    fn asked(present: &[RefreshRequest], names: &[&str], command: &str, second: i64) -> Vec<RefreshRequest> {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        Asked { names: &names, association: "", command }.added_to(present, at(second))
    }

    /// Name and second of each.
    fn shown(requests: &[RefreshRequest]) -> Vec<(&str, i64)> {
        let second = |request: &RefreshRequest| request.request_time.0.as_second() - at(0).as_second();
        requests.iter().map(|request| (request.name.as_str(), second(request))).collect()
    }

    #[test]
    fn names_are_asked_for_one_by_one_and_none_means_all() {
        assert_eq!(shown(&asked(&[], &["a", "b"], "c1", 1)), [("a", 1), ("b", 1)]);
        assert_eq!(shown(&asked(&[], &[], "c1", 1)), [(ALL, 1)]);
        assert_eq!(shown(&asked(&[], &["no/name", ""], "c1", 1)), []);
    }

    #[test]
    fn a_result_that_comes_again_asks_once_and_another_run_asks_anew() {
        let first = asked(&[], &["a", "b"], "c1", 1);
        assert_eq!(asked(&first, &["b", "a"], "c1", 9), first);
        assert_eq!(shown(&asked(&first, &["b"], "c2", 9)), [("a", 1), ("b", 9)]);
    }

    #[test]
    fn a_run_asks_when_its_end_comes_first_and_also_after_it_was_given_up() {
        for status in
            [None, Some(RunStatus::InProgress), Some(RunStatus::TimedOut), Some(RunStatus::Cancelled)]
        {
            assert!(!was_told(status), "{status:?}");
        }
        assert!(was_told(Some(RunStatus::Success)) && was_told(Some(RunStatus::Failed)));
    }

    #[test]
    fn requests_go_after_a_day_and_too_many_become_one_for_all() {
        let first = asked(&[], &["a"], "c1", 0);
        assert_eq!(shown(&asked(&first, &["b"], "c2", 24 * 3600)), [("b", 24 * 3600)]);
        let many: Vec<_> = (0..MAX_REQUESTS).map(|index| format!("a-{index}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert_eq!(asked(&[], &many, "c1", 0).len(), MAX_REQUESTS);
        let all = asked(&first, &many, "c2", 5);
        assert_eq!(shown(&all), [(ALL, 5)]);
        assert_eq!(asked(&all, &many, "c2", 9), all, "the same result again");
    }

    #[test]
    fn a_run_knows_its_association_and_one_that_was_asked_for_asks_for_nothing() {
        let mut command = fixtures::command("c1");
        assert_eq!(asker_of(&command), Some("web-servers".into()));
        command.annotations_mut().insert(CAUSE_ANNOTATION.into(), "Refresh".into());
        assert_eq!(asker_of(&command), None);
        assert_eq!(asker_of(&Command::new("c2", command.spec)), Some(String::new()));
    }
}
