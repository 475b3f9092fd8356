//! Takes connections from the port and does their TLS handshakes, each within a time limit, so that nothing that
//! anyone sends there can hold up anyone else.
//!
//! Nobody holds all there is: an address has so many connections that have not shown a node's certificate, in their
//! handshake or after it, and a node so many that have. Nodes behind one address count for themselves.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::metrics::Metrics;
use crate::peer::Peer;
use crate::settings::Settings;

pub(crate) mod places;

use places::{Place, Places, source};

/// Connections that wait for the server to take them.
const BACKLOG: usize = 64;
/// How long to wait after an accept that failed, which it does when there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Connections that passed the handshake, for as long as the receiver lives.
pub(crate) fn connections(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    settings: &Settings,
    metrics: Arc<Metrics>,
) -> mpsc::Receiver<io::Result<NodeConnection>> {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    let door = Door {
        acceptor,
        metrics,
        handshake_limit: settings.handshake_limit,
        stranger_limit: settings.stranger_limit,
        strangers: Places::new(settings.max_strangers_per_address),
        nodes: Places::new(settings.max_connections_per_node),
        sender,
    };
    let places = Arc::new(Semaphore::new(settings.max_connections));
    let handshakes = Arc::new(Semaphore::new(settings.max_handshakes));
    tokio::spawn(accept(listener, door, places, handshakes));
    receiver
}

#[derive(Clone)]
struct Door {
    acceptor: TlsAcceptor,
    metrics: Arc<Metrics>,
    handshake_limit: Duration,
    stranger_limit: Duration,
    /// By address.
    strangers: Arc<Places<IpAddr>>,
    /// By uid of the `ManagedNode`.
    nodes: Arc<Places<String>>,
    sender: mpsc::Sender<io::Result<NodeConnection>>,
}

/// Whose account a connection is on.
#[derive(Debug)]
enum Account {
    Stranger { _place: Place<IpAddr> },
    Node { _place: Place<String> },
}

async fn accept(listener: TcpListener, door: Door, places: Arc<Semaphore>, handshakes: Arc<Semaphore>) {
    loop {
        // Nobody closes the semaphores, so there is a permit each time.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok(handshake) = Arc::clone(&handshakes).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = door.sender.closed() => return,
        };
        match accepted {
            Ok((socket, address)) => {
                let Some(stranger) = door.may_knock(address) else { continue };
                let door = door.clone();
                tokio::spawn(async move {
                    door.admit(socket, address, stranger, place).await;
                    drop(handshake);
                });
            }
            Err(error) => {
                tracing::warn!(error = %error, "failed to accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Door {
    fn may_knock(&self, address: SocketAddr) -> Option<Place<IpAddr>> {
        let entered = self.strangers.enter(source(address.ip()));
        entered
            .inspect_err(|full| {
                self.metrics.refused_by_address.increment();
                if full.first {
                    tracing::warn!(
                        address = %address.ip(),
                        "refusing connections: too many from this address have not shown a node's certificate \
                         (--max-strangers-per-address)"
                    );
                }
            })
            .ok()
    }

    async fn admit(
        self,
        socket: TcpStream,
        address: SocketAddr,
        stranger: Place<IpAddr>,
        place: OwnedSemaphorePermit,
    ) {
        let _only_slower_without_it = socket.set_nodelay(true);
        let stream = match timeout(self.handshake_limit, self.acceptor.accept(socket)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                self.metrics.handshakes_failed.increment();
                tracing::info!(%address, error = %error, "refused a connection: its TLS handshake failed");
                return;
            }
            Err(_) => {
                self.metrics.handshakes_timed_out.increment();
                tracing::info!(%address, "refused a connection: its TLS handshake took too long");
                return;
            }
        };
        let certificates = stream.get_ref().1.peer_certificates();
        let leaf = certificates.and_then(|chain| chain.first()).map(AsRef::as_ref);
        let peer = Peer::new(address, leaf, SystemTime::now());
        let Some(account) = self.account(&peer, stranger) else { return };
        self.metrics.connections.increment();
        let limit = (!peer.is_node()).then(|| Box::pin(sleep(self.stranger_limit)));
        let connection = NodeConnection { stream, peer, limit, _account: account, _place: place };
        let _ = self.sender.send(Ok(connection)).await; // an error says that the server stops
    }

    /// The account of a connection that has passed the handshake: from here on a node's is on its own.
    fn account(&self, peer: &Peer, stranger: Place<IpAddr>) -> Option<Account> {
        let Some(node) = peer.node() else { return Some(Account::Stranger { _place: stranger }) };
        let entered = self.nodes.enter(node.uid.clone());
        let entered = entered.inspect_err(|full| {
            self.metrics.refused_by_node.increment();
            if full.first {
                tracing::warn!(
                    node = node.name,
                    namespace = node.namespace,
                    address = %peer.address,
                    "refusing connections of a node that has too many (--max-connections-per-node)"
                );
            }
        });
        entered.ok().map(|place| Account::Node { _place: place })
    }
}

/// A connection that passed the handshake.
pub(crate) struct NodeConnection {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    /// When a stranger's time is over.
    limit: Option<Pin<Box<Sleep>>>,
    _account: Account,
    _place: OwnedSemaphorePermit,
}

impl Connected for NodeConnection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for NodeConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(limit) = &mut self.limit
            && limit.as_mut().poll(context).is_ready()
        {
            let message = "a connection without a valid node certificate may not stay";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for NodeConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
