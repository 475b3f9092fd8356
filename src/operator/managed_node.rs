//! The ManagedNode controller: mirrors tags as labels, and removes nodes that were not seen for
//! `spec.forgetAfter`. Who is connected is the gateway's to say; see `gateway_lease.rs` for gateways that died.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use keelson_api::{ManagedNode, PingStatus, TAG_LABEL_PREFIX};
use keelson_core::target::{tag_label, valid_label_value};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::Controller;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt as _};
use serde_json::json;

use crate::context::{Context, now};
use crate::error::{self, Error};
use crate::index::{Change, RESYNC};

const MANAGER: &str = "keelson/managed-node";

/// Runs until the process ends.
pub async fn controller(context: Arc<Context>) {
    let store = context.index.nodes.clone();
    let reader = store.clone();
    let triggers = context.index.triggers(
        move || reader.state().iter().map(|node| ObjectRef::from_obj(&**node)).collect(),
        |change| match change {
            Change::Node { namespace, name } => vec![ObjectRef::new(&name).within(&namespace)],
            _ => Vec::new(),
        },
    );
    Controller::for_stream(futures::stream::pending(), store)
        .reconcile_on(triggers)
        .with_config(kube::runtime::controller::Config::default().concurrency(8))
        .run(reconcile, error::policy, context)
        .for_each(|_| std::future::ready(()))
        .await;
}

async fn reconcile(node: Arc<ManagedNode>, context: Arc<Context>) -> Result<Action, Error> {
    context.metrics.reconcile("ManagedNode");
    if node.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    mirror_tags(&context, &node).await?;
    match forget_in(&node, now()) {
        Forget::Never => Ok(Action::requeue(RESYNC)),
        Forget::In(rest) => Ok(Action::requeue(rest.min(RESYNC))),
        Forget::Now => {
            let note = "not seen for spec.forgetAfter: removed";
            context.events.normal(&*node, "Forgotten", "Delete", note).await;
            delete(&context, &node).await?;
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

/// When a node is to be removed. It needs a connection that was lost: a node that never connected stays.
fn forget_in(node: &ManagedNode, now: Timestamp) -> Forget {
    let Some(after) = node.spec.forget_after.as_deref().and_then(|text| text.parse::<SignedDuration>().ok())
    else {
        return Forget::Never;
    };
    let agent = node.status.as_ref().and_then(|status| status.agent.as_ref());
    let lost = agent
        .filter(|agent| agent.ping_status == PingStatus::ConnectionLost)
        .and_then(|agent| agent.ping_status_time.as_ref());
    let Some(lost) = lost else { return Forget::Never };
    let Some(rest) = after.checked_sub(now.duration_since(lost.0)) else { return Forget::Never };
    match Duration::try_from(rest) {
        Ok(rest) if !rest.is_zero() => Forget::In(rest),
        _ => Forget::Now,
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

    #[test]
    fn a_lost_node_is_forgotten_after_its_time() {
        let lost = node(PingStatus::ConnectionLost, Some("1h30m"));
        let at = |second| forget_in(&lost, Timestamp::from_second(second).unwrap());
        assert_eq!(at(5399), Forget::In(Duration::from_secs(1)));
        assert_eq!(at(5400), Forget::Now);
    }

    #[test]
    fn an_online_node_and_one_without_a_limit_stay() {
        let late = Timestamp::from_second(1_000_000_000).unwrap();
        assert_eq!(forget_in(&node(PingStatus::Online, Some("1h")), late), Forget::Never);
        assert_eq!(forget_in(&node(PingStatus::ConnectionLost, None), late), Forget::Never);
    }

    #[test]
    fn only_tags_that_are_valid_labels_are_mirrored() {
        let tags = [("Role", "web"), ("Patch Group", "a"), ("Owner", "Jane Doe")];
        let tags = tags.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        assert_eq!(tag_labels(&tags), [("tag.keelson.dev/Role".to_owned(), "web".to_owned())].into());
    }
}
