//! A document whose steps reboot their node goes on after each reboot where it was.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use std::time::Duration;

use keelson_api::RunStatus;
use keelson_e2e::Lab;
use keelson_e2e::keelson::invocation_of;
use serde_json::json;

const TWO_BOOTS: Duration = Duration::from_secs(240);

/// Says which run it is, and asks for a reboot in the first two: a shell exits with 3010 as with 194.
const SCRIPT: &str = r"cat /proc/sys/kernel/random/boot_id >> /root/boots
run=$(wc -l < /root/boots); echo run $run; echo error $run >&2
case $run in 1) exit 194;; 2) exit 3010;; esac";

#[tokio::test]
async fn a_step_that_asks_for_a_reboot_runs_again_after_it_and_the_others_run_once() {
    let lab = Lab::start("asked-for-reboot", 1).await.unwrap();
    let node = &lab.nodes[0];
    lab.keelson.reboot_at_once(node).await.unwrap();
    let step = |name: &str, script: &str| json!({ "name": name, "action": "aws:runShellScript", "inputs": { "runCommand": [script] } });
    let steps = [
        step("before", "echo before | tee -a /root/steps; exit 1"),
        step("reboots", SCRIPT),
        step("after", "echo after | tee -a /root/steps"),
    ];
    lab.keelson.document("reboots", &json!({ "schemaVersion": "2.2", "mainSteps": steps })).await.unwrap();
    let target =
        format!("documentName: reboots, targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]);
    lab.keelson.command("reboots", &target).await.unwrap();
    lab.keelson.ended("reboots", TWO_BOOTS).await.unwrap();

    let status = invocation_of(&lab.client(), "reboots").await.unwrap().status.unwrap();
    let ended: Vec<_> = status.steps.iter().map(|step| (step.status.as_str(), step.response_code)).collect();
    assert_eq!(ended, [("Failed", 1), ("Success", 0), ("Success", 0)], "{status:?}");
    assert_eq!(status.status, RunStatus::Failed, "a step failed, before the reboots");
    let output = &status.steps[1].output;
    assert!(output.starts_with("run 1\nrun 2\nrun 3\n"), "the output of all runs, in order: {output:?}");
    assert!(output.ends_with("error 1\nerror 2\nerror 3\n"), "{output:?}");
    assert_eq!(node.read("/root/steps").unwrap(), "before\nafter\n", "each of the others ran once");

    let boots = node.read("/root/boots").unwrap();
    let mut boots: Vec<_> = boots.lines().collect();
    assert_eq!(boots.last(), Some(&node.boot_id().await.unwrap().as_str()));
    boots.dedup();
    assert_eq!(boots.len(), 3, "the node was booted again for each run");
}
