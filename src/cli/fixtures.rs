//! Commands and Invocations for tests.

use keelson_api::{Command, Invocation};
use serde_json::json;

/// A Command of `targets` targets that stands so.
pub fn command(status: &str, details: &str, targets: u32) -> Command {
    serde_json::from_value(json!({
        "apiVersion": "keelson.dev/v1alpha1",
        "kind": "Command",
        "metadata": { "name": "uptime-x", "namespace": "web", "uid": "u" },
        "spec": { "documentName": "uptime", "targets": [{ "key": "InstanceIds", "values": ["*"] }] },
        "status": { "status": status, "statusDetails": details, "targetCount": targets },
    }))
    .unwrap()
}

/// An Invocation on `host` with one step that printed `output`.
pub fn invocation(host: &str, details: &str, code: i32, output: &str) -> Invocation {
    serde_json::from_value(json!({
        "apiVersion": "keelson.dev/v1alpha1",
        "kind": "Invocation",
        "metadata": { "name": format!("uptime-x-{host}"), "namespace": "web", "uid": format!("u-{host}") },
        "spec": {
            "commandName": "uptime-x", "commandUid": "u", "nodeName": format!("mi-{host}"), "nodeUid": "n",
            "hostname": host, "deliveryTimeoutSeconds": 600, "executionTimeoutSeconds": 60,
            "document": { "name": "uptime", "version": "1", "hash": "", "revision": "r", "namespace": "web" },
        },
        "status": {
            "status": details, "statusDetails": details, "responseCode": code, "durationSeconds": "0.034",
            "steps": [{
                "name": "script", "action": "aws:runShellScript", "status": details, "responseCode": code,
                "output": output, "stdoutBytes": output.len(),
            }],
        },
    }))
    .unwrap()
}
