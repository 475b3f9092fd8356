//! Each run happens once, whatever is killed while it runs, and ends in the status it deserves.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use std::time::Duration;

use keelson_api::{Invocation, RunStatus};
use keelson_e2e::Lab;
use keelson_e2e::keelson::{AGENT_UNIT, invocation_of};
use keelson_e2e::wait::eventually;

const SOON: Duration = Duration::from_secs(60);

/// Counts its runs in a file, says that it has begun, and goes on when told.
const SCRIPT: &str = "echo run >> /root/$SSM_COMMAND_ID.runs; touch /root/begun
while [ ! -e /root/go-on ]; do sleep 0.1; done
echo done";

/// Starts the script on node 1 and returns when it has begun.
async fn begin(lab: &Lab, name: &str) {
    lab.nodes[0].shell("rm -f /root/begun /root/go-on").await.unwrap();
    let target =
        format!("documentName: counted, targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]);
    lab.keelson.command(name, &target).await.unwrap();
    eventually(SOON, "the script to begin", || async {
        Ok(lab.nodes[0].exists("/root/begun").then_some(()))
    })
    .await
    .unwrap();
}

/// Lets the script end and checks that it ran once and ended well.
async fn finish_well(lab: &Lab, name: &str) {
    lab.nodes[0].shell("touch /root/go-on").await.unwrap();
    let invocation = ended(lab, name).await;
    let status = invocation.status.clone().unwrap();
    assert_eq!(status.status, RunStatus::Success, "{name}: {status:?}");
    assert_eq!(status.steps[0].output, "done\n", "{name}");
    ran_once(lab, &invocation);
}

async fn ended(lab: &Lab, name: &str) -> Invocation {
    lab.keelson.ended(name, SOON).await.unwrap();
    invocation_of(&lab.client(), name).await.unwrap()
}

fn ran_once(lab: &Lab, invocation: &Invocation) {
    let runs = lab.nodes[0].read(&format!("/root/{}.runs", invocation.spec.command_uid)).unwrap();
    assert_eq!(runs, "run\n", "{} ran {} times", invocation.spec.command_name, runs.lines().count());
}

#[tokio::test]
async fn a_run_survives_the_death_of_every_process_of_keelson() {
    let mut lab = Lab::start("once", 1).await.unwrap();
    lab.keelson.script("counted", SCRIPT, 3600).await.unwrap();

    begin(&lab, "agent-killed").await;
    lab.nodes[0].kill(AGENT_UNIT).await.unwrap();
    lab.keelson.online("node1").await.unwrap();
    finish_well(&lab, "agent-killed").await;

    begin(&lab, "agent-dead-at-the-end").await;
    lab.nodes[0]
        .shell(&format!(
            "systemctl stop {AGENT_UNIT}; touch /root/go-on; sleep 1; systemctl start {AGENT_UNIT}"
        ))
        .await
        .unwrap();
    finish_well(&lab, "agent-dead-at-the-end").await;

    begin(&lab, "gateway-killed").await;
    lab.keelson.gateways[0].kill().unwrap();
    lab.keelson.gateways[0].restart().unwrap();
    finish_well(&lab, "gateway-killed").await;

    begin(&lab, "operator-killed").await;
    lab.keelson.operator.kill().unwrap();
    lab.keelson.operator.restart().unwrap();
    finish_well(&lab, "operator-killed").await;

    begin(&lab, "api-server-restarted").await;
    lab.keelson.control_plane.kill_api_server().unwrap();
    // The result comes while there is nobody to tell.
    lab.nodes[0].shell("touch /root/go-on").await.unwrap();
    lab.keelson.control_plane.start_api_server().await.unwrap();
    finish_well(&lab, "api-server-restarted").await;

    begin(&lab, "everything-killed").await;
    lab.nodes[0].kill(AGENT_UNIT).await.unwrap();
    lab.keelson.gateways[0].kill().unwrap();
    lab.keelson.operator.kill().unwrap();
    lab.keelson.control_plane.restart_api_server().await.unwrap();
    lab.keelson.gateways[0].restart().unwrap();
    lab.keelson.operator.restart().unwrap();
    finish_well(&lab, "everything-killed").await;
}

#[tokio::test]
async fn a_run_that_a_reboot_ends_is_failed_and_not_repeated() {
    let lab = Lab::start("reboot", 1).await.unwrap();
    lab.keelson.script("counted", SCRIPT, 3600).await.unwrap();
    begin(&lab, "rebooted").await;
    lab.nodes[0].reboot().await.unwrap();
    let invocation = ended(&lab, "rebooted").await;
    let status = invocation.status.clone().unwrap();
    assert_eq!(status.status, RunStatus::Failed);
    assert!(status.message.unwrap().contains("reboot"), "it says why");
    ran_once(&lab, &invocation);

    begin(&lab, "power-cut").await;
    lab.nodes[0].crash().await.unwrap();
    lab.nodes[0].power_on().await.unwrap();
    let invocation = ended(&lab, "power-cut").await;
    assert_eq!(invocation.status.clone().unwrap().status, RunStatus::Failed);
    ran_once(&lab, &invocation);
}

/// The node's disk is a small one of its own, which the test fills.
#[tokio::test]
async fn a_full_disk_delays_a_run_and_does_not_end_it() {
    let lab = Lab::start("full-disk", 1).await.unwrap();
    let node = &lab.nodes[0];
    node.shell(&format!(
        "systemctl stop {AGENT_UNIT} && cp -a /var/lib/keelson /root/state && mount -t tmpfs -o size=16m tmpfs /var/lib/keelson \
         && cp -a /root/state/. /var/lib/keelson && systemctl start {AGENT_UNIT}"
    ))
    .await
    .unwrap();
    lab.keelson.online("node1").await.unwrap();
    lab.keelson.script("counted", SCRIPT, 3600).await.unwrap();
    node.shell("touch /root/go-on; cat /dev/zero > /var/lib/keelson/filler || true").await.unwrap();
    let target =
        format!("documentName: counted, targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]);
    lab.keelson.command("on-a-full-disk", &target).await.unwrap();
    eventually(SOON, "the agent to notice", || async {
        let log = node.run(&format!("journalctl -q -u {AGENT_UNIT}")).await?;
        Ok(String::from_utf8_lossy(&log.stdout).contains("is the disk full?").then_some(()))
    })
    .await
    .unwrap();
    node.shell("rm /var/lib/keelson/filler").await.unwrap();
    let invocation = ended(&lab, "on-a-full-disk").await;
    assert_eq!(invocation.status.clone().unwrap().status, RunStatus::Success);
    ran_once(&lab, &invocation);
}
