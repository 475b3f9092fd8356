//! A node in a temporary folder: the agent's binary with a state of its own, and a gateway to talk to.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use keelson_protocol::v1::gateway_message::Message as ToAgent;
use keelson_protocol::v1::{Dispatch, OutputStream};

use crate::fake_gateway::{Authority, FakeGateway};

/// One node.
pub struct Node {
    folder: tempfile::TempDir,
    authority: Arc<Authority>,
    /// Its gateway.
    pub gateway: FakeGateway,
    /// The namespace it enrols in.
    pub namespace: String,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Told {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// Exit code.
    pub code: i32,
}

/// A running agent, killed when the test is over.
pub struct Daemon(Child);

impl Daemon {
    /// Kills it without a chance to do anything, and waits until it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _may_have_ended = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

impl Node {
    /// Not enrolled yet.
    pub async fn new() -> Self {
        let authority = Authority::new();
        let gateway = FakeGateway::with_tls(Arc::clone(&authority)).await;
        Self { folder: tempfile::tempdir().unwrap(), authority, gateway, namespace: "default".into() }
    }

    /// A path in the node's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A pipe in the node's folder.
    pub fn pipe(&self) -> PathBuf {
        let path = self.path("pipe");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    /// Enrols with this code.
    pub async fn enrol(&self, code: &str) -> Told {
        let ticket = serde_json::json!({
            "namespace": self.namespace, "activation": "servers", "code": code, "ca": self.authority.pem(),
            "addresses": [self.gateway.address]
        });
        let path = self.path("ticket.json");
        std::fs::write(&path, ticket.to_string()).unwrap();
        self.agent(&["enrol", "--from", path.to_str().unwrap()]).await
    }

    /// Runs the agent's binary to its end.
    pub async fn agent(&self, arguments: &[&str]) -> Told {
        let mut command = self.command(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let Output { status, stdout, stderr } = output;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Told { out: text(stdout), err: text(stderr), code: status.code().unwrap() }
    }

    /// Asks for the status until it says `line`.
    pub async fn status_that_says(&self, line: &str) -> Told {
        loop {
            let told = self.agent(&["status"]).await;
            if told.out.contains(line) {
                return told;
            }
        }
    }

    /// Starts the daemon.
    pub fn start(&self) -> Daemon {
        Daemon(self.command(&["run"]).stdout(Stdio::null()).spawn().unwrap())
    }

    /// What the gateway has of an output.
    pub fn archived(&self, step: u32, stream: OutputStream) -> Vec<u8> {
        let archive = self.gateway.archive.lock().unwrap();
        archive.streams.get(&(step, stream.into())).cloned().unwrap_or_default()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keelson-agent"));
        command.args(arguments).arg("--state-dir").arg(self.path("state"));
        command.env("KEELSON_LOG_LEVEL", "error");
        command
    }
}

/// The order to run a script.
pub fn dispatch(command_uid: &str, script: &str) -> ToAgent {
    let document = serde_json::json!({
        "schemaVersion": "2.2",
        "mainSteps": [{"action": "aws:runShellScript", "name": "a", "inputs": {"runCommand": [script]}}]
    });
    ToAgent::Dispatch(Dispatch {
        command_uid: command_uid.into(),
        namespace: "default".into(),
        invocation: format!("invocation-of-{command_uid}"),
        document_name: "Test".into(),
        document_version: "1".into(),
        document: document.to_string(),
        parameters: "{}".into(),
        expires_in_ms: 60_000,
        ..Dispatch::default()
    })
}
