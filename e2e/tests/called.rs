//! A document that is a step of another, on a node that really boots.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use std::time::Duration;

use keelson_api::RunStatus;
use keelson_e2e::Lab;
use keelson_e2e::keelson::invocation_of;
use serde_json::{Value, json};

const A_BOOT: Duration = Duration::from_secs(180);
/// A file that no boot leaves there.
const CHILD: &str = "/run/child.yaml";

fn script(name: &str, lines: &[&str]) -> Value {
    json!({ "name": name, "action": "aws:runShellScript", "inputs": { "runCommand": lines } })
}

#[tokio::test]
async fn a_called_document_goes_on_after_a_reboot_although_its_file_is_gone() {
    let lab = Lab::start("called", 1).await.unwrap();
    let node = &lab.nodes[0];
    lab.keelson.reboot_at_once(node).await.unwrap();
    let write = [
        "cat > /run/child.yaml <<'END'",
        "schemaVersion: '2.2'",
        "mainSteps:",
        "- name: once",
        "  action: aws:runShellScript",
        "  inputs: {runCommand: [echo once | tee -a /root/steps]}",
        "- name: reboots",
        "  action: aws:runShellScript",
        "  inputs:",
        "    runCommand:",
        "    - if [ -e /root/mark ]; then echo second; else touch /root/mark; echo first; exit 194; fi",
        "- name: last",
        "  action: aws:runShellScript",
        "  inputs: {runCommand: [ls /run/child.yaml 2>/dev/null || echo the file is gone]}",
        "END",
    ];
    let call = json!({ "name": "call", "action": "aws:runDocument", "inputs": {
        "documentType": "LocalPath", "documentPath": CHILD,
    } });
    let steps = [script("write", &write), call, script("after", &["echo after"])];
    lab.keelson.document("calls", &json!({ "schemaVersion": "2.2", "mainSteps": steps })).await.unwrap();
    let target = format!("documentName: calls, targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]);
    lab.keelson.command("calls", &target).await.unwrap();
    lab.keelson.ended("calls", A_BOOT).await.unwrap();

    let status = invocation_of(&lab.client(), "calls").await.unwrap().status.unwrap();
    assert_eq!(status.status, RunStatus::Success, "{status:?}");
    assert_eq!(status.steps[1].output, "once\nfirst\nsecond\nthe file is gone\n");
    assert_eq!(status.steps[2].output, "after\n");
    assert_eq!(node.read("/root/steps").unwrap(), "once\n", "what had ended did not run again");
}
