//! Web servers in the test's process. They end with it.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;

use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// An answer with a body whose length it says.
pub fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len())
}

/// Gives the answers, one a connection, whatever is asked.
pub fn serve(answers: Vec<String>) -> SocketAddr {
    let (listener, address) = listen();
    thread::spawn(move || {
        for answer in answers {
            let (mut connection, _) = listener.accept().unwrap();
            read_request(&mut connection);
            connection.write_all(answer.as_bytes()).unwrap();
        }
    });
    address
}

/// Tells of each request and never answers it.
pub fn hang(asked: Sender<()>) -> SocketAddr {
    let (listener, address) = listen();
    thread::spawn(move || {
        let mut connections = Vec::new();
        while let Ok((mut connection, _)) = listener.accept() {
            read_request(&mut connection);
            connections.push(connection);
            asked.send(()).unwrap();
        }
    });
    address
}

/// Serves the files of a folder to whoever sends this `Authorization`.
pub fn serve_folder(folder: PathBuf, authorization: Option<&'static str>) -> SocketAddr {
    let (listener, address) = listen();
    thread::spawn(move || {
        while let Ok((mut connection, _)) = listener.accept() {
            let request = read_request(&mut connection);
            let path = request.split([' ', '?']).nth(1).unwrap_or_default().trim_start_matches('/');
            let is_allowed =
                authorization.is_none_or(|value| request.contains(&format!("Authorization: {value}\r\n")));
            let (status, headers, body) = match fs::read(folder.join(path)) {
                _ if !is_allowed => {
                    ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"r\"\r\n", Vec::new())
                }
                Ok(body) => ("200 OK", "", body),
                Err(_) => ("404 Not Found", "", Vec::new()),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n",
                body.len()
            );
            connection.write_all(&[head.as_bytes(), &body].concat()).unwrap();
        }
    });
    address
}

/// A server with a certificate of its own for `localhost`.
pub struct Tls {
    /// The certificate, as PEM.
    pub certificate: String,
    config: Arc<ServerConfig>,
}

impl Tls {
    pub fn new() -> Self {
        let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key.into());
        Self { certificate: own.cert.pem(), config: Arc::new(config.unwrap()) }
    }

    /// As [`serve`], over TLS.
    pub fn serve(&self, answers: Vec<String>) -> SocketAddr {
        let (listener, address) = listen();
        let config = Arc::clone(&self.config);
        thread::spawn(move || {
            for answer in answers {
                let (connection, _) = listener.accept().unwrap();
                let session = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = StreamOwned::new(session, connection);
                if !read_request(&mut stream).is_empty() {
                    stream.write_all(answer.as_bytes()).unwrap();
                    stream.conn.send_close_notify();
                    // The client may be gone.
                    let _ = stream.flush();
                }
            }
        });
        address
    }
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// The head of a request; empty where the client does not make one.
fn read_request(connection: &mut impl Read) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        if connection.read(&mut byte).unwrap_or(0) == 0 {
            return String::new();
        }
        request.push(byte[0]);
    }
    String::from_utf8(request).unwrap()
}
