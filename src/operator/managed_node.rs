//! The ManagedNode controller: mirrors tags as labels, and removes nodes that were not seen for
//! `spec.forgetAfter`. Who is connected is the gateway's to say; see `gateway_lease.rs` for gateways that died.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use keelson_api::{ManagedNode, PingStatus, TAG_LABEL_PREFIX};
use keelson_core::clock::Ages;
use keelson_core::target::{tag_label, valid_label_value};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::Controller;
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, ResourceExt as _};
use serde_json::json;

use crate::context::{Context, now};
use crate::error::{self, Error};
use crate::index::{Change, RESYNC};

const MANAGER: &str = "keelson/managed-node";
/// How often the ages of losses that are over are forgotten.
const SWEEP_INTERVAL: Duration = Duration::from_secs(600);

struct Shared {
    context: Arc<Context>,
    /// How long nodes are lost, by [`Loss::key`].
    losses: Ages,
}

/// Runs until the process ends.
pub async fn controller(context: Arc<Context>) {
    let store = context.index.nodes.clone();
    let shared = Arc::new(Shared { losses: Ages::new(now()), context: context.clone() });
    let reader = store.clone();
    let triggers = context.index.triggers(
        move || reader.state().iter().map(|node| ObjectRef::from_obj(&**node)).collect(),
        |change| match change {
            Change::Node { namespace, name } => vec![ObjectRef::new(&name).within(&namespace)],
            _ => Vec::new(),
        },
    );
    let controller = Controller::for_stream(futures::stream::pending(), store.clone())
        .reconcile_on(triggers)
        .with_config(kube::runtime::controller::Config::default().concurrency(8))
        .run(reconcile, policy, shared.clone())
        .for_each(|_| std::future::ready(())); // errors went through the policy
    tokio::select! {
        () = controller => {}
        () = sweep(&shared, &store) => {}
    }
}

#[allow(clippy::needless_pass_by_value)] // the shape Controller::run asks for
fn policy(node: Arc<ManagedNode>, error: &Error, shared: Arc<Shared>) -> Action {
    error::policy(node, error, shared.context.clone())
}

async fn sweep(shared: &Shared, store: &Store<ManagedNode>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        let lost: HashSet<_> =
            store.state().iter().filter_map(|node| Loss::of(node)).map(|loss| loss.key()).collect();
        shared.losses.retain(|key| lost.contains(key));
    }
}

async fn reconcile(node: Arc<ManagedNode>, shared: Arc<Shared>) -> Result<Action, Error> {
    let context = &shared.context;
    context.metrics.reconcile("ManagedNode");
    if node.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    mirror_tags(context, &node).await?;
    let loss = Loss::of(&node);
    let away = loss.map(|loss| shared.losses.age(&loss.key(), loss.since, now(), Instant::now()));
    match forget_in(&node, away) {
        Forget::Never => Ok(Action::requeue(RESYNC)),
        Forget::In(rest) => Ok(Action::requeue(rest.min(RESYNC))),
        Forget::Now => {
            let note = "not seen for spec.forgetAfter: removed";
            context.events.normal(&*node, "Forgotten", "Delete", note).await;
            delete(context, &node).await?;
            Ok(Action::await_change())
        }
    }
}

async fn delete(context: &Context, node: &ManagedNode) -> Result<(), Error> {
    let api: Api<ManagedNode> =
        Api::namespaced(context.client.clone(), &node.namespace().unwrap_or_default());
    // Only as it was seen: a node that came back meanwhile stays.
    let preconditions = Preconditions { uid: node.uid(), resource_version: node.resource_version() };
    let parameters = DeleteParams::default().preconditions(preconditions);
    api.delete(&node.name_any(), &parameters).await?;
    Ok(())
}

/// Applies the labels that mirror the tags; only when they differ.
async fn mirror_tags(context: &Context, node: &ManagedNode) -> Result<(), Error> {
    let wanted = tag_labels(&node.spec.tags);
    let present: BTreeMap<_, _> = node
        .labels()
        .iter()
        .filter(|(key, _)| key.starts_with(TAG_LABEL_PREFIX))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if wanted == present {
        return Ok(());
    }
    // A merge patch, for labels seeded at enrolment belong to the gateway and must go when their tag goes.
    let mut labels: BTreeMap<String, Option<String>> = present.into_keys().map(|key| (key, None)).collect();
    labels.extend(wanted.into_iter().map(|(key, value)| (key, Some(value))));
    let api: Api<ManagedNode> =
        Api::namespaced(context.client.clone(), &node.namespace().unwrap_or_default());
    let patch = json!({ "metadata": { "uid": node.uid(), "labels": labels } });
    let parameters = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    api.patch(&node.name_any(), &parameters, &Patch::Merge(patch)).await?;
    Ok(())
}

fn tag_labels(tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    tags.iter()
        .filter(|(_, value)| valid_label_value(value))
        .filter_map(|(key, value)| Some((tag_label(key)?, value.clone())))
        .collect()
}

#[derive(Debug, PartialEq, Eq)]
enum Forget {
    Never,
    In(Duration),
    Now,
}

/// A connection that was lost and has not come back.
#[derive(Debug)]
struct Loss {
    uid: String,
    since: Timestamp,
}

impl Loss {
    fn of(node: &ManagedNode) -> Option<Self> {
        let agent = node.status.as_ref()?.agent.as_ref()?;
        let since =
            agent.ping_status_time.as_ref().filter(|_| agent.ping_status == PingStatus::ConnectionLost)?;
        Some(Self { uid: node.uid().unwrap_or_default(), since: since.0 })
    }

    /// A node that was back in between is lost anew.
    fn key(&self) -> String {
        format!("{}/{}", self.uid, self.since)
    }
}

/// When a node that has been lost for `away` is to be removed. One that never connected stays.
fn forget_in(node: &ManagedNode, away: Option<Duration>) -> Forget {
    let after = node.spec.forget_after.as_deref().and_then(|text| text.parse::<SignedDuration>().ok());
    let Some((after, away)) = after.zip(away) else { return Forget::Never };
    match Duration::try_from(after).unwrap_or_default().saturating_sub(away) {
        Duration::ZERO => Forget::Now,
        rest => Forget::In(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use keelson_api::{AgentStatus, ManagedNodeSpec, ManagedNodeStatus};

    fn node(ping_status: PingStatus, forget_after: Option<&str>) -> ManagedNode {
        let spec =
            ManagedNodeSpec { forget_after: forget_after.map(Into::into), ..ManagedNodeSpec::default() };
        let mut node = ManagedNode::new("mi-0", spec);
        let agent = AgentStatus {
            ping_status,
            ping_status_time: Some(Time(Timestamp::UNIX_EPOCH)),
            ..AgentStatus::default()
        };
        node.status = Some(ManagedNodeStatus { agent: Some(agent), ..ManagedNodeStatus::default() });
        node
    }

    fn forgotten(node: &ManagedNode, ages: &Ages, wall: i64, now: Instant) -> Forget {
        let wall = Timestamp::from_second(wall).unwrap();
        let away = Loss::of(node).map(|loss| ages.age(&loss.key(), loss.since, wall, now));
        forget_in(node, away)
    }

    #[test]
    fn a_lost_node_is_forgotten_after_its_time() {
        let lost = node(PingStatus::ConnectionLost, Some("1h30m"));
        let (ages, began) = (Ages::new(Timestamp::from_second(10).unwrap()), Instant::now());
        assert_eq!(forgotten(&lost, &ages, 5399, began), Forget::In(Duration::from_secs(1)));
        assert_eq!(forgotten(&lost, &ages, 5400, began + Duration::from_secs(1)), Forget::Now);
    }

    #[test]
    fn a_wall_clock_that_jumps_forgets_nobody() {
        let lost = node(PingStatus::ConnectionLost, Some("1h"));
        let (ages, began) = (Ages::new(Timestamp::from_second(10).unwrap()), Instant::now());
        assert_eq!(forgotten(&lost, &ages, 60, began), Forget::In(Duration::from_secs(3540)));
        for wall in [1_000_000_000, -1_000_000_000] {
            let rest = forgotten(&lost, &ages, wall, began + Duration::from_secs(60));
            assert_eq!(rest, Forget::In(Duration::from_secs(3480)), "{wall}");
        }
    }

    #[test]
    fn a_node_that_was_back_is_lost_anew() {
        let (ages, began) = (Ages::new(Timestamp::UNIX_EPOCH), Instant::now());
        let mut lost = node(PingStatus::ConnectionLost, Some("1h"));
        forgotten(&lost, &ages, 0, began);
        let later = began + Duration::from_secs(3600);
        assert_eq!(forgotten(&lost, &ages, 3600, later), Forget::Now);
        let agent = lost.status.as_mut().and_then(|status| status.agent.as_mut()).unwrap();
        agent.ping_status_time = Some(Time(Timestamp::from_second(3600).unwrap()));
        assert_eq!(forgotten(&lost, &ages, 3600, later), Forget::In(Duration::from_secs(3600)));
    }

    #[test]
    fn an_online_node_and_one_without_a_limit_stay() {
        let (ages, late) = (Ages::new(Timestamp::from_second(10).unwrap()), 1_000_000_000);
        for stays in [node(PingStatus::Online, Some("1h")), node(PingStatus::ConnectionLost, None)] {
            assert_eq!(forgotten(&stays, &ages, late, Instant::now()), Forget::Never);
        }
    }

    #[test]
    fn only_tags_that_are_valid_labels_are_mirrored() {
        let tags = [("Role", "web"), ("Patch Group", "a"), ("Owner", "Jane Doe")];
        let tags = tags.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        assert_eq!(tag_labels(&tags), [("tag.keelson.dev/Role".to_owned(), "web".to_owned())].into());
    }
}
