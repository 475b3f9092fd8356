//! A run's folder in a temporary place, and the real worker process on it.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const COMMAND: &str = "0b5c0f6e-9d3d-4f0e-a8a6-6ad1d8f6a001";
pub const NODE: &str = "mi-0123456789abcdef0";

/// One run, not begun yet.
pub struct Run {
    folder: tempfile::TempDir,
    pub output_cap: u64,
    pub parameters: Value,
    /// A list of what [`called`] makes.
    pub called_documents: Value,
    pub environment: Vec<(&'static str, &'static str)>,
    /// The agent's PATH.
    pub path: String,
    pub fail_fast: bool,
    pub strict_scripts: bool,
}

/// What a worker left.
pub struct Ended {
    pub exit: ExitStatus,
    pub progress: Value,
}

impl Run {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            folder,
            output_cap: 1 << 30,
            parameters: json!({}),
            called_documents: json!([]),
            environment: Vec::new(),
            path: "/usr/bin:/bin".to_owned(),
            fail_fast: false,
            strict_scripts: false,
        }
    }

    /// A place beside the run for what scripts leave behind.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn directory(&self) -> PathBuf {
        self.folder.path().join(NODE).join("document/orchestration").join(COMMAND)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// Does what the daemon does before it starts a worker.
    pub fn order(&self, document: &Value) {
        let directory = self.directory();
        fs::create_dir_all(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
        let order = json!({
            "commandUid": COMMAND, "invocation": "web-1", "node": NODE, "namespace": "shop",
            "documentName": "Web", "documentVersion": "1", "document": document.to_string(),
            "parameters": self.parameters, "platformName": "Debian GNU/Linux", "platformVersion": "12",
            "outputCapBytes": self.output_cap, "calledDocuments": self.called_documents,
            "failFast": self.fail_fast, "strictScripts": self.strict_scripts,
        });
        fs::write(self.file(".keelson-order.json"), order.to_string()).unwrap();
        let made = Command::new("mkfifo").arg(self.file(".keelson-control")).status().unwrap();
        assert!(made.success());
    }

    pub fn spawn(&self) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keelson-agent"));
        command.arg("worker").arg(self.directory()).current_dir("/").stdin(Stdio::null());
        command.env_clear().env("PATH", &self.path).envs(self.environment.iter().copied());
        command.spawn().unwrap()
    }

    pub fn start(&self, document: &Value) -> Child {
        self.order(document);
        self.spawn()
    }

    pub fn wait(&self, mut worker: Child) -> Ended {
        let exit = worker.wait().unwrap();
        Ended { exit, progress: self.progress() }
    }

    pub fn run(&self, document: &Value) -> Ended {
        self.wait(self.start(document))
    }

    pub fn progress(&self) -> Value {
        let text = fs::read(self.file(".keelson-progress.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or(Value::Null)
    }

    /// Cancels as the daemon does: a marker for later, a byte for now.
    pub fn cancel(&self) {
        fs::write(self.file(".keelson-cancel"), "").unwrap();
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.file(".keelson-control"))
            .unwrap()
            .write_all(b"c")
            .unwrap();
    }

    /// Makes the run look as if the node had been booted since.
    pub fn reboot(&self) {
        let mark = json!({"pid": 1, "bootId": "an-earlier-boot"});
        fs::write(self.file(".keelson-worker.json"), mark.to_string()).unwrap();
    }

    /// A FIFO through which a script says that it has come somewhere.
    pub fn signal(&self, name: &str) -> PathBuf {
        let path = self.scratch(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }
}

/// A run with nothing special about it.
pub fn run(document: &Value) -> Ended {
    Run::new().run(document)
}

pub fn sha256(text: &[u8]) -> String {
    format!("{:x}", Sha256::digest(text))
}

/// Whether a process of this number lives, dead ones that nobody has asked for yet not counted.
pub fn lives(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    status.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// What was killed is gone; the kernel may take a moment for that.
pub fn assert_gone(pids: &str) {
    let started = Instant::now();
    while pids.lines().any(lives) {
        assert!(started.elapsed() < Duration::from_secs(10), "{pids:?} outlive their step");
        std::thread::yield_now();
    }
}

/// A document that came with the Command, for [`Run::called_documents`].
pub fn called(name: &str, version: &str, document: &Value) -> Value {
    json!({"name": name, "version": version, "documentVersion": "1", "document": document.to_string()})
}

/// Waits until a script has written to the FIFO, and returns what.
pub fn await_signal(path: &Path) -> String {
    let mut text = String::new();
    fs::File::open(path).unwrap().read_to_string(&mut text).unwrap();
    text
}

impl Ended {
    pub fn step(&self, index: usize) -> &Value {
        &self.progress["steps"][index]
    }

    pub fn status(&self) -> &str {
        self.progress["status"].as_str().unwrap_or_default()
    }

    /// `status code` of each step.
    pub fn steps(&self) -> Vec<String> {
        let steps = self.progress["steps"].as_array().cloned().unwrap_or_default();
        steps.iter().map(|step| format!("{} {}", step["status"].as_str().unwrap(), step["code"])).collect()
    }

    pub fn stdout(&self, index: usize) -> &str {
        self.step(index)["standardOutput"].as_str().unwrap()
    }

    pub fn stderr(&self, index: usize) -> &str {
        self.step(index)["standardError"].as_str().unwrap()
    }

    pub fn output(&self, index: usize) -> &str {
        self.step(index)["output"].as_str().unwrap()
    }
}

/// A document with one step of a plugin.
pub fn step(action: &str, inputs: &Value) -> Value {
    json!({"schemaVersion": "2.2", "mainSteps": [{"name": "a", "action": action, "inputs": inputs}]})
}

/// A document of one-line scripts named a, b, c and so on.
pub fn scripts(commands: &[&str]) -> Value {
    let inputs: Vec<Value> = commands.iter().map(|command| json!({"runCommand": [command]})).collect();
    document(&inputs)
}

/// A document of shell steps with these inputs.
pub fn document(inputs: &[Value]) -> Value {
    let names = ('a'..='z').map(String::from);
    let steps: Vec<Value> = inputs
        .iter()
        .zip(names)
        .map(|(inputs, name)| json!({"name": name, "action": "aws:runShellScript", "inputs": inputs}))
        .collect();
    json!({"schemaVersion": "2.2", "mainSteps": steps})
}
