//! Bounds the memory that output takes: a call of `PutOutput` is not read before there is room for its piece.
//!
//! Until then its bytes wait in the node's own HTTP/2 window, so a node that sends much waits for itself. With
//! 32 pieces of 1 MiB at once, each of which is in memory twice for the moment of being decoded, this is 64 MiB
//! at the worst. A piece that takes too long to come gives its room to others, so slow nodes cannot hold it all.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::NamedService;

use crate::peer::Peer;

/// The path of the call that is bounded.
const PUT_OUTPUT: &str = "/keelson.v1.Node/PutOutput";
/// A piece is received, checked and written within this.
const PIECE_LIMIT: Duration = Duration::from_secs(30);

type HttpResponse = http::Response<Body>;

/// A service whose calls of `PutOutput` are bounded.
#[derive(Debug, Clone)]
pub(crate) struct BoundedOutput<S> {
    inner: S,
    room: Arc<Semaphore>,
}

impl<S> BoundedOutput<S> {
    /// At most `pieces` at once.
    pub fn new(inner: S, pieces: usize) -> Self {
        Self { inner, room: Arc::new(Semaphore::new(pieces)) }
    }
}

impl<S: NamedService> NamedService for BoundedOutput<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for BoundedOutput<S>
where
    S: Service<http::Request<Body>, Response = HttpResponse, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = BoxFuture<HttpResponse, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.uri().path() != PUT_OUTPUT {
            return Box::pin(self.inner.call(request));
        }
        // Strangers shall not take the room of nodes.
        if !request.extensions().get::<Peer>().is_some_and(Peer::is_node) {
            let status = Status::unauthenticated("output is taken from nodes with a valid certificate only");
            return Box::pin(async move { Ok(status.into_http()) });
        }
        let room = Arc::clone(&self.room);
        let call = self.inner.call(request);
        Box::pin(async move {
            let Ok(_room) = room.acquire_owned().await else {
                return Ok(Status::unavailable("this gateway stops").into_http());
            };
            match timeout(PIECE_LIMIT, call).await {
                Ok(response) => response,
                Err(_) => {
                    Ok(Status::deadline_exceeded("the piece of output took too long: send it again")
                        .into_http())
                }
            }
        })
    }
}
