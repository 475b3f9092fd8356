//! Opens the TCP connection to the gateway, straight or through an HTTP proxy.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::codegen::{Service, http::Uri};

/// The longest answer a proxy may give before the tunnel is open.
const PROXY_ANSWER_LIMIT: usize = 8192;

/// Connects to one address whatever address it is asked for: the name in the URI is the gateway's fixed name,
/// which no resolver knows.
#[derive(Debug, Clone)]
pub struct Connector {
    address: Arc<str>,
    proxy: Option<Arc<str>>,
    local: Arc<OnceLock<IpAddr>>,
}

impl Connector {
    /// To `address` (`host:port`), through `proxy` (`http://host:port`) if there is one.
    pub fn new(address: &str, proxy: Option<&str>) -> Self {
        Self { address: address.into(), proxy: proxy.map(Into::into), local: Arc::default() }
    }

    /// Where this end's address is put once a connection exists.
    pub fn local(&self) -> Arc<OnceLock<IpAddr>> {
        Arc::clone(&self.local)
    }

    async fn open(self) -> io::Result<TokioIo<TcpStream>> {
        let socket = match &self.proxy {
            None => TcpStream::connect(&*self.address).await?,
            Some(proxy) => tunnel(proxy_address(proxy)?, &self.address).await?,
        };
        socket.set_nodelay(true)?;
        let _earlier_connection_keeps_its_own = self.local.set(socket.local_addr()?.ip());
        Ok(TokioIo::new(socket))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _uri: Uri) -> Self::Future {
        Box::pin(self.clone().open())
    }
}

/// `host:port` of a proxy's URL.
pub fn proxy_address(proxy: &str) -> io::Result<&str> {
    let address = proxy.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    address.filter(|address| has_port(address) && !address.contains(['/', '@'])).ok_or_else(|| {
        let message = format!("the proxy {proxy:?} is not of the form http://host:port");
        io::Error::new(io::ErrorKind::InvalidInput, message)
    })
}

/// Whether an address ends in a port.
pub fn has_port(address: &str) -> bool {
    address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

async fn tunnel(proxy: &str, address: &str) -> io::Result<TcpStream> {
    let mut socket = TcpStream::connect(proxy).await?;
    let request = format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // Byte by byte, so that nothing of the tunnel itself is read: it is a few dozen bytes once a connection.
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() == PROXY_ANSWER_LIMIT {
            return Err(io::Error::other("the proxy's answer has no end"));
        }
        answer.push(socket.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&answer);
    let first = text.lines().next().unwrap_or_default();
    match first.split_whitespace().nth(1) {
        Some(code) if code.starts_with('2') => Ok(socket),
        _ => Err(io::Error::other(format!("the proxy refuses to connect to {address}: {first:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn a_proxy_is_an_http_address_with_a_port() {
        assert_eq!(proxy_address("http://proxy:3128").unwrap(), "proxy:3128");
        assert_eq!(proxy_address("http://[::1]:3128/").unwrap(), "[::1]:3128");
        for wrong in ["proxy:3128", "https://proxy:3128", "http://proxy", "http://a:b@proxy:1", ""] {
            assert!(proxy_address(wrong).unwrap_err().to_string().contains("http://host:port"), "{wrong}");
        }
    }

    async fn through_a_proxy_that_answers(answer: &'static str) -> (io::Result<TcpStream>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = listener.local_addr().unwrap().to_string();
        let serve = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 1024];
            let length = socket.read(&mut request).await.unwrap();
            socket.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        };
        tokio::join!(tunnel(&proxy, "gateway:8443"), serve)
    }

    #[tokio::test]
    async fn a_tunnel_begins_right_after_the_proxys_answer() {
        let answer = "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\nfirst";
        let (socket, request) = through_a_proxy_that_answers(answer).await;
        assert!(request.starts_with("CONNECT gateway:8443 HTTP/1.1\r\n"), "{request}");
        let mut first = [0; 5];
        socket.unwrap().read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"first");
    }

    #[tokio::test]
    async fn a_proxys_refusal_is_told() {
        let (socket, _) = through_a_proxy_that_answers("HTTP/1.1 403 Forbidden\r\n\r\n").await;
        assert!(socket.unwrap_err().to_string().contains("403 Forbidden"));
    }
}
