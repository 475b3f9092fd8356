//! Objects for the tests of Associations and compliance.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use keelson_api::{
    AgentStatus, Association, Command, CommandCounts, CommandStatus, ComplianceSeverity, ComplianceStatus,
    ManagedNode, ManagedNodeSpec, ManagedNodeStatus, NodeAssociation, PingStatus, RefreshRequest, RunStatus,
};
use keelson_core::status::StatusDetails;
use serde_json::json;

use super::build::{self, Run};
use super::due::Cause;
use super::nodes::Member;
use crate::index::InvocationRecord;

/// `web-servers` of namespace `fleet`, for nodes whose tag Role is web.
pub fn association() -> Association {
    let mut association: Association = serde_json::from_value(json!({
        "apiVersion": "keelson.dev/v1alpha1",
        "kind": "Association",
        "metadata": { "name": "web-servers", "namespace": "fleet", "uid": "uid-web-servers", "generation": 1 },
        "spec": {
            "documentName": "Web-Server",
            "targets": [{ "key": "tag:Role", "values": ["web"] }],
            "complianceSeverity": "HIGH",
        },
    }))
    .unwrap();
    association.metadata.creation_timestamp = Some(Time(second(0)));
    association
}

/// A moment, so many seconds after the Association was made.
pub fn second(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

/// A Command for every node, made by the Association.
pub fn command(name: &str) -> Command {
    let association = association();
    let spec = build::spec(&association, "1", None, second(0));
    let run = Run { cause: Cause::Tick, tick: Some(second(60)), hash: "h", request: None, previous: None };
    let mut command = build::command(&association, name, spec, &run);
    command.metadata.creation_timestamp = Some(Time(second(60)));
    command
}

/// The same, ended so.
pub fn ended_command(name: &str, details: &str) -> Command {
    let coarse = coarse(details);
    let one = u32::from(details == "Failed");
    let counts = CommandCounts { failed: one, success: 1, terminated: one, ..CommandCounts::default() };
    let status = CommandStatus {
        status: Some(coarse),
        status_details: Some(details.into()),
        completion_time: Some(Time(second(70))),
        counts: Some(counts),
        ..CommandStatus::default()
    };
    Command { status: Some(status), ..command(name) }
}

/// An Invocation on a node, ended so.
pub fn record(node: &str, details: &str) -> InvocationRecord {
    InvocationRecord {
        name: format!("c-{node}"),
        uid: format!("uid-c-{node}"),
        node: node.into(),
        node_uid: format!("uid-{node}"),
        hostname: format!("host-{node}"),
        created: Some(second(60)),
        status: Some(coarse(details)),
        status_details: details.into(),
        response_code: None,
        cancel: false,
        delivery_timeout_seconds: 60,
        execution_timeout_seconds: 3600,
    }
}

fn coarse(details: &str) -> RunStatus {
    let details: StatusDetails = details.parse().unwrap();
    serde_json::from_value(json!(details.status().as_str())).unwrap()
}

/// A node whose tag Role is web, from before every Command.
pub fn node(name: &str, online: bool) -> ManagedNode {
    let tags = [("Role".to_owned(), "web".to_owned())].into();
    let mut node = ManagedNode::new(name, ManagedNodeSpec { tags, ..ManagedNodeSpec::default() });
    node.metadata.namespace = Some("fleet".into());
    node.metadata.uid = Some(format!("uid-{name}"));
    node.metadata.creation_timestamp = Some(Time(second(-100)));
    let ping_status = if online { PingStatus::Online } else { PingStatus::ConnectionLost };
    let agent = Some(AgentStatus { ping_status, ..AgentStatus::default() });
    node.status = Some(ManagedNodeStatus { agent, ..ManagedNodeStatus::default() });
    node
}

/// An online node that matches, and its entry.
pub fn member(name: &str, entry: Option<NodeAssociation>) -> Member {
    Member { node: Arc::new(node(name, true)), entry }
}

/// An entry of the Association.
pub fn entry(status: &str, details: &str) -> NodeAssociation {
    let compliant = status == "Success";
    NodeAssociation {
        name: "web-servers".into(),
        status: status.into(),
        status_details: details.into(),
        compliance: if compliant { ComplianceStatus::Compliant } else { ComplianceStatus::NonCompliant },
        severity: ComplianceSeverity::High,
        document_version: "1".into(),
        command: "c0".into(),
        since: Some(Time(second(10))),
        refresh_time: None,
    }
}

/// Has a user's run on the node ask for an Association.
pub fn request(node: &mut ManagedNode, association: &str, at: i64) {
    let request = RefreshRequest {
        name: association.into(),
        request_time: Time(second(at)),
        command: "uid-c9".into(),
        asked_by: String::new(),
    };
    let agent = node.status.get_or_insert_default().agent.get_or_insert_default();
    agent.refresh_requests.push(request);
}
