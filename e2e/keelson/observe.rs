//! What operator and gateways show of themselves: probes, metrics and logs.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Keelson;

impl Keelson {
    /// What a replica, such as `operator-0`, answers to a GET of `path` at its address for probes: code and body.
    pub async fn http_get(&self, replica: &str, path: &str) -> anyhow::Result<(u16, String)> {
        let address = self.http.get(replica).with_context(|| format!("there is no replica {replica}"))?;
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").context("an answer without a body")?;
        let code = head.split(' ').nth(1).context("an answer without a code")?;
        Ok((code.parse()?, body.to_owned()))
    }

    /// A metric of a replica by the beginning of its line; `None` where it has no such line.
    pub async fn metric(&self, replica: &str, line: &str) -> anyhow::Result<Option<f64>> {
        let (_, text) = self.http_get(replica, "/metrics").await?;
        let value = text.lines().find_map(|shown| shown.strip_prefix(line)?.strip_prefix(' '));
        value.map(|value| value.parse().with_context(|| format!("{line} is {value:?}"))).transpose()
    }

    /// Whether a replica of the operator says that it leads; one that does not answer does not.
    pub async fn leads(&self, replica: &str) -> bool {
        self.metric(replica, "keelson_leader").await.is_ok_and(|leads| leads == Some(1.0))
    }

    /// The logs of operator and gateways, of all their starts.
    pub fn logs(&self) -> Vec<PathBuf> {
        self.processes().map(|process| process.log_path().to_owned()).collect()
    }

    /// Fails if operator or gateway asked for anything that they have no right to: what their logs tell of it, and
    /// what the API server counted, since a refusal may be tried again without a word.
    pub async fn ensure_nothing_was_forbidden(&self) -> anyhow::Result<()> {
        for log in self.logs() {
            let text = std::fs::read_to_string(&log)?;
            let lines: Vec<_> =
                text.lines().filter(|line| line.to_lowercase().contains("forbidden")).take(5).collect();
            ensure!(lines.is_empty(), "{} tells of missing rights:\n{}", log.display(), lines.join("\n"));
        }
        let counts = self.kubectl("get --raw /metrics").await?;
        let attempts: Vec<_> =
            counts.lines().filter(|line| line.starts_with("authorization_attempts_total{")).collect();
        ensure!(!attempts.is_empty(), "the API server does not count what it allows");
        let refused = attempts.iter().find(|line| !line.contains("\"allowed\""));
        ensure!(refused.is_none(), "the API server has refused somebody: {refused:?}");
        Ok(())
    }
}
