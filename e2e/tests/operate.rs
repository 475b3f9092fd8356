//! What whoever operates Keelson sees: leaders that change, processes that are told to stop, probes, metrics, logs.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use std::time::{Duration, Instant};

use keelson_e2e::keelson::invocation_of;
use keelson_e2e::wait::eventually;
use keelson_e2e::{Lab, Process};

const SOON: Duration = Duration::from_secs(60);
const LEASE: Duration = Duration::from_secs(12);
/// How long a process may take to end when it is told to.
const STOP: Duration = Duration::from_secs(10);
const OPERATORS: [&str; 2] = ["operator-0", "operator-1"];
const GATEWAYS: [&str; 2] = ["gateway-0", "gateway-1"];

#[tokio::test]
async fn one_operator_leads_another_takes_over_and_all_can_be_watched_and_stopped() {
    let mut lab = Lab::start_with("operate", 1, |settings| {
        settings.operators = 2;
        settings.gateways = 2;
        settings.lease = LEASE.as_secs();
        settings.json_logs = true;
    })
    .await
    .unwrap();
    everything_answers_probes(&lab).await;
    a_leader_that_is_killed_is_followed_when_its_lease_has_expired(&mut lab).await;
    a_leader_that_is_told_to_stop_is_followed_at_once(&mut lab).await;
    a_gateway_that_is_told_to_stop_hands_its_nodes_on(&mut lab).await;
    metrics_count_and_name_nobody(&lab).await;
    logs_are_one_json_object_a_line(&lab);
    lab.keelson.ensure_nothing_was_forbidden().await.unwrap();
}

/// The index of the one operator that leads, and of the other one.
async fn leader_and_other(lab: &Lab) -> (usize, usize) {
    eventually(SOON, "exactly one operator to lead", || async {
        let leads = [lab.keelson.leads(OPERATORS[0]).await, lab.keelson.leads(OPERATORS[1]).await];
        anyhow::ensure!(leads != [true, true], "both lead");
        Ok(leads.iter().position(|leads| *leads))
    })
    .await
    .map(|leader| (leader, 1 - leader))
    .unwrap()
}

fn operator(lab: &mut Lab, index: usize) -> &mut Process {
    if index == 0 { &mut lab.keelson.operator } else { &mut lab.keelson.standbys[index - 1] }
}

/// How long it took since `since` until this operator led.
async fn led_after(lab: &Lab, index: usize, since: Instant) -> Duration {
    eventually(SOON, "the other operator to lead", || async {
        Ok(lab.keelson.leads(OPERATORS[index]).await.then(|| since.elapsed()))
    })
    .await
    .unwrap()
}

async fn everything_answers_probes(lab: &Lab) {
    for replica in OPERATORS.into_iter().chain(GATEWAYS) {
        for probe in ["/healthz", "/readyz", "/metrics"] {
            let (code, body) = lab.keelson.http_get(replica, probe).await.unwrap();
            assert_eq!(code, 200, "{replica}{probe}: {body}");
        }
    }
}

async fn a_leader_that_is_killed_is_followed_when_its_lease_has_expired(lab: &mut Lab) {
    let script = "echo run >> /root/runs; touch /root/begun
while [ ! -e /root/go-on ]; do sleep 0.1; done";
    lab.keelson.script("counted", script, 600).await.unwrap();
    let target = format!("targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]);
    lab.keelson.command("leaderless", &format!("documentName: counted, {target}")).await.unwrap();
    eventually(SOON, "the script to begin", || async {
        Ok(lab.nodes[0].exists("/root/begun").then_some(()))
    })
    .await
    .unwrap();

    let (leader, other) = leader_and_other(lab).await;
    operator(lab, leader).kill().unwrap();
    let killed = Instant::now();
    // It ends while nobody leads: the gateway writes the result, and the next leader counts it.
    lab.nodes[0].shell("touch /root/go-on").await.unwrap();
    let took = led_after(lab, other, killed).await;
    assert!(took > LEASE / 2, "it led after {took:?}, before the lease of the dead one had expired");
    assert!(took < LEASE * 2, "it led after {took:?}, long after the lease of the dead one had expired");
    let command = lab.keelson.ended("leaderless", SOON).await.unwrap();
    let status = command.status.unwrap();
    assert_eq!(status.status_details.as_deref(), Some("Success"));
    assert_eq!((status.target_count, status.completed_count), (Some(1), Some(1)));
    assert_eq!(lab.nodes[0].read("/root/runs").unwrap(), "run\n");

    operator(lab, leader).restart().unwrap();
    eventually(SOON, "the one that was killed to be ready again", || async {
        let (code, _) = lab.keelson.http_get(OPERATORS[leader], "/readyz").await?;
        Ok((code == 200).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(leader_and_other(lab).await, (other, leader), "the one that came back took the lease");
}

async fn a_leader_that_is_told_to_stop_is_followed_at_once(lab: &mut Lab) {
    let (leader, other) = leader_and_other(lab).await;
    let told = Instant::now();
    let status = operator(lab, leader).terminate(STOP).await.unwrap();
    assert!(status.success(), "told to stop, {} ended with {status}", OPERATORS[leader]);
    let took = led_after(lab, other, told).await;
    // Asked for every third of its time; the rest is a busy machine's.
    assert!(took < LEASE * 2 / 3, "it led only after {took:?}: the lease was not let go");
    operator(lab, leader).restart().unwrap();

    // One that waits for the lease can be told to stop too.
    eventually(SOON, "the one that was stopped to be ready again", || async {
        let (code, _) = lab.keelson.http_get(OPERATORS[leader], "/readyz").await?;
        Ok((code == 200).then_some(()))
    })
    .await
    .unwrap();
    let status = operator(lab, leader).terminate(STOP).await.unwrap();
    assert!(status.success(), "told to stop while it waited, {} ended with {status}", OPERATORS[leader]);
    assert!(lab.keelson.leads(OPERATORS[other]).await, "the leader lost its lease to one that stopped");
    operator(lab, leader).restart().unwrap();
}

async fn a_gateway_that_is_told_to_stop_hands_its_nodes_on(lab: &mut Lab) {
    let before = lab.keelson.online("node1").await.unwrap().status.unwrap().agent.unwrap();
    let index = GATEWAYS.iter().position(|gateway| *gateway == before.gateway).unwrap();
    let status = lab.keelson.gateways[index].terminate(STOP).await.unwrap();
    assert!(status.success(), "told to stop, {} ended with {status}", before.gateway);
    eventually(SOON, "the node to be held by the other gateway", || async {
        let now = lab.keelson.online("node1").await?.status.and_then(|status| status.agent);
        let now = now.unwrap_or_default();
        Ok((now.gateway == GATEWAYS[1 - index] && now.epoch > before.epoch).then_some(()))
    })
    .await
    .unwrap();
    lab.keelson.gateways[index].restart().unwrap();
    lab.keelson.wait_until_ready().await.unwrap();

    lab.keelson.script("hello", "echo hello", 60).await.unwrap();
    let target = format!("targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]);
    lab.keelson.command("moved", &format!("documentName: hello, {target}")).await.unwrap();
    lab.keelson.ended("moved", SOON).await.unwrap();
    let invocation = invocation_of(&lab.client(), "moved").await.unwrap();
    assert_eq!(invocation.status.unwrap().steps[0].output, "hello\n");
}

async fn metrics_count_and_name_nobody(lab: &Lab) {
    let (leader, _) = leader_and_other(lab).await;
    let success = |metric: &str| format!("keelson_{metric}_finished_total{{status_details=\"Success\"}}");
    let counted = lab.keelson.metric(OPERATORS[leader], &success("commands")).await.unwrap();
    assert!(counted.is_some_and(|count| count >= 1.0), "the leader counted {counted:?} Commands");
    let mut invocations = 0.0;
    for replica in OPERATORS.into_iter().chain(GATEWAYS) {
        let (_, text) = lab.keelson.http_get(replica, "/metrics").await.unwrap();
        assert!(text.ends_with("# EOF\n"), "{replica}: {text}");
        for name in [lab.names[0].as_str(), "node1", "leaderless", "moved", "counted", "\"default\""] {
            assert!(!text.contains(name), "a label of {replica} grows with {name}:\n{text}");
        }
        let counted = lab.keelson.metric(replica, &success("invocations")).await.unwrap();
        invocations += counted.unwrap_or_default();
    }
    assert!(invocations >= 1.0, "nobody counted an Invocation");
}

fn logs_are_one_json_object_a_line(lab: &Lab) {
    for log in lab.keelson.logs() {
        let text = std::fs::read_to_string(&log).unwrap();
        assert!(!text.is_empty(), "{} is empty", log.display());
        for line in text.lines() {
            let parsed: serde_json::Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{}: {error} in {line:?}", log.display()));
            for field in ["timestamp", "level", "message"] {
                assert!(parsed[field].is_string(), "{}: no {field} in {line}", log.display());
            }
        }
    }
}
