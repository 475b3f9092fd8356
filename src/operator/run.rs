//! `keelson-operator run`: waits for the leadership, then runs every controller until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use keelson_core::clock::Ages;
use kube::Client;
use tokio::task::JoinSet;

use crate::args::RunArguments;
use crate::context::{Context, Settings, now};
use crate::events::Events;
use crate::http::{self, Readiness};
use crate::index::Index;
use crate::lease::LeaseKeeper;
use crate::metrics::Metrics;
use crate::{activation, association, command, compliance, document, gateway_lease, managed_node};

/// The lease that the leader holds.
const LEASE: &str = "keelson-operator";

/// Runs until SIGTERM, SIGINT or the loss of the leadership.
pub async fn run(arguments: RunArguments) -> anyhow::Result<()> {
    let common = &arguments.common;
    let client =
        Client::try_default().await.context("failed to find the API server (in-cluster or KUBECONFIG)")?;
    let metrics = Metrics::default();
    let readiness = Readiness::default();
    let mut http = tokio::spawn(http::serve(common.http_address, metrics.clone(), readiness.clone()));
    let lease = Duration::from_secs(arguments.lease_seconds.into());
    let keeper = LeaseKeeper::new(client.clone(), &common.namespace, LEASE, &common.replica, lease);
    let (mut leads, keeping) = keeper.keep();
    readiness.set(true);
    // One for all waits: a signal that comes between two of them must not be lost.
    let mut stop = std::pin::pin!(stop_signal());
    let context = tokio::select! {
        result = &mut http => return result?,
        () = &mut stop => return Ok(()),
        result = leads.wait_for(|leads| *leads) => {
            result.context("the lease was lost before it was held")?;
            start(&arguments, client.clone(), metrics)
        }
    };
    tracing::info!(replica = common.replica, "leading");
    context.metrics.set_leader(true);
    let result = tokio::select! {
        () = stop => Ok(()),
        result = http => result?,
        result = control(&context) => result,
        result = leads.wait_for(|leads| !*leads) => {
            result.context("the lease task ended")?;
            Err(anyhow::anyhow!("the leadership was lost to another replica"))
        }
    };
    keeping.abort();
    if let Err(error) = LeaseKeeper::release(client, &common.namespace, LEASE, &common.replica).await {
        tracing::warn!(error = %error, "failed to release the lease");
    }
    result
}

/// Fills the caches, then runs every controller. Ends with an error only.
async fn control(context: &Arc<Context>) -> anyhow::Result<()> {
    context.index.filled().await?;
    let ended = controllers(context).join_next().await;
    anyhow::bail!("a controller ended, which none should: {ended:?}")
}

/// Every controller, each a task of its own. They run until the process ends.
fn controllers(context: &Arc<Context>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(document::controller(context.clone()));
    tasks.spawn(activation::controller(context.clone()));
    tasks.spawn(managed_node::controller(context.clone()));
    tasks.spawn(command::controller(context.clone()));
    tasks.spawn(association::controller(context.clone()));
    tasks.spawn(compliance::controller(context.clone()));
    tasks.spawn(gateway_lease::controller(context.clone()));
    tasks
}

fn start(arguments: &RunArguments, client: Client, metrics: Metrics) -> Arc<Context> {
    Arc::new(Context {
        namespace: arguments.common.namespace.clone(),
        index: Index::start(&client),
        events: Events::new(client.clone(), &arguments.common.replica),
        metrics,
        ages: Ages::new(now()),
        settings: Settings {
            gateway_addresses: arguments.gateway_addresses.clone(),
            deadline_grace: Duration::from_secs(arguments.deadline_grace_seconds),
            catch_up: Duration::from_secs(arguments.catch_up_seconds),
            lease: Duration::from_secs(arguments.lease_seconds.into()),
        },
        client,
    })
}

/// Waits for SIGTERM or SIGINT.
pub async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    tracing::info!("stopping");
}
