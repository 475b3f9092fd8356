//! When an Association runs, and when it does not.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use std::collections::BTreeSet;
use std::time::Duration;

use keelson_api::{ASSOCIATION_LABEL, Association, AssociationStatus, CAUSE_ANNOTATION, Command, PingStatus};
use keelson_e2e::Lab;
use keelson_e2e::keelson::{AGENT_UNIT, has_ended};
use keelson_e2e::wait::eventually;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

const SOON: Duration = Duration::from_secs(30);
/// Long enough for a run that should not be to be seen: nodes are gathered for two seconds here.
const QUIET: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_run_is_made_when_one_is_owed_and_at_no_other_time() {
    let lab = Lab::start("association-runs", 2).await.unwrap();
    let content = serde_json::json!({
        "schemaVersion": "2.2",
        "parameters": { "word": { "type": "String", "default": "first" } },
        "mainSteps": [{
            "name": "note",
            "action": "aws:runShellScript",
            "inputs": { "runCommand": ["echo {{ word }} >> /root/runs"] },
        }],
    });
    lab.keelson.document("note", &content).await.unwrap();
    tag(&lab, 0, "live").await;
    lab.keelson.apply(MANIFEST).await.unwrap();
    node_says(&lab, 0, &["first"]).await;
    settled(&lab).await;

    a_node_that_newly_matches_is_caught_up_alone(&lab).await;
    reconnecting_alone_runs_nothing(&lab).await;
    a_node_that_was_away_catches_up_when_it_is_back(&lab).await;
    nothing_runs_while_it_is_suspended(&lab).await;
    other_parameters_run_at_once(&lab).await;
    a_far_cron_time_is_waited_for(&lab).await;
    lab.keelson.ensure_nothing_was_forbidden().await.unwrap();
}

const MANIFEST: &str = "{apiVersion: keelson.dev/v1alpha1, kind: Association, metadata: {name: noted}, spec: \
    {documentName: note, targets: [{key: 'tag:Stage', values: [live]}]}}";

async fn tag(lab: &Lab, index: usize, stage: &str) {
    let patch = format!("{{\"spec\":{{\"tags\":{{\"Stage\":\"{stage}\"}}}}}}");
    let line = format!("patch managednode {} --type merge -p {patch}", lab.names[index]);
    lab.keelson.kubectl(&line).await.unwrap();
}

async fn patch_spec(lab: &Lab, spec: &str) {
    let line = format!("patch association noted --type merge -p {{\"spec\":{spec}}}");
    lab.keelson.kubectl(&line).await.unwrap();
}

async fn ask_for_a_run(lab: &Lab, request: &str) {
    let line = format!("annotate association noted --overwrite keelson.dev/reconcile-at={request}");
    lab.keelson.kubectl(&line).await.unwrap();
}

/// Waits until exactly these runs were on a node.
async fn node_says(lab: &Lab, index: usize, words: &[&str]) {
    let wanted = words.join("\n") + "\n";
    eventually(SOON, &format!("{} to have run {words:?}", lab.names[index]), || async {
        let runs = lab.nodes[index].read("/root/runs").unwrap_or_default();
        anyhow::ensure!(runs == wanted, "it ran {runs:?}");
        Ok(Some(()))
    })
    .await
    .unwrap();
}

fn runs(lab: &Lab, index: usize) -> String {
    lab.nodes[index].read("/root/runs").unwrap()
}

async fn status(lab: &Lab, name: &str) -> AssociationStatus {
    let associations: Api<Association> = Api::namespaced(lab.client(), "default");
    associations.get(name).await.unwrap().status.unwrap_or_default()
}

/// Its status once nothing runs and no node is owed a run.
async fn settled(lab: &Lab) -> AssociationStatus {
    eventually(SOON, "the Association to have nothing to do", || async {
        let status = status(lab, "noted").await;
        let overview = status.overview.clone().unwrap_or_default();
        anyhow::ensure!(
            status.current_command.is_none() && overview.target_count > 0 && overview.pending_count == 0,
            "it runs {:?}, {overview:?}",
            status.current_command
        );
        Ok(Some(status))
    })
    .await
    .unwrap()
}

async fn commands(lab: &Lab, association: &str) -> Vec<Command> {
    let commands: Api<Command> = Api::namespaced(lab.client(), "default");
    let label = format!("{ASSOCIATION_LABEL}={association}");
    commands.list(&ListParams::default().labels(&label)).await.unwrap().items
}

async fn names_of_commands(lab: &Lab, association: &str) -> BTreeSet<String> {
    commands(lab, association).await.iter().map(kube::ResourceExt::name_any).collect()
}

/// Old Commands are cleaned away, so there may be fewer.
async fn no_command_but(lab: &Lab, known: &BTreeSet<String>) {
    let now = names_of_commands(lab, "noted").await;
    assert!(now.is_subset(known), "there were {known:?}, there are {now:?}");
}

/// The newest Command that was made to catch up, once it has ended.
async fn caught_up(lab: &Lab, not: &BTreeSet<String>) -> Command {
    eventually(SOON, "a Command that catches up", || async {
        let mut commands = commands(lab, "noted").await;
        commands.retain(|command| {
            let cause = command.annotations().get(CAUSE_ANNOTATION);
            has_ended(command)
                && cause.is_some_and(|cause| cause == "CatchUp")
                && !not.contains(&command.name_any())
        });
        anyhow::ensure!(commands.len() <= 1, "{} of them were made", commands.len());
        Ok(commands.pop())
    })
    .await
    .unwrap()
}

fn is_for_second_only(lab: &Lab, command: &Command) {
    let targets = &command.spec.targets;
    assert_eq!(targets.len(), 1, "{targets:?}");
    assert_eq!((targets[0].key.as_str(), &targets[0].values), ("InstanceIds", &vec![lab.names[1].clone()]));
    let status = command.status.clone().unwrap();
    assert_eq!((status.target_count, status.completed_count), (Some(1), Some(1)));
}

async fn a_node_that_newly_matches_is_caught_up_alone(lab: &Lab) {
    assert!(!lab.nodes[1].exists("/root/runs"), "a node that does not match has run it");
    let before = names_of_commands(lab, "noted").await;
    tag(lab, 1, "live").await;
    node_says(lab, 1, &["first"]).await;
    is_for_second_only(lab, &caught_up(lab, &before).await);
    let overview = settled(lab).await.overview.unwrap();
    assert_eq!((overview.target_count, overview.success_count), (2, 2));
    assert_eq!(runs(lab, 0), "first\n", "it ran again where it had run");
}

async fn reconnecting_alone_runs_nothing(lab: &Lab) {
    let before = names_of_commands(lab, "noted").await;
    let epoch = lab.keelson.online("node1").await.unwrap().status.unwrap().agent.unwrap().epoch;
    lab.nodes[0].shell(&format!("systemctl restart {AGENT_UNIT}")).await.unwrap();
    eventually(SOON, "the node to reconnect", || async {
        let agent = lab.keelson.online("node1").await?.status.and_then(|status| status.agent);
        Ok((agent.unwrap_or_default().epoch > epoch).then_some(()))
    })
    .await
    .unwrap();
    tokio::time::sleep(QUIET).await; // time for a run that should not be
    no_command_but(lab, &before).await;
    assert_eq!((runs(lab, 0).as_str(), runs(lab, 1).as_str()), ("first\n", "first\n"));
}

async fn a_node_that_was_away_catches_up_when_it_is_back(lab: &Lab) {
    lab.nodes[1].shell(&format!("systemctl stop {AGENT_UNIT}")).await.unwrap();
    lab.keelson.node_with("node2", PingStatus::ConnectionLost, SOON).await.unwrap();
    let before = names_of_commands(lab, "noted").await;
    ask_for_a_run(lab, "one").await;
    node_says(lab, 0, &["first", "first"]).await;
    eventually(SOON, "the node that is away to be owed a run", || async {
        let status = status(lab, "noted").await;
        let overview = status.overview.clone().unwrap_or_default();
        let owed = status.current_command.is_none() && overview.pending_count == 1;
        anyhow::ensure!(owed, "it runs {:?}, {overview:?}", status.current_command);
        Ok(Some(()))
    })
    .await
    .unwrap();
    assert_eq!(runs(lab, 1), "first\n");
    lab.nodes[1].shell(&format!("systemctl start {AGENT_UNIT}")).await.unwrap();
    node_says(lab, 1, &["first", "first"]).await;
    is_for_second_only(lab, &caught_up(lab, &before).await);
    settled(lab).await;
    assert_eq!(runs(lab, 0), "first\nfirst\n", "it ran again where it had run");
}

async fn nothing_runs_while_it_is_suspended(lab: &Lab) {
    patch_spec(lab, "{\"suspend\":true}").await;
    let before = names_of_commands(lab, "noted").await;
    ask_for_a_run(lab, "two").await;
    tokio::time::sleep(QUIET).await; // time for a run that should not be
    no_command_but(lab, &before).await;
    assert_eq!(status(lab, "noted").await.last_handled_reconcile_at.as_deref(), Some("one"));
    patch_spec(lab, "{\"suspend\":false}").await;
    for index in [0, 1] {
        node_says(lab, index, &["first", "first", "first"]).await;
    }
    assert_eq!(settled(lab).await.last_handled_reconcile_at.as_deref(), Some("two"));
}

async fn other_parameters_run_at_once(lab: &Lab) {
    patch_spec(lab, "{\"parameters\":{\"word\":[\"second\"]}}").await;
    for index in [0, 1] {
        node_says(lab, index, &["first", "first", "first", "second"]).await;
    }
    let overview = settled(lab).await.overview.unwrap();
    assert_eq!((overview.target_count, overview.success_count), (2, 2));
}

async fn a_far_cron_time_is_waited_for(lab: &Lab) {
    let manifest = MANIFEST.replace("name: noted", "name: later").replace(
        "documentName: note",
        "documentName: note, scheduleExpression: 'cron(0 0 1 1 ? 2099)', applyOnlyAtCronInterval: true",
    );
    lab.keelson.apply(&manifest).await.unwrap();
    let next = eventually(SOON, "the Association to be looked at", || async {
        Ok(status(lab, "later").await.next_execution_time)
    })
    .await
    .unwrap();
    assert_eq!(next.0.to_string(), "2099-01-01T00:00:00Z");
    tokio::time::sleep(QUIET).await; // time for a run that should not be
    assert_eq!(names_of_commands(lab, "later").await, BTreeSet::new());
}
