//! Which nodes a Command is for, decided once, and the form in which that is kept. No client is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use keelson_api::{
    COMMAND_LABEL, CalledDocument, Command, CommandSpec, DocumentReference, ManagedNode, OfflineNodes,
    PingStatus,
};
use keelson_core::names::suffixed;
use keelson_core::target::{NodeView, TargetQuery, valid_label_value};
use kube::api::ObjectMeta;
use kube::{Resource as _, ResourceExt};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The most targets, and the most bytes of them, in one `ConfigMap`: the API server takes 1 MiB.
const MAX_TARGETS: usize = 5000;
const MAX_BYTES: usize = 700 * 1024;
/// Longer host names are cut; they are for people.
const MAX_HOSTNAME: usize = 253;

const TARGETS: &str = "targets";
const DOCUMENT: &str = "document";
const CALLED_DOCUMENTS: &str = "calledDocuments";
const FAIL_FAST: &str = "failFast";
const STRICT_SCRIPTS: &str = "strictScripts";
const EXECUTION_TIMEOUT: &str = "executionTimeoutSeconds";
const FURTHER_LISTS: &str = "furtherLists";

/// A node that a Command is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenTarget {
    /// Its name.
    pub name: String,
    /// Its uid; empty for a node that was asked for by name and did not exist.
    pub uid: String,
    /// Its host name at the time.
    pub hostname: String,
}

/// What a Command does, decided at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// The document version.
    pub document: DocumentReference,
    /// The documents that it runs or downloads.
    pub called_documents: Vec<CalledDocument>,
    /// The first step that fails ends a run.
    pub fail_fast: bool,
    /// Shell scripts run with `set -euo pipefail`.
    pub strict_scripts: bool,
    /// How long a node may run it.
    pub execution_timeout_seconds: i64,
    /// The nodes, by name.
    pub targets: Vec<FrozenTarget>,
    /// The `ConfigMap`s that hold it; the first one is written last and so says that all are there.
    pub lists: Vec<String>,
    /// Targets that nobody can name any more, since a `ConfigMap` was deleted.
    pub lost: u32,
}

/// The nodes that a query means, by name. A node that is asked for by name and does not exist is a target all
/// the same: it will be counted as undeliverable, so that a slip of the pen does not pass for success.
pub fn select(spec: &CommandSpec, query: &TargetQuery, nodes: &[Arc<ManagedNode>]) -> Vec<FrozenTarget> {
    let mut targets: Vec<_> = nodes
        .iter()
        .filter(|node| node.metadata.deletion_timestamp.is_none())
        .filter(|node| spec.offline_nodes == OfflineNodes::Wait || is_online(node))
        .filter(|node| {
            let name = node.metadata.name.as_deref().unwrap_or_default();
            query.matches(&NodeView { name, tags: &node.spec.tags, labels: node.labels() })
        })
        .map(|node| FrozenTarget {
            name: node.name_any(),
            uid: node.uid().unwrap_or_default(),
            hostname: hostname(node),
        })
        .collect();
    targets.extend(named_without_node(spec, query, nodes));
    targets.sort_by(|a, b| a.name.cmp(&b.name));
    targets
}

/// Whether the node's agent is connected.
pub fn is_online(node: &ManagedNode) -> bool {
    let agent = node.status.as_ref().and_then(|status| status.agent.as_ref());
    agent.is_some_and(|agent| agent.ping_status == PingStatus::Online)
}

fn hostname(node: &ManagedNode) -> String {
    let agent = node.status.as_ref().and_then(|status| status.agent.as_ref());
    agent.map(|agent| agent.hostname.chars().take(MAX_HOSTNAME).collect()).unwrap_or_default()
}

fn named_without_node(
    spec: &CommandSpec,
    query: &TargetQuery,
    nodes: &[Arc<ManagedNode>],
) -> Vec<FrozenTarget> {
    if spec.label_selector.is_some() {
        return Vec::new(); // a node that does not exist has no labels to be selected by
    }
    let existing: BTreeSet<_> = nodes.iter().filter_map(|node| node.metadata.name.as_deref()).collect();
    let by_name = spec.targets.iter().filter(|target| target.key == "InstanceIds");
    let names: BTreeSet<_> = by_name.flat_map(|target| &target.values).filter(|name| *name != "*").collect();
    let nothing = BTreeMap::new();
    names
        .into_iter()
        .filter(|name| !existing.contains(name.as_str()))
        .filter(|name| query.matches(&NodeView { name, tags: &nothing, labels: &nothing }))
        .map(|name| FrozenTarget { name: name.clone(), uid: String::new(), hostname: String::new() })
        .collect()
}

/// The name of the `ConfigMap` that says that all are there.
pub fn first_list(command: &Command) -> String {
    let uid = command.uid().unwrap_or_default();
    // With a part of the uid, so that what an earlier Command of this name left is never taken for its own.
    let uid = uid.get(..8).unwrap_or(&uid);
    suffixed(&command.name_any(), &format!("targets-{uid}-0"))
}

/// The `ConfigMap`s of a Command: immutable, owned by it, in the order in which they have to be written. The names
/// of those before the last are told by their content, so that an attempt that was cut short does not matter.
pub fn encode(command: &Command, frozen: &Frozen) -> Result<Vec<ConfigMap>, serde_json::Error> {
    let mut chunks = chunks(&frozen.targets)?;
    let first = if chunks.is_empty() { "[]".to_owned() } else { chunks.remove(0) };
    let further: Vec<_> = chunks.into_iter().map(|chunk| (further_name(command, &chunk), chunk)).collect();
    let names: Vec<_> = further.iter().map(|(name, _)| name.as_str()).collect();
    let head = BTreeMap::from([
        (TARGETS.to_owned(), first),
        (DOCUMENT.to_owned(), serde_json::to_string(&frozen.document)?),
        (CALLED_DOCUMENTS.to_owned(), serde_json::to_string(&frozen.called_documents)?),
        (FAIL_FAST.to_owned(), frozen.fail_fast.to_string()),
        (STRICT_SCRIPTS.to_owned(), frozen.strict_scripts.to_string()),
        (EXECUTION_TIMEOUT.to_owned(), frozen.execution_timeout_seconds.to_string()),
        (FURTHER_LISTS.to_owned(), serde_json::to_string(&names)?),
    ]);
    let mut maps = Vec::with_capacity(further.len() + 1);
    for (name, chunk) in further {
        maps.push(config_map(command, name, BTreeMap::from([(TARGETS.to_owned(), chunk)])));
    }
    maps.push(config_map(command, first_list(command), head));
    Ok(maps)
}

/// The names of the further `ConfigMap`s, from the first one.
pub fn further_lists(first: &ConfigMap) -> Option<Vec<String>> {
    serde_json::from_str(first.data.as_ref()?.get(FURTHER_LISTS)?).ok()
}

/// Reads what [`encode`] wrote; `None` where somebody else wrote it.
pub fn decode(first: &ConfigMap, further: &[ConfigMap]) -> Option<Frozen> {
    let head = first.data.as_ref()?;
    let mut targets = Vec::new();
    for map in std::iter::once(first).chain(further) {
        let part: Vec<FrozenTarget> = serde_json::from_str(map.data.as_ref()?.get(TARGETS)?).ok()?;
        targets.extend(part);
    }
    Some(Frozen {
        document: serde_json::from_str(head.get(DOCUMENT)?).ok()?,
        called_documents: optional(head, CALLED_DOCUMENTS)?,
        fail_fast: optional(head, FAIL_FAST)?,
        strict_scripts: optional(head, STRICT_SCRIPTS)?,
        execution_timeout_seconds: head.get(EXECUTION_TIMEOUT)?.parse().ok()?,
        targets,
        lists: std::iter::once(first).chain(further).map(ResourceExt::name_any).collect(),
        lost: 0,
    })
}

/// What an entry says; its default where there is none, since an older version of ours wrote fewer.
fn optional<T: Default + serde::de::DeserializeOwned>(
    head: &BTreeMap<String, String>,
    key: &str,
) -> Option<T> {
    head.get(key).map_or_else(|| Some(T::default()), |text| serde_json::from_str(text).ok())
}

/// Whether a `ConfigMap` is one that was written for this Command, and as it was written.
pub fn is_of(command: &Command, map: &ConfigMap) -> bool {
    let uid = command.metadata.uid.as_deref();
    let owned = map.owner_references().iter().any(|owner| Some(owner.uid.as_str()) == uid);
    uid.is_some() && owned && map.immutable == Some(true)
}

fn chunks(targets: &[FrozenTarget]) -> Result<Vec<String>, serde_json::Error> {
    let mut chunks = Vec::new();
    let (mut chunk, mut count) = (String::new(), 0);
    for target in targets {
        let text = serde_json::to_string(target)?;
        if count == MAX_TARGETS || chunk.len() + text.len() > MAX_BYTES {
            chunks.push(format!("[{chunk}]"));
            (chunk, count) = (String::new(), 0);
        }
        if count > 0 {
            chunk.push(',');
        }
        chunk.push_str(&text);
        count += 1;
    }
    if count > 0 {
        chunks.push(format!("[{chunk}]"));
    }
    Ok(chunks)
}

fn further_name(command: &Command, chunk: &str) -> String {
    let digest = Sha256::digest(format!("{}\n{chunk}", command.uid().unwrap_or_default()));
    let hash = digest.iter().take(8).fold(String::new(), |hash, byte| hash + &format!("{byte:02x}"));
    suffixed(&command.name_any(), &format!("targets-{hash}"))
}

fn config_map(command: &Command, name: String, data: BTreeMap<String, String>) -> ConfigMap {
    let metadata = ObjectMeta {
        name: Some(name),
        namespace: command.namespace(),
        labels: Some(command_label(command)),
        owner_references: Some(vec![owner(command)]),
        ..ObjectMeta::default()
    };
    ConfigMap { metadata, data: Some(data), immutable: Some(true), ..ConfigMap::default() }
}

/// The label that says which Command something belongs to, where its name can be a label's value.
pub fn command_label(command: &Command) -> BTreeMap<String, String> {
    let name = command.name_any();
    if valid_label_value(&name) {
        BTreeMap::from([(COMMAND_LABEL.to_owned(), name)])
    } else {
        BTreeMap::new()
    }
}

/// Makes what carries it go with the Command, without keeping the Command from going.
pub fn owner(command: &Command) -> OwnerReference {
    OwnerReference {
        api_version: Command::api_version(&()).into_owned(),
        kind: Command::kind(&()).into_owned(),
        name: command.name_any(),
        uid: command.uid().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(false),
    }
}
