//! Nodes that cannot be reached, come back, move and find their certificate expired.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use std::time::Duration;

use keelson_api::PingStatus;
use keelson_e2e::Lab;
use keelson_e2e::keelson::{AGENT_UNIT, invocation_of};
use keelson_e2e::wait::eventually;

const SOON: Duration = Duration::from_secs(60);
const LOST: Duration = Duration::from_secs(120);

async fn run_on_first(lab: &Lab, name: &str, document: &str, more: &str) {
    let spec = format!(
        "documentName: {document}, targets: [{{key: InstanceIds, values: [{}]}}], {more}",
        lab.names[0]
    );
    lab.keelson.command(name, &spec).await.unwrap();
}

async fn details(lab: &Lab, name: &str, timeout: Duration) -> String {
    lab.keelson.ended(name, timeout).await.unwrap();
    invocation_of(&lab.client(), name).await.unwrap().status.unwrap().status_details
}

async fn begun(lab: &Lab) {
    eventually(SOON, "the script to begin", || async {
        Ok(lab.nodes[0].exists("/root/begun").then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_node_that_was_cut_off_reports_when_it_is_back_and_one_that_stays_away_times_out() {
    let lab = Lab::start("cut-off", 1).await.unwrap();
    let node = &lab.nodes[0];
    lab.keelson.script("short", "touch /root/begun; sleep 3; echo done", 60).await.unwrap();
    lab.keelson.script("limited", "touch /root/begun; sleep 20", 5).await.unwrap();

    run_on_first(&lab, "back-in-time", "short", "").await;
    begun(&lab).await;
    node.cut_off().unwrap();
    lab.keelson.node_with("node1", PingStatus::ConnectionLost, LOST).await.unwrap();
    node.reconnect().unwrap();
    assert_eq!(details(&lab, "back-in-time", SOON).await, "Success");

    // Never reached: it is offline when the Command starts, holds no slot, and its delivery times out.
    node.shell("rm /root/begun").await.unwrap();
    node.cut_off().unwrap();
    lab.keelson.node_with("node1", PingStatus::ConnectionLost, LOST).await.unwrap();
    run_on_first(&lab, "never-reached", "short", "timeoutSeconds: 30").await;
    assert_eq!(details(&lab, "never-reached", LOST).await, "DeliveryTimedOut");
    node.reconnect().unwrap();
    lab.keelson.online("node1").await.unwrap();

    // It comes online within its time.
    node.shell(&format!("systemctl stop {AGENT_UNIT}")).await.unwrap();
    lab.keelson.node_with("node1", PingStatus::ConnectionLost, LOST).await.unwrap();
    run_on_first(&lab, "waited-for", "short", "timeoutSeconds: 300").await;
    node.shell(&format!("systemctl start {AGENT_UNIT}")).await.unwrap();
    assert_eq!(details(&lab, "waited-for", SOON).await, "Success");
    assert!(node.exists("/root/begun"));

    // Reached, then lost for good: it times out as one that runs, and what it says later does not change that.
    node.shell("rm /root/begun").await.unwrap();
    run_on_first(&lab, "lost", "limited", "").await;
    begun(&lab).await;
    eventually(SOON, "the run to be InProgress", || async {
        let invocation = invocation_of(&lab.client(), "lost").await?;
        Ok(invocation.status.filter(|status| status.status_details == "InProgress").map(drop))
    })
    .await
    .unwrap();
    node.cut_off().unwrap();
    assert_eq!(details(&lab, "lost", LOST).await, "ExecutionTimedOut");
    node.reconnect().unwrap();
    // Its own word for it is the same, so its steps complete what was known.
    let status = eventually(LOST, "what the node knows of it", || async {
        let status = invocation_of(&lab.client(), "lost").await?.status;
        Ok(status.filter(|status| !status.steps.is_empty()))
    });
    assert_eq!(status.await.unwrap().steps[0].response_code, 137);
}

#[tokio::test]
async fn a_node_moves_between_gateways_in_the_middle_of_a_run() {
    let mut lab = Lab::start_with("two-gateways", 1, |settings| settings.gateways = 2).await.unwrap();
    lab.keelson
        .script(
            "counted",
            "echo run >> /root/runs; touch /root/begun; while [ ! -e /root/go-on ]; do sleep 0.1; done",
            600,
        )
        .await
        .unwrap();
    run_on_first(&lab, "moving", "counted", "").await;
    begun(&lab).await;
    for _ in 0..3 {
        let node = lab.keelson.online("node1").await.unwrap();
        let agent = node.status.unwrap().agent.unwrap();
        let index: usize = agent.gateway.strip_prefix("gateway-").unwrap().parse().unwrap();
        lab.keelson.gateways[index].kill().unwrap();
        eventually(SOON, "the node to be held by the other gateway", || async {
            let node = lab.managed_nodes().get(&lab.names[0]).await?;
            let now = node.status.and_then(|status| status.agent).unwrap_or_default();
            Ok((now.gateway != agent.gateway && now.epoch > agent.epoch).then_some(()))
        })
        .await
        .unwrap();
        lab.keelson.gateways[index].restart().unwrap();
        lab.keelson.wait_until_ready().await.unwrap();
    }
    lab.nodes[0].shell("touch /root/go-on").await.unwrap();
    assert_eq!(details(&lab, "moving", SOON).await, "Success");
    assert_eq!(lab.nodes[0].read("/root/runs").unwrap(), "run\n");
}

#[tokio::test]
async fn a_certificate_that_expired_while_the_node_was_away_is_renewed() {
    let lab = Lab::start_with("expired", 1, |settings| settings.certificate_seconds = 6).await.unwrap();
    let node = &lab.nodes[0];
    node.shell(&format!("systemctl stop {AGENT_UNIT}")).await.unwrap();
    let expired = "sleep 8; keelson-agent status";
    let said = node.run(expired).await.unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("expired"), "{said}");
    lab.keelson.node_with("node1", PingStatus::ConnectionLost, LOST).await.unwrap();
    node.shell(&format!("systemctl start {AGENT_UNIT}")).await.unwrap();
    lab.keelson.online("node1").await.unwrap();
    lab.keelson.script("hello", "echo hello", 60).await.unwrap();
    run_on_first(&lab, "hello", "hello", "").await;
    assert_eq!(details(&lab, "hello", SOON).await, "Success");
}

/// The clock of operator and gateway goes back an hour and forth two in the middle of a run, by a preloaded library
/// that reads the offset from a file; the machine's clock stays.
#[tokio::test]
async fn clocks_that_jump_by_an_hour_expire_nothing_and_fire_nothing_twice() {
    let clock = tempfile::NamedTempFile::new().unwrap();
    let jump = |offset: &str| std::fs::write(clock.path(), offset).unwrap();
    jump("+0");
    let lab = Lab::start_with("clocks", 1, |settings| {
        settings.preload = [
            ("LD_PRELOAD", "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"),
            ("FAKETIME_TIMESTAMP_FILE", clock.path().to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    })
    .await
    .unwrap();
    lab.keelson.script("counted", "echo run >> /root/runs; touch /root/begun; sleep 12", 60).await.unwrap();
    run_on_first(&lab, "jumping", "counted", "timeoutSeconds: 60").await;
    begun(&lab).await;
    for offset in ["-3600", "+3600", "+0"] {
        jump(offset);
        tokio::time::sleep(Duration::from_secs(3)).await; // time for a wrong deadline to strike
        let status = invocation_of(&lab.client(), "jumping").await.unwrap().status.unwrap();
        assert_eq!(status.status_details, "InProgress", "after the clock went to {offset} s");
    }
    assert_eq!(details(&lab, "jumping", SOON).await, "Success");
    assert_eq!(lab.nodes[0].read("/root/runs").unwrap(), "run\n");
}
