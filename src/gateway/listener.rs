//! Takes connections from the port and does their TLS handshakes, each within a time limit, so that nothing that
//! anyone sends there can hold up anyone else.

use std::io;
use std::net::SocketAddr;
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
    sender: mpsc::Sender<io::Result<NodeConnection>>,
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
                let door = door.clone();
                tokio::spawn(async move {
                    door.admit(socket, address, place).await;
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
    async fn admit(self, socket: TcpStream, address: SocketAddr, place: OwnedSemaphorePermit) {
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
        self.metrics.connections.increment();
        let connection = NodeConnection::new(stream, address, self.stranger_limit, place);
        let _ = self.sender.send(Ok(connection)).await; // an error says that the server stops
    }
}

/// A connection that passed the handshake.
pub(crate) struct NodeConnection {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    /// When a stranger's time is over.
    limit: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl NodeConnection {
    fn new(
        stream: TlsStream<TcpStream>,
        address: SocketAddr,
        stranger_limit: Duration,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let certificates = stream.get_ref().1.peer_certificates();
        let leaf = certificates.and_then(|chain| chain.first()).map(AsRef::as_ref);
        let peer = Peer::new(address, leaf, SystemTime::now());
        let limit = (!peer.is_node()).then(|| Box::pin(sleep(stranger_limit)));
        Self { stream, peer, limit, _place: place }
    }
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
