//! Updating agents by a Document, and what is left of a bad one.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use keelson_api::{ManagedNode, PingStatus, RunStatus};
use keelson_e2e::keelson::invocation_of;
use keelson_e2e::wait::eventually;
use keelson_e2e::{Lab, assets};
use kube::ResourceExt as _;

const SOON: Duration = Duration::from_secs(60);
/// A program that does not stay up is given up after 20 s.
const PUT_BACK: Duration = Duration::from_secs(150);
/// What stands before the version in an agent's file.
const MARK: &str = "keelson-agent program, version ";
/// As long as the version of the agent that is built here.
const NEWER: &str = "9.1.0";
const BROKEN: &str = "9.2.0";

#[tokio::test]
async fn an_agent_follows_its_gateway_and_a_bad_one_never_cuts_a_node_off() {
    let lab = Lab::start("agent-update", 1).await.unwrap();
    lab.keelson.document("update-agent", &content()).await.unwrap();
    without_an_agent_to_hand_out_the_reason_is_told(&lab).await;
    a_newer_agent_takes_over_while_a_document_runs(&lab).await;
    what_is_installed_already_is_left(&lab).await;
    another_version_is_refused(&lab).await;
    an_agent_that_does_not_run_gives_way_to_the_previous_one(&lab).await;
    an_update_whose_watcher_dies_is_undone(&lab).await;
    an_update_that_loses_its_power_is_undone(&lab).await;
    lab.keelson.ensure_nothing_was_forbidden().await.unwrap();
}

/// As AWS's own document has it.
fn content() -> serde_json::Value {
    serde_json::json!({
        "schemaVersion": "2.2",
        "parameters": {
            "version": { "type": "String", "default": "" },
            "allowDowngrade": { "type": "String", "default": "false", "allowedValues": ["true", "false"] },
        },
        "mainSteps": [{
            "name": "update",
            "action": "aws:updateSsmAgent",
            "inputs": {
                "agentName": "amazon-ssm-agent",
                "source": "https://s3.{Region}.amazonaws.com/amazon-ssm-{Region}/ssm-agent-manifest.json",
                "allowDowngrade": "{{ allowDowngrade }}",
                "targetVersion": "{{ version }}",
            },
        }],
    })
}

/// Puts a program where the gateway hands it out from.
fn hand_out(lab: &Lab, program: &[u8]) {
    let folder = lab.keelson.agents();
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("keelson-agent-{}", std::env::consts::ARCH));
    std::fs::write(path.with_extension("new"), program).unwrap();
    std::fs::rename(path.with_extension("new"), path).unwrap();
}

/// The agent that is built here, as another version: the one place that says which is changed.
fn newer_agent() -> Vec<u8> {
    let mut program = std::fs::read(assets::agent().unwrap()).unwrap();
    let said = format!("{MARK}{}\n", env!("CARGO_PKG_VERSION"));
    let starts: Vec<_> =
        program.windows(said.len()).enumerate().filter(|(_, window)| *window == said.as_bytes()).collect();
    let [(start, _)] = starts[..] else { panic!("the version is at {} places", starts.len()) };
    let other = format!("{MARK}{NEWER}\n");
    assert_eq!(other.len(), said.len());
    program[start..start + other.len()].copy_from_slice(other.as_bytes());
    program
}

/// A program that says it is an agent, and whose daemon ends at once.
fn broken_agent() -> Vec<u8> {
    format!("#!/bin/sh\n# {MARK}{BROKEN}\n[ \"$1\" = --version ] && echo keelson-agent {BROKEN}\n")
        .into_bytes()
}

async fn command(lab: &Lab, name: &str, parameters: &str) {
    let target = format!("targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]);
    let spec = format!("documentName: update-agent, parameters: {{{parameters}}}, {target}");
    lab.keelson.command(name, &spec).await.unwrap();
}

/// How a Command ended, and what its step or, without one, its Invocation says.
async fn ended(lab: &Lab, name: &str) -> (RunStatus, String) {
    lab.keelson.ended(name, PUT_BACK).await.unwrap();
    let status = invocation_of(&lab.client(), name).await.unwrap().status.unwrap();
    let said = status.steps.first().map(|step| step.output.clone());
    (status.status, format!("{}{}", said.unwrap_or_default(), status.message.unwrap_or_default()))
}

/// The node, once it is Online with an agent of this version, connected after `epoch`.
async fn runs(lab: &Lab, version: &str, epoch: i64) -> ManagedNode {
    eventually(SOON, &format!("an agent {version} to be connected"), || async {
        let node = lab.managed_nodes().get(&lab.names[0]).await?;
        let agent = node.status.as_ref().and_then(|status| status.agent.clone()).unwrap_or_default();
        let (ping, is, at) = (agent.ping_status, agent.agent_version, agent.epoch);
        anyhow::ensure!(
            ping == PingStatus::Online && is == version && at > epoch,
            "it is {ping:?} with {is}, epoch {at}"
        );
        Ok(Some(node))
    })
    .await
    .unwrap()
}

async fn epoch(lab: &Lab) -> i64 {
    lab.managed_nodes().get(&lab.names[0]).await.unwrap().status.unwrap().agent.unwrap().epoch
}

fn no_trial_is_left(lab: &Lab) {
    for left in ["update", "new", "link"] {
        assert!(!lab.nodes[0].exists(&format!("/usr/local/bin/keelson-agent.{left}")), "{left}");
    }
}

async fn without_an_agent_to_hand_out_the_reason_is_told(lab: &Lab) {
    command(lab, "nothing", "").await;
    let (status, said) = ended(lab, "nothing").await;
    assert_eq!(status, RunStatus::Failed);
    assert!(said.contains("put the agent for this processor there"), "{said}");
}

async fn a_newer_agent_takes_over_while_a_document_runs(lab: &Lab) {
    let keelson = &lab.keelson;
    keelson
        .script("long", "while [ ! -e /root/go-on ]; do sleep 0.1; done; echo through", 120)
        .await
        .unwrap();
    let target = format!("targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]);
    keelson.command("long", &format!("documentName: long, {target}")).await.unwrap();
    hand_out(lab, &newer_agent());
    let before = epoch(lab).await;
    command(lab, "newer", "").await;
    let (status, said) = ended(lab, "newer").await;
    let updated =
        format!("keelson-agent {} is updated to {NEWER}, which is connected\n", env!("CARGO_PKG_VERSION"));
    assert!(status == RunStatus::Success && said.ends_with(&updated), "{status:?}: {said}");
    runs(lab, NEWER, before).await;
    lab.nodes[0].write("/root/go-on", "").unwrap();
    assert_eq!(ended(lab, "long").await, (RunStatus::Success, "through\n".into()));
    let version = lab.nodes[0].shell("/usr/local/bin/keelson-agent version").await.unwrap();
    assert_eq!(version, format!("keelson-agent {NEWER}\n"));
    let previous = lab.nodes[0].shell("/usr/local/bin/keelson-agent.previous version").await.unwrap();
    assert_eq!(previous, format!("keelson-agent {}\n", env!("CARGO_PKG_VERSION")));
    let mode =
        lab.nodes[0].host_path("/usr/local/bin/keelson-agent").unwrap().metadata().unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o755);
    no_trial_is_left(lab);
}

async fn what_is_installed_already_is_left(lab: &Lab) {
    let before = epoch(lab).await;
    command(lab, "again", "version: [latest]").await;
    let (status, said) = ended(lab, "again").await;
    assert!(status == RunStatus::Success && said.contains("is installed already"), "{said}");
    let by_hand = lab.nodes[0].shell("/usr/local/bin/keelson-agent update").await.unwrap();
    assert_eq!(by_hand, format!("keelson-agent {NEWER} is installed already\n"));
    assert_eq!(epoch(lab).await, before, "its daemon was started anew");
}

async fn another_version_is_refused(lab: &Lab) {
    command(lab, "other", "version: ['9.9.9']").await;
    let (status, said) = ended(lab, "other").await;
    assert_eq!(status, RunStatus::Failed);
    assert!(said.contains("9.9.9 was asked for and 9.1.0 is offered"), "{said}");
    let older = std::fs::read(assets::agent().unwrap()).unwrap();
    hand_out(lab, &older);
    command(lab, "older", "").await;
    let (status, said) = ended(lab, "older").await;
    assert!(status == RunStatus::Failed && said.contains("allow the downgrade"), "{said}");
}

async fn an_agent_that_does_not_run_gives_way_to_the_previous_one(lab: &Lab) {
    hand_out(lab, &broken_agent());
    let before = epoch(lab).await;
    command(lab, "broken", "").await;
    let (status, said) = ended(lab, "broken").await;
    assert_eq!(status, RunStatus::Failed);
    let told = format!(
        "{BROKEN} does not work here (its daemon does not stay up): the previous version runs again, {NEWER}"
    );
    assert!(said.contains(&told), "{said}");
    runs(lab, NEWER, before).await;
    no_trial_is_left(lab);
}

/// Waits until the broken program is in place.
async fn in_place(lab: &Lab) {
    eventually(SOON, "the broken program to be installed", || async {
        let program = lab.nodes[0].read("/usr/local/bin/keelson-agent")?;
        Ok(program.contains(BROKEN).then_some(()))
    })
    .await
    .unwrap();
}

async fn an_update_whose_watcher_dies_is_undone(lab: &Lab) {
    is_undone_after_the_death_of(lab, "orphaned", "[k]eelson-agent worker").await;
    let both = "[k]eelson-agent(.previous)? (worker|recover)";
    is_undone_after_the_death_of(lab, "orphaned-twice", both).await;
}

async fn is_undone_after_the_death_of(lab: &Lab, name: &str, processes: &str) {
    let before = epoch(lab).await;
    command(lab, name, "").await;
    in_place(lab).await;
    lab.nodes[0].shell(&format!("pkill -KILL -f '{processes}'")).await.unwrap();
    let node = runs(lab, NEWER, before).await;
    let (status, said) = ended(lab, name).await;
    assert!(status == RunStatus::Failed && said.contains("died"), "{} {said}", node.name_any());
    eventually(SOON, "nobody to be at the update any more", || async {
        let watching = lab.nodes[0].shell("pgrep -cf '[k]eelson-agent.previous recover' || true").await?;
        Ok((watching.trim() == "0").then_some(()))
    })
    .await
    .unwrap();
    no_trial_is_left(lab);
}

async fn an_update_that_loses_its_power_is_undone(lab: &Lab) {
    let before = epoch(lab).await;
    command(lab, "unplugged", "").await;
    in_place(lab).await;
    lab.nodes[0].crash().await.unwrap();
    lab.nodes[0].power_on().await.unwrap();
    runs(lab, NEWER, before).await;
    let (status, said) = ended(lab, "unplugged").await;
    assert!(status == RunStatus::Failed && said.contains("rebooted"), "{said}");
    no_trial_is_left(lab);
}
