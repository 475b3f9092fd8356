//! A script that prints two hundred megabytes: whole in the archive, short in status, and bounded memory on the way.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use std::time::Duration;

use keelson_e2e::keelson::{AGENT_UNIT, has_ended, invocation_of};
use keelson_e2e::{Lab, usage};
use kube::Api;

const MEGABYTE: u64 = 1024 * 1024;
const AGENT_LIMIT: u64 = 32 * MEGABYTE;
const GATEWAY_LIMIT: u64 = 128 * MEGABYTE;

#[tokio::test]
async fn two_hundred_megabytes_of_output_arrive_whole_in_bounded_memory() {
    let lab = Lab::start("output", 1).await.unwrap();
    lab.keelson.script("talk", "yes 'all work and no play' | head -c 200000000", 600).await.unwrap();
    let target = format!("documentName: talk, targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]);
    lab.keelson.command("talk", &target).await.unwrap();
    let (mut agent_peak, mut gateway_peak) = (0, 0);
    let commands: Api<keelson_api::Command> = Api::namespaced(lab.client(), "default");
    loop {
        let processes = lab.nodes[0].processes_of(AGENT_UNIT);
        let ours = processes.into_iter().filter(|pid| is_agent(*pid));
        agent_peak = agent_peak.max(ours.filter_map(|pid| usage::pss(pid).ok()).sum());
        gateway_peak = gateway_peak.max(lab.keelson.gateways[0].rss().unwrap());
        if has_ended(&commands.get("talk").await.unwrap()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await; // between two samples
    }
    let status = invocation_of(&lab.client(), "talk").await.unwrap().status.unwrap();
    assert_eq!(status.status_details, "Success");
    assert!(status.steps[0].output.len() <= 2500, "AWS's limit");
    assert!(!status.output_pending);
    let folder = lab.keelson.archive().join(status.output_key.unwrap()).join("0");
    let bytes: u64 =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert_eq!((bytes, status.steps[0].stdout_bytes), (200_000_000, 200_000_000));
    println!("peaks: agent and worker {} KiB, gateway {} KiB", agent_peak / 1024, gateway_peak / 1024);
    assert!(agent_peak <= AGENT_LIMIT, "agent and worker took {agent_peak} bytes");
    assert!(gateway_peak <= GATEWAY_LIMIT, "the gateway took {gateway_peak} bytes");
}

fn is_agent(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("keelson-agent"))
}
