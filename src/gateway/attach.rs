//! A node's control stream: the node says who it is, the gateway claims it, and from then on each tells the
//! other what happens until one of them ends it.

use std::sync::Arc;
use std::time::Duration;

use keelson_core::fleet::{Epoch, Fleet, NodeIdentity};
use keelson_protocol::v1::agent_message::Message as FromAgent;
use keelson_protocol::v1::gateway_message::Message as FromGateway;
use keelson_protocol::v1::{AgentMessage, GatewayMessage, Goodbye, GoodbyeReason, Hello};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::convert;
use crate::shared::{Shared, refused};

mod registry;
mod run;
mod session;

pub use registry::ConnectedNode;
pub(crate) use registry::{Close, Registry};
use session::Session;

/// Messages to a node that wait for it to read; a dispatch can be a megabyte.
const OUTBOUND: usize = 4;
/// A node that does not read its farewell within this gets none.
pub(crate) const FAREWELL: Duration = Duration::from_secs(1);
/// How long the reports of a stream that has ended are still tried to be stored.
const FINISHING: Duration = Duration::from_secs(30);

type Item = Result<GatewayMessage, Status>;

/// The gateway's half of a stream. It is there at once; what goes wrong afterwards ends it with a status.
pub(crate) fn attach<F: Fleet>(
    shared: Arc<Shared<F>>,
    node: NodeIdentity,
    inbound: Streaming<AgentMessage>,
) -> ReceiverStream<Item> {
    let (outbound, items) = mpsc::channel(OUTBOUND);
    let active = shared.active.enter();
    tokio::spawn(async move {
        hold(shared, node, inbound, outbound).await;
        drop(active);
    });
    ReceiverStream::new(items)
}

async fn hold<F: Fleet>(
    shared: Arc<Shared<F>>,
    node: NodeIdentity,
    mut inbound: Streaming<AgentMessage>,
    outbound: mpsc::Sender<Item>,
) {
    let (hello, epoch) = match begin(&shared, &node, &mut inbound).await {
        Ok(begun) => begun,
        Err(status) => {
            shared.metrics.streams_refused.increment();
            tracing::info!(node = node.name, namespace = node.namespace, status = %status, "refused a node");
            let _ = outbound.send(Err(status)).await; // an error says that the node has gone itself
            return;
        }
    };
    let link = match shared.registry.connect(&node, epoch) {
        Ok(link) => link,
        Err(close) => return say_goodbye(&outbound, &close).await,
    };
    shared.metrics.streams.increment();
    tracing::info!(node = node.name, namespace = node.namespace, epoch, "a node is connected");
    let node = Arc::new(node);
    let session = Session::new(Arc::clone(&shared), Arc::clone(&node), epoch, outbound.downgrade());
    // In a task of its own, so that a bug in it cannot leave the node registered as connected.
    let goodbye = outbound.clone();
    let served = tokio::spawn(session.serve(hello, inbound, link, outbound)).await;
    shared.registry.disconnect(&node, epoch);
    let (close, session) = match served {
        Ok((close, session)) => (close, Some(session)),
        Err(error) => {
            tracing::error!(node = node.name, error = %error, "a node's stream broke");
            (Close::Gone, None)
        }
    };
    tracing::info!(node = node.name, namespace = node.namespace, epoch, reason = %close, "a node's stream ended");
    say_goodbye(&goodbye, &close).await;
    drop(goodbye);
    after(&shared, &node, epoch, &close, session).await;
}

/// What has to happen once a stream is over.
///
/// - The node went, or broke the rules: what it had accepted is recorded, and unless it is back here within the
///   grace it is reported as disconnected.
/// - This replica stops: what it had accepted is recorded, but the node is not reported as disconnected, because
///   it connects to another replica within a second or two and would only flap. Should it not come back, the
///   expiry of this replica's lease says so.
/// - Somebody else owns the node, or it is gone: nothing may be written about it from here any more.
async fn after<F: Fleet>(
    shared: &Arc<Shared<F>>,
    node: &Arc<NodeIdentity>,
    epoch: Epoch,
    close: &Close,
    session: Option<Session<F>>,
) {
    let finish = async |limit| {
        if let Some(session) = session {
            session.finish(limit).await;
        }
    };
    match close {
        Close::Gone | Close::Refused(_) => {
            let disconnected = report_disconnected(Arc::clone(shared), Arc::clone(node), epoch);
            tokio::spawn(disconnected); // not counted as active: a shutdown does not wait for the grace
            finish(FINISHING).await;
        }
        Close::Shutdown => finish(shared.settings.stop_grace).await,
        Close::Replaced | Close::Removed => {}
    }
}

async fn report_disconnected<F: Fleet>(shared: Arc<Shared<F>>, node: Arc<NodeIdentity>, epoch: Epoch) {
    tokio::time::sleep(shared.settings.reconnect_grace).await;
    if shared.registry.forget(&node, epoch) {
        shared.fleet.disconnected(&node, epoch).await;
    }
}

/// The node's first message, and the control plane's word on the node.
#[allow(clippy::result_large_err)] // tonic's own error type
async fn begin<F: Fleet>(
    shared: &Shared<F>,
    node: &NodeIdentity,
    inbound: &mut Streaming<AgentMessage>,
) -> Result<(Hello, Epoch), Status> {
    let limit = shared.settings.hello_limit;
    let first = timeout(limit, inbound.message()).await;
    let first =
        first.map_err(|_| Status::deadline_exceeded("the first message, Hello, did not come in time"))??;
    let Some(AgentMessage { message: Some(FromAgent::Hello(hello)) }) = first else {
        return Err(Status::invalid_argument("the first message of a stream must be Hello"));
    };
    let facts = convert::facts(hello.facts.clone());
    let claim = timeout(limit, shared.fleet.claim(node, &facts, &hello.boot_id)).await;
    let claim = claim.map_err(|_| Status::unavailable("the control plane did not answer in time"))?;
    Ok((hello, claim.map_err(|refusal| refused(&refusal))?))
}

async fn say_goodbye(outbound: &mpsc::Sender<Item>, close: &Close) {
    let (reason, message) = match close {
        Close::Gone => return,
        Close::Refused(status) => {
            let _ = outbound.send_timeout(Err(status.clone()), FAREWELL).await;
            return;
        }
        Close::Replaced => {
            (GoodbyeReason::Replaced, "a newer connection of this node's identity has taken over")
        }
        Close::Removed => {
            (GoodbyeReason::Removed, "the ManagedNode was deleted: this node is not enrolled any more")
        }
        Close::Shutdown => (GoodbyeReason::Shutdown, "this gateway stops: connect again"),
    };
    let goodbye = FromGateway::Goodbye(Goodbye { reason: reason.into(), message: message.to_owned() });
    // An error says that the node has gone or does not read: it will find out otherwise.
    let _ = outbound.send_timeout(Ok(GatewayMessage { message: Some(goodbye) }), FAREWELL).await;
}
