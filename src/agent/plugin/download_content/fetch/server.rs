//! A web server for tests: it gives prepared answers, one a connection, and tells what it was asked.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

/// A server in a thread of the test.
pub struct Server {
    /// `127.0.0.1:port`.
    pub address: String,
    serving: JoinHandle<Vec<String>>,
}

/// An answer with a body whose length it says.
pub fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len())
}

impl Server {
    /// Serves the answers that `answers` makes, knowing the server's address.
    pub fn start(answers: impl FnOnce(&str) -> Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let answers = answers(&address);
        let serve = move || {
            let mut requests = Vec::new();
            for answer in answers {
                let (mut connection, _) = listener.accept().unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    connection.read_exact(&mut byte).unwrap();
                    request.push(byte[0]);
                }
                requests.push(String::from_utf8(request).unwrap());
                connection.write_all(answer.as_bytes()).unwrap();
            }
            requests
        };
        Self { address, serving: thread::spawn(serve) }
    }

    /// The requests, once every answer was given.
    pub fn requests(self) -> Vec<String> {
        self.serving.join().unwrap()
    }
}

/// A header of a request; empty where there is none.
pub fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let lines = request.lines().filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
}
