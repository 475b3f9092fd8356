//! How `git` is run: without asking anybody, with no secret among its arguments, and only over the protocols that
//! bring a repository.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use url::Url;

use super::super::job::{Job, Ran, Stop};
use crate::files::FileError;

/// What [`Git::run`] fails with where the repository lacks the branch.
pub const NO_SUCH_BRANCH: &str = "no such branch";

/// The protocols of the real agent. Others could run programs that the URL names.
const PROTOCOLS: &str = "file:git:http:https:ssh";
/// Variables that would have Git work elsewhere, or ask a user.
const MISLEADING: [&str; 7] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_ASKPASS",
    "SSH_ASKPASS",
    "GIT_SSH",
    "GIT_TEMPLATE_DIR",
];
/// Answers Git's question for credentials from its own environment, which only its owner can read.
const CREDENTIAL_HELPER: &str = "!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' \
                                 \"$KEELSON_GIT_USERNAME\" \"$KEELSON_GIT_PASSWORD\"; }; f";
/// How long a server may send nothing, in seconds.
const SILENCE_SECONDS: &str = "120";

/// How to reach a repository.
#[derive(Clone)]
pub enum Access {
    /// Over HTTP, as whom.
    Http { url: Url, credentials: Option<(String, String)> },
    /// Over SSH, with a key unless it is empty; also all that needs no credentials.
    Ssh { key: String, skip_host_key: bool },
}

/// The `git` of one download.
pub struct Git<'a> {
    pub program: &'a Path,
    pub access: &'a Access,
    pub job: &'a Job<'a>,
}

impl Git<'_> {
    /// A command to which only what it is to do has to be added.
    pub fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0").env("GIT_ALLOW_PROTOCOL", PROTOCOLS);
        for name in MISLEADING {
            command.env_remove(name);
        }
        command
            .args(["-c", "http.lowSpeedLimit=1", "-c"])
            .arg(format!("http.lowSpeedTime={SILENCE_SECONDS}"));
        match self.access {
            Access::Http { url, credentials } => {
                // What root has stored on this node is not for documents.
                command.args(["-c", "credential.helper="]);
                if let Some((username, password)) = credentials {
                    // Only for this server: it may redirect to another one.
                    let server = url.origin().ascii_serialization();
                    command.arg("-c").arg(format!("credential.{server}.helper={CREDENTIAL_HELPER}"));
                    command.env("KEELSON_GIT_USERNAME", username).env("KEELSON_GIT_PASSWORD", password);
                }
            }
            Access::Ssh { key, skip_host_key } => {
                command.env("GIT_SSH_COMMAND", ssh(!key.is_empty(), *skip_host_key));
                command.env("KEELSON_GIT_KEY", self.key_file());
            }
        }
        command
    }

    /// Runs a command; a failure says why, in the real agent's words where it has some.
    pub fn run(&self, command: &mut Command) -> Result<(), Stop> {
        self.write_key()?;
        let ended = self.job.run(command, "git");
        // Not longer than it has to be.
        let _ = fs::remove_file(self.key_file());
        let ran = ended?;
        if ran.status.success() { Ok(()) } else { Err(Stop::Failed(self.without_secrets(reason(&ran)))) }
    }

    fn key_file(&self) -> PathBuf {
        self.job.staged("key")
    }

    fn write_key(&self) -> Result<(), FileError> {
        let key = match self.access {
            Access::Ssh { key, .. } if !key.is_empty() => key,
            _ => return Ok(()),
        };
        let path = self.key_file();
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        // ssh takes a key only if its last line is ended.
        let written = opened.and_then(|mut file| writeln!(file, "{key}"));
        written.map_err(|error| FileError::new("write", &path, error))
    }

    /// Git does not show what it was given in secret; a server may.
    fn without_secrets(&self, text: String) -> String {
        match self.access {
            Access::Http { credentials: Some((_, password)), .. } if !password.is_empty() => {
                text.replace(password.as_str(), "***")
            }
            _ => text,
        }
    }
}

/// What Git runs to reach a server by SSH. A shell reads it, so the key's path is in a variable. A connection that is
/// shared would outlive the download, and hold its output open.
fn ssh(has_key: bool, skip_host_key: bool) -> String {
    let mut command =
        "ssh -o BatchMode=yes -o ControlPath=none -o ConnectTimeout=30 -o ServerAliveInterval=30".to_owned();
    if has_key {
        command.push_str(" -o IdentitiesOnly=yes -i \"$KEELSON_GIT_KEY\"");
    }
    command.push_str(if skip_host_key {
        " -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    } else {
        " -o StrictHostKeyChecking=yes"
    });
    command
}

/// Whether a checkout failed because there is no such commit.
pub fn names_no_commit(reason: &str) -> bool {
    ["reference is not a tree", "does not take a path argument", "to a non-commit"]
        .iter()
        .any(|text| reason.contains(text))
}

/// What Git's messages mean.
fn reason(ran: &Ran) -> String {
    let says = |texts: &[&str]| texts.iter().any(|text| ran.stderr.contains(text));
    if says(&["Host key verification failed"]) {
        "Unknown host key. Please add remote host key known_hosts file or set SourceInfo 'skipHostKeyChecking' parameter \
         to true in order to skip host key validation"
            .to_owned()
    } else if says(&["not found in upstream"]) {
        NO_SUCH_BRANCH.to_owned()
    } else if says(&["could not read Username", "Authentication failed", "Permission denied (publickey"]) {
        "authentication required".to_owned()
    } else if says(&["returned error: 403"]) {
        "authorization failed".to_owned()
    } else if says(&["' not found", "does not exist", "does not appear to be a git repository"]) {
        "repository not found".to_owned()
    } else {
        let lines: Vec<&str> = ran.stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if lines.is_empty() { format!("git ended by {}", ran.status) } else { lines.join("; ") }
    }
}
