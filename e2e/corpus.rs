//! The corpus of real documents on a booted node: which of them run here, and how each ends.
//!
//! `corpus/documents.toml` has every Command document of the corpus's index, with its parameters and the statuses that a person
//! found right by reading it, or with the reason why it is not admitted or not run.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use keelson_api::Command;
use kube::Api;
use kube::api::PostParams;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::assets;
use crate::conformance::store::Store;
use crate::keelson::invocation_of;
use crate::lab::Lab;

const TABLE: &str = include_str!("corpus/documents.toml");
/// Schemas of documents that run on nodes; those of type Command are in the table.
const SCHEMAS: [&str; 6] = ["1.2", "2.0", "2.0.1", "2.0.2", "2.0.3", "2.2"];
/// A node runs five at once.
const AT_ONCE: usize = 4;
const PATIENCE: Duration = Duration::from_secs(120);

/// A document that runs, and how it ends.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Its file in the corpus.
    pub path: String,
    /// As a Command has them. `<WEB>` stands for the address of a web server that has the file `/hello.sh`.
    #[serde(default)]
    pub parameters: BTreeMap<String, Vec<String>>,
    /// The Invocation's status.
    pub status: String,
    /// The steps' statuses in order.
    pub steps: Vec<String>,
}

/// A document that is not admitted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// Its file in the corpus.
    pub path: String,
    /// A piece of what the user is told.
    pub says: String,
}

/// Documents that are not run.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotRun {
    /// Why.
    pub because: String,
    /// Their files in the corpus.
    pub paths: Vec<String>,
}

/// What is expected of each document.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Those that run; one may run more than once.
    pub run: Vec<Run>,
    /// Those that are not admitted.
    pub refused: Vec<Refused>,
    /// The rest.
    pub not_run: Vec<NotRun>,
}

impl Table {
    /// The project's table.
    pub fn read() -> anyhow::Result<Self> {
        let table: Self = toml::from_str(TABLE).context("e2e/corpus/documents.toml")?;
        for NotRun { because, paths } in &table.not_run {
            ensure!(!because.trim().is_empty(), "{paths:?} are not run without a reason");
        }
        Ok(table)
    }

    /// Every file in it.
    pub fn paths(&self) -> BTreeSet<&str> {
        let run = self.run.iter().map(|run| &run.path);
        let refused = self.refused.iter().map(|refused| &refused.path);
        let not_run = self.not_run.iter().flat_map(|not_run| &not_run.paths);
        run.chain(refused).chain(not_run).map(String::as_str).collect()
    }
}

/// Where the corpus is: `$KEELSON_CORPUS_DIR`, or `../shared/corpus` beside the project if it is there.
pub fn find() -> Option<PathBuf> {
    if let Some(folder) = env::var_os("KEELSON_CORPUS_DIR") {
        return Some(folder.into());
    }
    let beside = assets::project().join("../shared/corpus");
    beside.join("INDEX.tsv").is_file().then_some(beside)
}

/// The files of Command documents, by the corpus's index.
pub fn commands(corpus: &Path) -> anyhow::Result<BTreeSet<String>> {
    let index = corpus.join("INDEX.tsv");
    let index = fs::read_to_string(&index).with_context(|| format!("failed to read {}", index.display()))?;
    let mut lines = index.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let header = lines.next().context("the index is empty")?;
    let column = |name: &str| {
        header
            .iter()
            .position(|title| *title == name)
            .with_context(|| format!("the index has no column {name}"))
    };
    let (path, schema, kind) = (column("path")?, column("schemaVersion")?, column("documentType")?);
    let is_command = |row: &Vec<&str>| {
        row.get(kind) == Some(&"Command") && row.get(schema).is_some_and(|it| SCHEMAS.contains(it))
    };
    Ok(lines.filter(is_command).filter_map(|row| row.get(path).map(|path| (*path).to_owned())).collect())
}

/// Runs every document of the table that runs and applies every one that is refused; what is not as expected, in lines for a
/// person. `web` is the address of the web server.
pub async fn differences(lab: &Lab, corpus: &Path, table: &Table, web: &str) -> anyhow::Result<Vec<String>> {
    let runs = table.run.iter().enumerate().map(|(index, run)| {
        let name = format!("corpus-{index:03}");
        async move {
            let found = ended(lab, corpus, run, &name, web).await;
            found.with_context(|| run.path.clone())
        }
    });
    let ran: Vec<_> = futures::stream::iter(runs).buffered(AT_ONCE).try_collect().await?;
    let mut differences: Vec<String> = ran.into_iter().flatten().collect();
    let store = Store::of(lab.client());
    for (index, Refused { path, says }) in table.refused.iter().enumerate() {
        let text = fs::read_to_string(corpus.join(path)).with_context(|| path.clone())?;
        match store.put(&format!("refused-{index:03}"), &Value::String(text)).await? {
            Some(message) if message.contains(says) => {}
            Some(message) => differences.push(format!("{path}: refused with {message:?}, expected {says:?}")),
            None => differences.push(format!("{path}: admitted, expected a refusal with {says:?}")),
        }
    }
    Ok(differences)
}

async fn ended(lab: &Lab, corpus: &Path, run: &Run, name: &str, web: &str) -> anyhow::Result<Option<String>> {
    let path = &run.path;
    let text = fs::read_to_string(corpus.join(path))?;
    if let Some(refusal) = Store::of(lab.client()).put(name, &Value::String(text)).await? {
        return Ok(Some(format!("{path}: refused: {refusal}")));
    }
    let parameters: BTreeMap<&String, Vec<String>> = run
        .parameters
        .iter()
        .map(|(name, values)| (name, values.iter().map(|value| value.replace("<WEB>", web)).collect()))
        .collect();
    let node = lab.names.first().context("the lab has no node")?;
    let spec = json!({
        "documentName": name,
        "parameters": parameters,
        "targets": [{ "key": "InstanceIds", "values": [node] }],
    });
    let commands: Api<Command> = Api::namespaced(lab.client(), "default");
    commands.create(&PostParams::default(), &Command::new(name, serde_json::from_value(spec)?)).await?;
    let command = lab.keelson.ended(name, PATIENCE).await?;
    let Ok(invocation) = invocation_of(&lab.client(), name).await else {
        let message = command.status.and_then(|status| status.message).unwrap_or_default();
        return Ok(Some(format!("{path}: the Command did not reach the node: {message}")));
    };
    let status = invocation.status.unwrap_or_default();
    let steps: Vec<&str> = status.steps.iter().map(|step| step.status.as_str()).collect();
    let as_expected = format!("{:?}", status.status) == run.status && steps == run.steps;
    let outputs = status.steps.iter().map(|step| format!("\n    {}: {:?}", step.name, step.output));
    Ok((!as_expected).then(|| {
        format!(
            "{path}: {:?} {steps:?}, expected {} {:?}{}",
            status.status,
            run.status,
            run.steps,
            outputs.collect::<String>()
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_each_command_document_of_the_corpus() {
        let table = Table::read().unwrap();
        let Some(corpus) = find() else {
            println!("skipped: there is no corpus here; KEELSON_CORPUS_DIR names its folder");
            return;
        };
        let commands = commands(&corpus).unwrap();
        let listed = table.paths();
        let missing: Vec<_> = commands.iter().filter(|path| !listed.contains(path.as_str())).collect();
        assert_eq!(missing, [""; 0], "these are not in e2e/corpus/documents.toml");
        let unknown: Vec<_> = listed.iter().filter(|path| !commands.contains(**path)).collect();
        assert_eq!(unknown, [&""; 0], "these are in the table and not in the corpus's index");
    }
}
