//! Builders that the tests share.
#![allow(clippy::needless_pass_by_value)] // `spec(json!({}))` reads well

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use keelson_api::{
    AgentStatus, Command, CommandSpec, DocumentReference, ManagedNode, ManagedNodeSpec, ManagedNodeStatus,
    PingStatus, RunStatus,
};
use keelson_core::status::StatusDetails;
use serde_json::json;

use crate::command::freeze::{Frozen, FrozenTarget};
use crate::command::plan::Limits;
use crate::command::status::coarse;
use crate::index::InvocationRecord;

/// A spec with the defaults that the API server fills in, and these fields over them.
pub fn spec(fields: serde_json::Value) -> CommandSpec {
    let mut spec = json!({
        "documentName": "web-server",
        "targets": [{ "key": "InstanceIds", "values": ["*"] }],
    });
    spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(spec).unwrap()
}

pub fn command(fields: serde_json::Value) -> Command {
    let mut command = Command::new("greet", spec(fields));
    command.metadata.namespace = Some("fleet".into());
    command.metadata.uid = Some("0b0b0b0b-command".into());
    command.metadata.generation = Some(1);
    command
}

pub fn node(name: &str, tags: &[(&str, &str)], online: bool) -> Arc<ManagedNode> {
    let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let mut node = ManagedNode::new(name, ManagedNodeSpec { tags, ..ManagedNodeSpec::default() });
    node.metadata.namespace = Some("fleet".into());
    node.metadata.uid = Some(format!("uid-{name}"));
    let ping_status = if online { PingStatus::Online } else { PingStatus::ConnectionLost };
    let agent = AgentStatus { ping_status, hostname: format!("{name}.example"), ..AgentStatus::default() };
    node.status = Some(ManagedNodeStatus { agent: Some(agent), ..ManagedNodeStatus::default() });
    Arc::new(node)
}

pub fn target(name: &str) -> FrozenTarget {
    FrozenTarget { name: name.into(), uid: format!("uid-{name}"), hostname: format!("{name}.example") }
}

pub fn frozen(targets: Vec<FrozenTarget>) -> Frozen {
    Frozen {
        document: DocumentReference {
            name: "web-server".into(),
            version: "3".into(),
            hash: "abc".into(),
            revision: "web-server-3".into(),
            namespace: "fleet".into(),
        },
        called_documents: Vec::new(),
        fail_fast: false,
        strict_scripts: false,
        execution_timeout_seconds: 3600,
        targets,
        lists: vec!["greet-targets-0b0b0b0b-0".into()],
        lost: 0,
    }
}

/// The Invocation on a node, with a status or as it is made.
pub fn record(target: &FrozenTarget, details: Option<StatusDetails>) -> InvocationRecord {
    InvocationRecord {
        name: format!("greet-{}", target.name),
        uid: format!("uid-invocation-{}", target.name),
        node: target.name.clone(),
        node_uid: target.uid.clone(),
        hostname: target.hostname.clone(),
        created: None,
        status: details.map(|details| coarse(details.status())),
        status_details: details.map(|details| details.as_str().to_owned()).unwrap_or_default(),
        response_code: None,
        cancel: false,
        delivery_timeout_seconds: 600,
        execution_timeout_seconds: 3600,
    }
}

pub fn limits(max_concurrency: u32, max_errors: u32) -> Limits {
    Limits {
        max_concurrency,
        max_errors,
        delivery_timeout: Duration::from_secs(600),
        grace: Duration::from_secs(60),
        cancelled: false,
    }
}

pub fn is_running(record: &InvocationRecord) -> bool {
    !record.status.is_some_and(RunStatus::is_terminal)
}

pub type Records = BTreeMap<String, InvocationRecord>;

/// Numbers that look random and are the same in every run.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1))
    }

    /// From 0 to `sides` - 1.
    pub fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.0 >> 33) % u64::from(sides)).unwrap()
    }
}
