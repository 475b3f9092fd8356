//! `keelson-operator gateway`: serves node agents from what the API server holds.
//!
//! It has no leader: each replica serves the nodes that connect to it, and says so on their `ManagedNodes`. With the
//! controllers it shares nothing but the API server.

mod assignments;
mod authority;
mod cache;
mod call;
mod claim;
mod claims;
mod counts;
mod enrol;
mod fleet;
mod news;
mod nodes;
mod order;
mod record;
mod refresh;
mod upkeep;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::jiff::tz::Offset;
use keelson_gateway::{Archive, Gateway, Settings};
use kube::Client;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub use self::authority::SECRET as CA_SECRET;

use self::fleet::KubernetesFleet;
use self::news::News;
use crate::args::GatewayArguments;
use crate::http::{self, Readiness};
use crate::lease::LeaseKeeper;
use crate::metrics::Metrics;
use crate::run::stop_signal;

/// How long connections have to end when the process is told to stop.
const STOP: Duration = Duration::from_secs(10);
/// How often old output is looked for.
const SWEEP: Duration = Duration::from_secs(24 * 3600);

/// Runs until SIGTERM or SIGINT, and up to ten seconds more.
pub async fn run(arguments: GatewayArguments) -> anyhow::Result<()> {
    let client =
        Client::try_default().await.context("failed to find the API server (in-cluster or KUBECONFIG)")?;
    let metrics = Metrics::default();
    let readiness = Readiness::default();
    let fleet = KubernetesFleet::new(client.clone(), &arguments.common.replica, metrics.clone());
    let stopped = stop_channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(http::serve(arguments.common.http_address, metrics.clone(), readiness.clone()));
    let (sender, news) = mpsc::unbounded_channel();
    follow(&mut tasks, &client, &fleet, &sender);

    let mut stop = stopped.clone();
    let (gateway, archive) = tokio::select! {
        prepared = prepare(&arguments, client.clone(), &fleet) => prepared?,
        result = first_end(&mut tasks) => return result,
        _ = stop.wait_for(|stop| *stop) => return Ok(()),
    };
    counts::register(&metrics, &gateway);
    attend(&mut tasks, &arguments, client, &fleet, &gateway, news);
    tasks.spawn(sweep(archive, arguments.archive_days));
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("failed to listen on {} (--listen)", arguments.listen))?;
    tracing::info!(replica = arguments.common.replica, address = %arguments.listen, "serving nodes");
    readiness.set(true);
    tokio::select! {
        result = serve(&gateway, listener, stopped, &fleet, &readiness) => result,
        result = first_end(&mut tasks) => result,
    }
}

/// True once the process was told to stop.
fn stop_channel() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        stop_signal().await;
        let _ = sender.send(true);
        std::future::pending::<()>().await; // a closed channel would read as a stop that was missed
    });
    receiver
}

/// Follows the API server and sends news of the nodes that are connected here.
fn follow(
    tasks: &mut JoinSet<anyhow::Result<()>>,
    client: &Client,
    fleet: &Arc<KubernetesFleet>,
    sender: &news::NewsSender,
) {
    let (watched, known, news) = (client.clone(), Arc::clone(fleet), sender.clone());
    tasks.spawn(async move {
        let changed = |change: nodes::Change| {
            for item in nodes::news(change) {
                known.claims.hear(&item);
                let _ = news.send(item); // nobody listens any more when the process ends
            }
        };
        nodes::follow(watched, &known.nodes, changed).await;
        anyhow::bail!("the watch of ManagedNodes ended")
    });
    let (watched, known, news) = (client.clone(), Arc::clone(fleet), sender.clone());
    tasks.spawn(async move {
        let changed = |node| {
            if known.claims.contains(&node) {
                let _ = news.send(News::Assignments(node));
            }
        };
        assignments::follow(watched, &known.assignments, changed).await;
        anyhow::bail!("the watch of Invocations ended")
    });
}

/// The gateway and its archive, once the caches are filled.
async fn prepare(
    arguments: &GatewayArguments,
    client: Client,
    fleet: &Arc<KubernetesFleet>,
) -> anyhow::Result<(Gateway<KubernetesFleet>, Archive)> {
    let authority = authority::load_or_create(&client, &arguments.common.namespace)
        .await?
        .with_node_life(Duration::from_secs(arguments.certificate_seconds.into()));
    let archive = Archive::open(&arguments.archive)?;
    fleet.nodes.filled().await;
    fleet.assignments.filled().await;
    let settings = Settings {
        in_progress_after: Duration::from_secs(arguments.in_progress_seconds),
        agent_directory: arguments.agent_directory.clone(),
        max_connections: arguments.max_connections,
        max_strangers_per_address: arguments.max_strangers_per_address,
        max_connections_per_node: arguments.max_connections_per_node,
        ..Settings::new(&arguments.common.replica, arguments.gateway_addresses.clone())
    };
    Ok((Gateway::new(settings, authority, Arc::clone(fleet), archive.clone()), archive))
}

/// Starts what goes on beside serving.
fn attend(
    tasks: &mut JoinSet<anyhow::Result<()>>,
    arguments: &GatewayArguments,
    client: Client,
    fleet: &Arc<KubernetesFleet>,
    gateway: &Gateway<KubernetesFleet>,
    news: mpsc::UnboundedReceiver<News>,
) {
    let common = &arguments.common;
    let lease = Duration::from_secs(arguments.lease_seconds.into());
    let (mut held, _) = LeaseKeeper::of_gateway(client, &common.namespace, &common.replica, lease).keep();
    tasks.spawn(async move {
        while held.changed().await.is_ok() {
            tracing::debug!(held = *held.borrow_and_update(), "the replica's lease");
        }
        anyhow::bail!("the lease is not renewed any more")
    });
    tasks.spawn(tell(news, gateway.clone()));
    let (fleet, gateway) = (Arc::clone(fleet), gateway.clone());
    tasks.spawn(async move {
        upkeep::run(&fleet, &gateway).await;
        std::future::pending().await // it ends when the process does
    });
}

/// Passes news on to the connections.
async fn tell(
    mut news: mpsc::UnboundedReceiver<News>,
    gateway: Gateway<KubernetesFleet>,
) -> anyhow::Result<()> {
    while let Some(item) = news.recv().await {
        match item {
            News::Assignments(node) => gateway.notify(&node.namespace, &node.name),
            News::Removed { key, uid } => gateway.node_removed(&key.namespace, &key.name, &uid),
            News::Superseded { key, epoch } => gateway.superseded(&key.namespace, &key.name, epoch),
        }
    }
    anyhow::bail!("there is no news any more")
}

/// Deletes old output, at the start and then daily. What fails is tried again the next day.
async fn sweep(archive: Archive, days: u32) -> anyhow::Result<()> {
    let mut interval = tokio::time::interval(SWEEP);
    loop {
        interval.tick().await;
        let today = Offset::UTC.to_datetime(crate::context::now()).date();
        match archive.sweep(today, days).await {
            Ok(0) => {}
            Ok(objects) => tracing::info!(objects, days, "deleted old output from the archive"),
            Err(error) => tracing::warn!(error = %error, "failed to delete old output from the archive"),
        }
    }
}

/// Serves until told to stop; then the connections have a bounded time to end.
async fn serve(
    gateway: &Gateway<KubernetesFleet>,
    listener: TcpListener,
    stopped: watch::Receiver<bool>,
    fleet: &Arc<KubernetesFleet>,
    readiness: &Readiness,
) -> anyhow::Result<()> {
    let (mut stop, mut deadline) = (stopped.clone(), stopped);
    let (known, ready) = (Arc::clone(fleet), readiness.clone());
    let shutdown = async move {
        let _ = stop.wait_for(|stop| *stop).await;
        known.stop();
        ready.set(false);
    };
    let too_long = async {
        let _ = deadline.wait_for(|stop| *stop).await;
        tokio::time::sleep(STOP).await;
    };
    tokio::select! {
        result = gateway.serve(listener, shutdown) => Ok(result?),
        () = too_long => {
            tracing::warn!(nodes = fleet.claims.len(), "stopping with connections still open");
            Ok(())
        }
    }
}

/// The first task that ends, which none should.
async fn first_end(tasks: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    match tasks.join_next().await {
        Some(result) => result.context("a task of the gateway failed")?,
        None => std::future::pending().await,
    }
}
