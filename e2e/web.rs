//! A plain web server for what nodes download: files under the paths they are given, and 404 for all else.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Files by the path a request names, such as `/f.sh`.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A running server; it ends when it is dropped.
#[derive(Debug)]
pub struct WebServer {
    files: Arc<Mutex<Files>>,
    accepting: JoinHandle<()>,
}

impl WebServer {
    /// Listens, with no files yet.
    pub async fn listen(address: SocketAddr) -> anyhow::Result<Self> {
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("failed to listen on {address}"))?;
        let files = Arc::<Mutex<Files>>::default();
        let served = Arc::clone(&files);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let files = Arc::clone(&served);
                // A client that goes away is no concern of the others.
                tokio::spawn(async move { answer(stream, &files).await.ok() });
            }
        });
        Ok(Self { files, accepting })
    }

    /// Serves these files in the place of those before.
    pub fn serve(&self, files: Files) {
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = files;
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Answers one request and closes the connection, which tells the client where a body ends.
async fn answer(stream: TcpStream, files: &Mutex<Files>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    stream.read_line(&mut request).await?;
    loop {
        let mut header = String::new();
        if stream.read_line(&mut header).await? == 0 || header.trim().is_empty() {
            break;
        }
    }
    let mut words = request.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = path.split('?').next().unwrap_or_default();
    let file = files.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
    let (status, body) = match file {
        Some(file) => ("200 OK", file),
        None => ("404 Not Found", b"not found\n".to_vec()),
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    if method != "HEAD" {
        stream.write_all(&body).await?;
    }
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_file_is_served_as_it_is_and_anything_else_is_not_found() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let server = WebServer::listen(free).await.unwrap();
        server.serve(Files::from([("/a.txt".to_owned(), b"text\n".to_vec())]));
        let answer = get(free, "/a.txt?x=1").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\ntext\n"), "{answer}");
        assert!(!answer.contains("Content-Disposition"));
        assert!(get(free, "/b.txt").await.starts_with("HTTP/1.1 404 Not Found\r\n"));
    }
}
