//! The gateway as a whole: serves the port, and lets the operator reach into the nodes' streams.

use std::future::Future;
use std::sync::Arc;

use keelson_core::fleet::{Epoch, Fleet};
use keelson_protocol::MAX_MESSAGE;
use keelson_protocol::v1::enrolment_server::EnrolmentServer;
use keelson_protocol::v1::node_server::NodeServer;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;

use crate::agent_program::AgentPrograms;
use crate::archive::Archive;
use crate::attach::{ConnectedNode, FAREWELL, Registry};
use crate::ca::CertificateAuthority;
use crate::enrolment::EnrolmentService;
use crate::limit::BoundedOutput;
use crate::listener::connections;
use crate::metrics::Metrics;
use crate::node::NodeService;
use crate::placements::Placements;
use crate::settings::Settings;
use crate::shared::{Active, Shared};
use crate::tls::{self, TlsError};

/// The largest message of a server that is no node yet.
const MAX_ENROLMENT: usize = 64 * 1024;
/// Calls at once on one connection: the node's stream, and both outputs of each of five runs, with room to spare.
/// A new connection that begins with more has them refused, before it has heard of the limit.
const MAX_CALLS: u32 = 16;
/// What a call may have sent without being read. All calls together stay below the connection's window, so that
/// output that waits never holds up the node's stream.
const CALL_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;

/// Why the gateway does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The server ended.
    #[error("the gateway's server ended: {0}")]
    Server(#[from] tonic::transport::Error),
}

/// A gateway. Clones are the same gateway.
pub struct Gateway<F> {
    shared: Arc<Shared<F>>,
}

impl<F> Clone for Gateway<F> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<F: Fleet> Gateway<F> {
    /// A gateway that does not serve yet.
    pub fn new(settings: Settings, authority: CertificateAuthority, fleet: Arc<F>, archive: Archive) -> Self {
        let agents = AgentPrograms::new(settings.agent_directory.clone(), settings.max_agent_downloads);
        let shared = Shared {
            settings,
            authority: Arc::new(authority),
            fleet,
            archive,
            metrics: Arc::default(),
            registry: Registry::default(),
            placements: Placements::default(),
            active: Active::default(),
            agents,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Serves until `shutdown` ends; then says goodbye to every node, lets streams store what they hold for at
    /// most `stop_grace`, and returns. A gateway serves once.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        let shared = &self.shared;
        let acceptor = TlsAcceptor::from(Arc::new(tls::server_config(&shared.authority)?));
        let incoming = connections(listener, acceptor, &shared.settings, Arc::clone(&shared.metrics));
        let (stop, stopped) = oneshot::channel::<()>();
        let enrolment = EnrolmentServer::new(EnrolmentService::new(Arc::clone(shared)))
            .max_decoding_message_size(MAX_ENROLMENT);
        let node = NodeServer::new(NodeService { shared: Arc::clone(shared) })
            .max_decoding_message_size(MAX_MESSAGE);
        let serve = Server::builder()
            .http2_keepalive_interval(Some(shared.settings.keepalive_interval))
            .http2_keepalive_timeout(Some(shared.settings.keepalive_timeout))
            .max_concurrent_streams(MAX_CALLS)
            .initial_stream_window_size(CALL_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .add_service(enrolment)
            .add_service(BoundedOutput::new(node, shared.settings.max_output_pieces))
            .serve_with_incoming_shutdown(ReceiverStream::new(incoming), async {
                let _ = stopped.await; // an error says the same
            });
        let mut serve = std::pin::pin!(serve);
        tokio::select! {
            ended = &mut serve => return Ok(ended?),
            () = shutdown => {}
        }
        shared.registry.stop();
        let _ = stop.send(()); // the server is still there to hear it
        // Connections that do not close by themselves, such as those of nodes that are cut off, are left behind.
        let rest = async { tokio::join!(serve, shared.active.none()).0 };
        match timeout(shared.settings.stop_grace + FAREWELL, rest).await {
            Ok(ended) => Ok(ended?),
            Err(_) => Ok(()),
        }
    }

    /// Something may have changed in what this node is to do. Cheap, and harmless for a node that is not here.
    pub fn notify(&self, namespace: &str, node: &str) {
        self.shared.registry.notify(namespace, node);
    }

    /// A `ManagedNode` was deleted: its stream ends, and nothing of it is remembered. To be called by every
    /// replica, for every deleted node.
    pub fn node_removed(&self, namespace: &str, node: &str, uid: &str) {
        self.shared.placements.forget(uid);
        self.shared.registry.removed(namespace, node, uid);
    }

    /// A node was claimed with this epoch, here or elsewhere: an older stream of it ends.
    pub fn superseded(&self, namespace: &str, node: &str, newer_epoch: Epoch) {
        self.shared.registry.superseded(namespace, node, newer_epoch);
    }

    /// The nodes that hold a stream to this replica now.
    pub fn connected_nodes(&self) -> Vec<ConnectedNode> {
        self.shared.registry.connected()
    }

    /// What this gateway has counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.shared.metrics
    }
}

#[cfg(test)]
mod tests;
