//! Versions of a Document: made by changes, run by number, pinned, pruned, and gone with it.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use std::time::Duration;

use k8s_openapi::api::apps::v1::ControllerRevision;
use keelson_api::{Association, AssociationStatus, Document, DocumentStatus, condition};
use keelson_e2e::Lab;
use keelson_e2e::keelson::invocation_of;
use keelson_e2e::wait::eventually;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);
/// Kubernetes' garbage collector learns of new kinds every half a minute, and asks for their objects ever less often.
const COLLECTED: Duration = Duration::from_secs(180);

#[tokio::test]
async fn every_content_is_a_version_that_can_be_run_pinned_and_pruned() {
    let lab = Lab::start("versions", 1).await.unwrap();
    a_change_makes_a_version_and_the_old_one_still_runs(&lab).await;
    an_association_follows_what_default_means(&lab).await;
    old_versions_are_pruned_but_for_those_in_use(&lab).await;
    versions_go_with_their_document(&lab).await;
    versions_that_were_left_behind_are_in_nobodys_way(&lab).await;
    lab.keelson.ensure_nothing_was_forbidden().await.unwrap();
}

fn script(line: &str) -> Value {
    json!({
        "schemaVersion": "2.2",
        "mainSteps": [{ "name": "say", "action": "aws:runShellScript", "inputs": { "runCommand": [line] } }],
    })
}

/// Applies a Document with more in its spec than content, and returns its status once that is true of it.
async fn apply(lab: &Lab, name: &str, line: &str, more: Value) -> DocumentStatus {
    let mut spec = json!({ "content": script(line) });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let manifest = json!({
        "apiVersion": "keelson.dev/v1alpha1", "kind": "Document", "metadata": { "name": name }, "spec": spec,
    });
    lab.keelson.apply(&manifest.to_string()).await.unwrap();
    let documents: Api<Document> = Api::namespaced(lab.client(), "default");
    eventually(SOON, &format!("Document {name} to be ready"), || async {
        let document = documents.get(name).await?;
        let status = document.status.unwrap_or_default();
        let current = status.observed_generation == document.metadata.generation;
        Ok((current && condition::is_true(&status.conditions, condition::READY)).then_some(status))
    })
    .await
    .unwrap()
}

/// What a Command of this version of a Document says on the node.
async fn said(lab: &Lab, command: &str, document: &str, version: &str) -> String {
    let target = format!("targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]);
    let spec = format!("documentName: {document}, documentVersion: {version}, {target}");
    lab.keelson.command(command, &spec).await.unwrap();
    let status = lab.keelson.ended(command, SOON).await.unwrap().status.unwrap();
    assert_eq!(status.status_details.as_deref(), Some("Success"), "{command}: {:?}", status.conditions);
    invocation_of(&lab.client(), command).await.unwrap().status.unwrap().steps[0].output.clone()
}

async fn a_change_makes_a_version_and_the_old_one_still_runs(lab: &Lab) {
    let first = apply(lab, "say", "echo one", json!({})).await;
    assert_eq!(first.latest_version.as_deref(), Some("1"));
    let second = apply(lab, "say", "echo two", json!({})).await;
    assert_eq!(second.latest_version.as_deref(), Some("2"));
    assert_eq!(second.default_version.as_deref(), Some("2"));
    assert_eq!(second.versions[0], first.versions[0], "the first version has changed");
    assert_ne!(second.versions[1].hash, second.versions[0].hash);
    assert_eq!(said(lab, "pinned", "say", "'1'").await, "one\n");
    assert_eq!(said(lab, "default", "say", "$DEFAULT").await, "two\n");
    assert_eq!(said(lab, "latest", "say", "$LATEST").await, "two\n");
}

/// The Association's status once it has applied a version, and the last line it left on the node is that version's.
async fn applied(lab: &Lab, version: &str, line: &str) -> AssociationStatus {
    let associations: Api<Association> = Api::namespaced(lab.client(), "default");
    eventually(SOON, &format!("version {version} to be applied"), || async {
        let status = associations.get("following").await?.status.unwrap_or_default();
        let last = lab.nodes[0].read("/root/said").unwrap_or_default();
        let done = status.document_version.as_deref() == Some(version)
            && status.current_command.is_none()
            && last.lines().last() == Some(line);
        anyhow::ensure!(done, "it has {:?}, and the node said {last:?}", status.document_version);
        Ok(Some(status))
    })
    .await
    .unwrap()
}

async fn an_association_follows_what_default_means(lab: &Lab) {
    apply(lab, "state", "echo one >> /root/said", json!({})).await;
    let manifest = json!({
        "apiVersion": "keelson.dev/v1alpha1", "kind": "Association", "metadata": { "name": "following" },
        "spec": { "documentName": "state", "targets": [{ "key": "tag:Role", "values": ["web"] }] },
    });
    lab.keelson.apply(&manifest.to_string()).await.unwrap();
    applied(lab, "1", "one").await;
    apply(lab, "state", "echo two >> /root/said", json!({})).await;
    applied(lab, "2", "two").await;

    let pinned = apply(lab, "state", "echo two >> /root/said", json!({ "defaultVersion": "1" })).await;
    assert_eq!((pinned.default_version.as_deref(), pinned.latest_version.as_deref()), (Some("1"), Some("2")));
    applied(lab, "1", "one").await;
    let tried = apply(lab, "state", "echo three", json!({ "defaultVersion": "1" })).await;
    assert_eq!((tried.default_version.as_deref(), tried.latest_version.as_deref()), (Some("1"), Some("3")));
    assert_eq!(said(lab, "tried", "state", "$LATEST").await, "three\n");
    let status = applied(lab, "1", "one").await;
    assert_eq!(status.document_version.as_deref(), Some("1"));
    assert_eq!(
        lab.nodes[0].read("/root/said").unwrap(),
        "one\ntwo\none\n",
        "a version ran that is not the default"
    );
}

fn numbers(status: &DocumentStatus) -> Vec<&str> {
    status.versions.iter().map(|version| version.version.as_str()).collect()
}

async fn old_versions_are_pruned_but_for_those_in_use(lab: &Lab) {
    let more = json!({ "defaultVersion": "1", "versionHistoryLimit": 2 });
    apply(lab, "kept", "echo default", more.clone()).await;
    apply(lab, "kept", "echo pinned", more.clone()).await;
    let manifest = json!({
        "apiVersion": "keelson.dev/v1alpha1", "kind": "Association", "metadata": { "name": "pinning" },
        "spec": {
            "documentName": "kept", "documentVersion": "2",
            "targets": [{ "key": "tag:Role", "values": ["nobody"] }],
        },
    });
    lab.keelson.apply(&manifest.to_string()).await.unwrap();
    let long = "touch /root/begun; while [ ! -e /root/go-on ]; do sleep 0.1; done; echo running";
    apply(lab, "kept", long, more.clone()).await;
    let target = format!("targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]);
    lab.keelson
        .command("running", &format!("documentName: kept, documentVersion: $LATEST, {target}"))
        .await
        .unwrap();
    eventually(SOON, "the script to begin", || async {
        Ok(lab.nodes[0].exists("/root/begun").then_some(()))
    })
    .await
    .unwrap();
    for line in ["echo four", "echo five", "echo six"] {
        apply(lab, "kept", line, more.clone()).await;
    }
    let status = apply(lab, "kept", "echo seven", more.clone()).await;
    assert_eq!(numbers(&status), ["1", "2", "3", "7"], "default, pinned, running and newest");
    assert_eq!(revisions(lab, "kept").await, 4);

    lab.nodes[0].shell("touch /root/go-on").await.unwrap();
    lab.keelson.ended("running", SOON).await.unwrap();
    let output =
        invocation_of(&lab.client(), "running").await.unwrap().status.unwrap().steps[0].output.clone();
    assert_eq!(output, "running\n");
    assert_eq!(said(lab, "still-there", "kept", "'2'").await, "pinned\n");
    lab.keelson.kubectl("delete association pinning").await.unwrap();
    // What nobody uses any more goes with the next change.
    let status = apply(lab, "kept", "echo eight", more).await;
    assert_eq!(numbers(&status), ["1", "8"]);
    assert_eq!(said(lab, "the-default", "kept", "$DEFAULT").await, "default\n");
}

/// How many versions of a Document the cluster holds.
async fn revisions(lab: &Lab, document: &str) -> usize {
    let api: Api<ControllerRevision> = Api::namespaced(lab.client(), "default");
    let all = api.list(&ListParams::default()).await.unwrap();
    let owned = all.iter().filter(|revision| {
        revision.owner_references().iter().any(|owner| owner.kind == "Document" && owner.name == document)
    });
    owned.count()
}

async fn versions_go_with_their_document(lab: &Lab) {
    assert_eq!(revisions(lab, "say").await, 2);
    lab.keelson.kubectl("delete document say").await.unwrap();
    // One of the same name starts anew, whether or not the old versions are collected yet.
    let status = apply(lab, "say", "echo again", json!({})).await;
    assert_eq!(status.latest_version.as_deref(), Some("1"));
    assert_eq!(said(lab, "anew", "say", "'1'").await, "again\n");
    eventually(COLLECTED, "the versions of the old Document to go", || async {
        Ok((revisions(lab, "say").await == 1).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(said(lab, "still-anew", "say", "'1'").await, "again\n");
    assert_eq!(revisions(lab, "kept").await, 2, "versions of another Document have gone with it");
}

async fn versions_that_were_left_behind_are_in_nobodys_way(lab: &Lab) {
    lab.keelson.kubectl("delete document kept --cascade=orphan").await.unwrap();
    let status = apply(lab, "kept", "echo anew", json!({})).await;
    assert_eq!(numbers(&status), ["1"]);
    assert_eq!(said(lab, "made-again", "kept", "$DEFAULT").await, "anew\n");
}
