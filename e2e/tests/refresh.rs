//! What `aws:refreshAssociation` makes run again, and what it does not.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use std::time::Duration;

use keelson_api::{ASSOCIATION_LABEL, CAUSE_ANNOTATION, Command};
use keelson_e2e::Lab;
use keelson_e2e::wait::eventually;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

const SOON: Duration = Duration::from_secs(30);
/// Long enough for a run that should not be to be seen: nodes are gathered for two seconds here.
const QUIET: Duration = Duration::from_secs(8);

#[tokio::test]
async fn what_a_run_on_a_node_asks_for_runs_there_once() {
    let lab = Lab::start("refresh", 2).await.unwrap();
    for name in ["one", "other"] {
        lab.keelson.document(name, &document(name, None)).await.unwrap();
        associate(&lab, name, "").await;
    }
    for index in [0, 1] {
        ran(&lab, index, "one", 1).await;
        ran(&lab, index, "other", 1).await;
    }
    lab.keelson.document("ask", &document("ask", Some("{{ names }}"))).await.unwrap();

    a_named_association_runs_on_that_node_alone(&lab).await;
    without_a_name_all_of_the_node_run(&lab).await;
    one_that_waits_for_its_cron_time_runs_when_it_is_asked_for(&lab).await;
    associations_that_ask_for_all_do_not_keep_each_other_going(&lab).await;
    lab.keelson.ensure_nothing_was_forbidden().await.unwrap();
}

/// Notes that it runs, and then asks for Associations.
fn document(name: &str, names: Option<&str>) -> serde_json::Value {
    let note = format!("echo run >> /root/runs-{name}");
    let mut steps = vec![serde_json::json!({
        "name": "note", "action": "aws:runShellScript", "inputs": { "runCommand": [note] },
    })];
    steps.extend(names.map(|names| {
        serde_json::json!({
            "name": "ask", "action": "aws:refreshAssociation", "inputs": { "associationIds": names },
        })
    }));
    let mut content = serde_json::json!({ "schemaVersion": "2.2", "mainSteps": steps });
    if names.is_some() {
        content["parameters"] = serde_json::json!({ "names": { "type": "StringList", "default": [] } });
    }
    content
}

async fn associate(lab: &Lab, name: &str, schedule: &str) {
    let manifest = format!(
        "{{apiVersion: keelson.dev/v1alpha1, kind: Association, metadata: {{name: {name}}}, spec: \
         {{documentName: {name}, targets: [{{key: 'tag:Role', values: [web]}}]{schedule}}}}}"
    );
    lab.keelson.apply(&manifest).await.unwrap();
}

async fn ask(lab: &Lab, command: &str, names: &str) {
    let target = format!("targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]);
    let spec = format!("documentName: ask, parameters: {{names: [{names}]}}, {target}");
    lab.keelson.command(command, &spec).await.unwrap();
    lab.keelson.ended(command, SOON).await.unwrap();
}

fn count(lab: &Lab, index: usize, name: &str) -> usize {
    lab.nodes[index].read(&format!("/root/runs-{name}")).unwrap_or_default().lines().count()
}

/// Waits until a document has run so often on a node.
async fn ran(lab: &Lab, index: usize, name: &str, times: usize) {
    eventually(SOON, &format!("{name} to have run {times} times on {}", lab.names[index]), || async {
        let is = count(lab, index, name);
        anyhow::ensure!(is == times, "it ran {is} times");
        Ok(Some(()))
    })
    .await
    .unwrap();
}

/// Waits until each document has run so often on each node, and sees that nothing more comes.
async fn settles(lab: &Lab, names: &[&str], expected: &[[usize; 2]]) {
    let counts = || names.iter().map(|name| [0, 1].map(|index| count(lab, index, name))).collect::<Vec<_>>();
    eventually(SOON, &format!("{names:?} to have run {expected:?} times"), || async {
        let are = counts();
        anyhow::ensure!(are == expected, "they ran {are:?} times");
        Ok(Some(()))
    })
    .await
    .unwrap();
    tokio::time::sleep(QUIET).await; // time for a run that should not be
    assert_eq!(counts(), expected, "{names:?} go on running");
}

async fn commands(lab: &Lab, association: &str, cause: &str) -> Vec<Command> {
    let commands: Api<Command> = Api::namespaced(lab.client(), "default");
    let label = format!("{ASSOCIATION_LABEL}={association}");
    let mut items = commands.list(&ListParams::default().labels(&label)).await.unwrap().items;
    items.retain(|command| command.annotations().get(CAUSE_ANNOTATION).is_some_and(|is| is == cause));
    items
}

async fn a_named_association_runs_on_that_node_alone(lab: &Lab) {
    ask(lab, "ask-one", "one").await;
    settles(lab, &["one", "other"], &[[2, 1], [1, 1]]).await;
    let made = commands(lab, "one", "Refresh").await;
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].spec.targets[0].values, [lab.names[0].clone()]);
    assert!(commands(lab, "other", "Refresh").await.is_empty());
}

async fn without_a_name_all_of_the_node_run(lab: &Lab) {
    ask(lab, "ask-all", "").await;
    ask(lab, "ask-for-nobody", "no-such-association").await;
    settles(lab, &["one", "other"], &[[3, 1], [2, 1]]).await;
}

async fn one_that_waits_for_its_cron_time_runs_when_it_is_asked_for(lab: &Lab) {
    lab.keelson.document("later", &document("later", None)).await.unwrap();
    let cron = ", scheduleExpression: 'cron(0 0 1 1 ? 2099)', applyOnlyAtCronInterval: true";
    associate(lab, "later", cron).await;
    settles(lab, &["later"], &[[0, 0]]).await;
    ask(lab, "ask-later", "later").await;
    settles(lab, &["later"], &[[1, 0]]).await;
}

/// Each asks for all when it first runs, so that the other one runs once more, and that is the end of it.
async fn associations_that_ask_for_all_do_not_keep_each_other_going(lab: &Lab) {
    for name in ["ping", "pong"] {
        lab.keelson.document(name, &document(name, Some("{{ names }}"))).await.unwrap();
    }
    associate(lab, "ping", "").await;
    settles(lab, &["ping", "one", "other"], &[[1, 1], [4, 2], [3, 2]]).await;
    associate(lab, "pong", "").await;
    settles(lab, &["ping", "pong", "one"], &[[2, 2], [1, 1], [5, 3]]).await;
}
