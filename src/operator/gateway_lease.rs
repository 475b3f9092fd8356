//! Gateways that died: once a replica's Lease has expired, and only then, the nodes it held are ConnectionLost.

use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use keelson_api::{ManagedNode, PingStatus, condition};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;

use crate::context::{Context, now};
use crate::error::Error;
use crate::lease::{GATEWAY_LEASE_LABEL, GATEWAY_LEASE_PREFIX, Observations};
use crate::patch::is_conflict;

const MANAGER: &str = "keelson/gateway-lease";

/// Watches over the gateways' leases until the process ends.
pub async fn controller(context: Arc<Context>) {
    let mut observations = Observations::default();
    loop {
        if let Err(error) = look(&context, &mut observations).await {
            tracing::warn!(error = %error, "failed to look after the gateways' leases");
        }
        tokio::time::sleep(context.settings.lease / 3).await;
    }
}

async fn look(context: &Context, observations: &mut Observations) -> Result<(), Error> {
    let leases: Api<Lease> = Api::namespaced(context.client.clone(), &context.namespace);
    for lease in leases.list(&ListParams::default().labels(GATEWAY_LEASE_LABEL)).await?.items {
        if !observations.has_expired(&lease, Instant::now()) {
            continue;
        }
        let name = lease.name_any();
        let replica = name.strip_prefix(GATEWAY_LEASE_PREFIX).unwrap_or(&name);
        let left = lose_nodes(context, replica).await?;
        tracing::info!(gateway = replica, nodes_left = left, "a gateway's lease has expired");
        if left > 0 {
            continue; // the lease stays expired, and the next look sees what the cache has learnt
        }
        // Nothing is left to watch over; a replica that comes back makes its lease again.
        leases.delete(&name, &DeleteParams::default()).await?;
    }
    Ok(())
}

/// Marks the nodes that a dead replica held; how many could not be marked this time.
async fn lose_nodes(context: &Context, replica: &str) -> Result<usize, Error> {
    let mut left = 0;
    for node in &context.index.nodes.state_filter(|node| is_held_by(node, replica)) {
        match lose(context, node).await {
            Ok(()) => {}
            // Somebody wrote to it meanwhile: another gateway that holds it now, or one of the other writers.
            Err(Error::Api(error)) if is_conflict(&error) => left += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(left)
}

fn is_held_by(node: &ManagedNode, replica: &str) -> bool {
    let agent = node.status.as_ref().and_then(|status| status.agent.as_ref());
    agent.is_some_and(|agent| agent.gateway == replica && agent.ping_status == PingStatus::Online)
}

async fn lose(context: &Context, node: &ManagedNode) -> Result<(), Error> {
    let api: Api<ManagedNode> =
        Api::namespaced(context.client.clone(), &node.namespace().unwrap_or_default());
    let mut conditions = node.status.clone().unwrap_or_default().conditions;
    let message = "the gateway that held its connection is gone";
    condition::set(&mut conditions, None, now(), condition::READY, false, "ConnectionLost", message);
    let patch = json!({
        "metadata": { "resourceVersion": node.resource_version() },
        "status": {
            "conditions": conditions,
            "agent": { "pingStatus": PingStatus::ConnectionLost, "pingStatusTime": Time(now()) },
        },
    });
    let parameters = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    api.patch_status(&node.name_any(), &parameters, &Patch::Merge(patch)).await?;
    Ok(())
}
