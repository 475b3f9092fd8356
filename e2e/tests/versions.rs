//! Versions of a Document: made by changes, run by number and by name, pinned, protected while in use, pruned, and gone
//! with it.
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
    let lab = Lab::start("versions", 2).await.unwrap();
    a_change_makes_a_version_and_the_old_one_still_runs(&lab).await;
    an_association_follows_what_default_means(&lab).await;
    a_name_means_its_version_for_ever(&lab).await;
    documents_of_other_types_are_kept_in_versions_too(&lab).await;
    a_run_is_as_strict_as_its_document_unless_it_says_otherwise(&lab).await;
    a_version_in_use_is_not_deleted(&lab).await;
    what_a_running_command_calls_is_frozen_and_in_use(&lab).await;
    documents_that_are_applied_after_their_command_are_called(&lab).await;
    runs_that_follow_each_other_write_to_no_version(&lab).await;
    runs_outlive_their_documents(&lab).await;
    a_namespace_with_versions_in_use_can_be_deleted(&lab).await;
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

/// Applies a Document with more in its spec than content; the generation that it has then.
async fn put(lab: &Lab, name: &str, line: &str, more: Value) -> Option<i64> {
    let mut spec = json!({ "content": script(line) });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let manifest = json!({
        "apiVersion": "keelson.dev/v1alpha1", "kind": "Document", "metadata": { "name": name }, "spec": spec,
    });
    lab.keelson.apply(&manifest.to_string()).await.unwrap();
    let documents: Api<Document> = Api::namespaced(lab.client(), "default");
    documents.get(name).await.unwrap().metadata.generation
}

/// The same, and its status once that is true of it.
async fn apply(lab: &Lab, name: &str, line: &str, more: Value) -> DocumentStatus {
    put(lab, name, line, more).await;
    ready(lab, name).await
}

/// The status of a Document once it is ready as it is.
async fn ready(lab: &Lab, name: &str) -> DocumentStatus {
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
        "spec": { "documentName": "state", "targets": [{ "key": "InstanceIds", "values": [lab.names[0]] }] },
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

async fn a_name_means_its_version_for_ever(lab: &Lab) {
    let first = apply(lab, "named", "echo one", json!({ "versionName": "stable" })).await;
    assert_eq!(first.versions[0].version_name.as_deref(), Some("stable"));
    assert_eq!(first.default_version_name.as_deref(), Some("stable"));
    apply(lab, "named", "echo two", json!({})).await;
    let second = apply(lab, "named", "echo two", json!({ "versionName": "release-2" })).await;
    assert_eq!(numbers(&second), ["1", "2"], "a name alone makes no version");
    assert_eq!(second.versions[1].version_name.as_deref(), Some("release-2"));
    assert_eq!(said(lab, "by-name", "named", "stable").await, "one\n");

    // The name of the first version is given to no other content.
    let message = stalled(lab, "named", "echo three", json!({ "versionName": "stable" })).await;
    assert_eq!(
        message,
        "spec.versionName: \"stable\" names version 1 already, and never names another: give this content another name, or none"
    );
    let message = stalled(lab, "named", "echo two", json!({ "versionName": "stable-2" })).await;
    assert!(message.contains("version 2 (release-2) has a name already"), "{message}");
    let message = stalled(lab, "named", "echo two", json!({ "defaultVersion": "stabel" })).await;
    assert!(message.contains("give $LATEST or one of 1 (stable), 2 (release-2)"), "{message}");

    let pinned = apply(lab, "named", "echo two", json!({ "defaultVersion": "stable" })).await;
    assert_eq!((numbers(&pinned).len(), pinned.default_version.as_deref()), (2, Some("1")));
    assert_eq!(said(lab, "named-default", "named", "$DEFAULT").await, "one\n");
    let shown = lab.keelson.kubectl("get document named -o wide").await.unwrap();
    let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        lines[0],
        [
            "NAME",
            "TYPE",
            "DEFAULT",
            "LATEST",
            "PLATFORMS",
            "READY",
            "VERSION-NAME",
            "SCHEMA",
            "MESSAGE",
            "AGE"
        ]
    );
    assert_eq!(lines[1][..4], ["named", "Command", "1", "2"], "{shown}");
    assert!(shown.contains("Linux, MacOS") && shown.contains("stable") && shown.contains("2.2"), "{shown}");
    assert!(shown.contains("version 1 (stable) is the default of 2"), "{shown}");
}

/// What is said of a Document that is applied so and cannot be followed.
async fn stalled(lab: &Lab, name: &str, line: &str, more: Value) -> String {
    let generation = put(lab, name, line, more).await;
    let documents: Api<Document> = Api::namespaced(lab.client(), "default");
    eventually(SOON, &format!("Document {name} to be stalled"), || async {
        let status = documents.get(name).await?.status.unwrap_or_default();
        let stalled = condition::get(&status.conditions, condition::STALLED);
        let stalled = stalled.filter(|stalled| stalled.observed_generation == generation);
        Ok(stalled.map(|stalled| stalled.message.clone()))
    })
    .await
    .unwrap()
}

async fn documents_of_other_types_are_kept_in_versions_too(lab: &Lab) {
    let calendar = |title: &str| {
        format!(
            "BEGIN:VCALENDAR\r\nPRODID:-//AWS//Change Calendar 1.0//EN\r\nVERSION:2.0\r\nX-CALENDAR-TYPE:DEFAULT_OPEN\r\nX-WR-CALDESC:{title}\r\nEND:VCALENDAR\r\n"
        )
    };
    for (title, latest) in [("quiet days", "1"), ("quieter days", "2")] {
        let manifest = json!({
            "apiVersion": "keelson.dev/v1alpha1", "kind": "Document", "metadata": { "name": "calendar" },
            "spec": { "documentType": "ChangeCalendar", "content": calendar(title) },
        });
        lab.keelson.apply(&manifest.to_string()).await.unwrap();
        let status = ready(lab, "calendar").await;
        assert_eq!(status.latest_version.as_deref(), Some(latest));
        assert_eq!(status.document_format, Some(keelson_api::DocumentFormat::Text));
    }
    let message = lab
        .keelson
        .kubectl("patch document calendar --type merge -p {\"spec\":{\"documentType\":\"Command\"}}");
    let message = message.await.unwrap_err().to_string();
    assert!(message.contains("spec.documentType is immutable"), "{message}");

    let target = format!("targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]);
    lab.keelson.command("run-calendar", &format!("documentName: calendar, {target}")).await.unwrap();
    let status = lab.keelson.ended("run-calendar", SOON).await.unwrap().status.unwrap();
    let failed = condition::get(&status.conditions, condition::FAILED).unwrap();
    assert_eq!(failed.reason, "DocumentTypeNotRunnable");
    assert!(failed.message.contains("is of type ChangeCalendar: a calendar"), "{}", failed.message);
}

/// How the steps of a Command ended on its one node.
async fn steps(lab: &Lab, command: &str, spec: &str) -> Vec<String> {
    let target = format!("targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]);
    lab.keelson.command(command, &format!("{spec}, {target}")).await.unwrap();
    lab.keelson.ended(command, SOON).await.unwrap();
    let status = invocation_of(&lab.client(), command).await.unwrap().status.unwrap();
    status.steps.iter().map(|step| format!("{} {}", step.status, step.response_code)).collect()
}

async fn a_run_is_as_strict_as_its_document_unless_it_says_otherwise(lab: &Lab) {
    let step = |name: &str, line: &str| json!({ "name": name, "action": "aws:runShellScript", "inputs": { "runCommand": [line] } });
    let content = json!({
        "schemaVersion": "2.2",
        "mainSteps": [step("careless", "false; echo on"), step("failing", "exit 3"), step("last", "echo end")],
    });
    let manifest = json!({
        "apiVersion": "keelson.dev/v1alpha1", "kind": "Document", "metadata": { "name": "strict" },
        "spec": { "failFast": true, "content": content },
    });
    lab.keelson.apply(&manifest.to_string()).await.unwrap();
    ready(lab, "strict").await;
    assert_eq!(
        steps(lab, "as-document", "documentName: strict").await,
        ["Success 0", "Failed 3", "Skipped 0"]
    );
    assert_eq!(
        steps(lab, "patient", "documentName: strict, failFast: false").await,
        ["Success 0", "Failed 3", "Success 0"]
    );
    let strict = steps(lab, "stricter", "documentName: strict, strictScripts: true").await;
    assert_eq!(strict, ["Failed 1", "Skipped 0", "Skipped 0"]);
    let invocation = invocation_of(&lab.client(), "patient").await.unwrap();
    let (spec, status) = (invocation.spec, invocation.status.unwrap());
    assert!(!spec.fail_fast && !spec.strict_scripts);
    let first = &status.steps[0];
    assert!(first.start_time.is_some() && first.end_time.is_some());
    assert_eq!(first.output_key, format!("{}/0", status.output_key.unwrap()));

    let association = json!({
        "apiVersion": "keelson.dev/v1alpha1", "kind": "Association", "metadata": { "name": "strict" },
        "spec": {
            "documentName": "strict", "strictScripts": true,
            "targets": [{ "key": "InstanceIds", "values": [lab.names[0]] }],
        },
    });
    lab.keelson.apply(&association.to_string()).await.unwrap();
    let associations: Api<Association> = Api::namespaced(lab.client(), "default");
    let run = eventually(SOON, "the strict Association to have run", || async {
        let status = associations.get("strict").await?.status.unwrap_or_default();
        Ok(status.last_command.map(|last| last.name))
    })
    .await
    .unwrap();
    let spec = invocation_of(&lab.client(), &run).await.unwrap().spec;
    assert_eq!((spec.fail_fast, spec.strict_scripts), (true, true), "one is the Document's word");
    lab.keelson.kubectl("delete association strict").await.unwrap();
}

/// The revision that holds a version.
async fn revision_of(lab: &Lab, document: &str, version: &str) -> String {
    let documents: Api<Document> = Api::namespaced(lab.client(), "default");
    let status = documents.get(document).await.unwrap().status.unwrap();
    status.versions.iter().find(|known| known.version == version).unwrap().revision.clone()
}

/// Waits until the deletion of a version is refused with all of these texts.
async fn deletion_is_refused(lab: &Lab, revision: &str, texts: &[&str]) {
    let delete = format!("delete controllerrevision {revision} --dry-run=server");
    eventually(SOON, &format!("the deletion of {revision} to be refused with {texts:?}"), || async {
        let said = match lab.keelson.kubectl(&delete).await {
            Ok(_) => "it would be deleted".to_owned(),
            Err(error) => error.to_string(),
        };
        let revisions: Api<ControllerRevision> = Api::namespaced(lab.client(), "default");
        let known = revisions.get(revision).await?.metadata.annotations.unwrap_or_default();
        anyhow::ensure!(texts.iter().all(|text| said.contains(text)), "{said}; it says {known:?}");
        Ok(Some(()))
    })
    .await
    .unwrap();
}

async fn a_version_in_use_is_not_deleted(lab: &Lab) {
    let waiting =
        |mark: &str| format!("touch /root/{mark}; while [ ! -e /root/go-{mark} ]; do sleep 0.1; done");
    apply(lab, "guarded", &waiting("used"), json!({ "versionName": "waits" })).await;
    apply(lab, "guarded", "echo nobody", json!({})).await;
    apply(lab, "guarded", "echo kept", json!({})).await;
    apply(lab, "guarded", "echo four", json!({ "defaultVersion": "3" })).await;
    let manifest = json!({
        "apiVersion": "keelson.dev/v1alpha1", "kind": "Association", "metadata": { "name": "guard" },
        "spec": {
            "documentName": "Guarded", "documentVersion": "waits",
            "targets": [{ "key": "tag:Role", "values": ["nobody"] }],
        },
    });
    lab.keelson.apply(&manifest.to_string()).await.unwrap();
    let (first, second) = (revision_of(lab, "guarded", "1").await, revision_of(lab, "guarded", "2").await);
    let (third, fourth) = (revision_of(lab, "guarded", "3").await, revision_of(lab, "guarded", "4").await);
    deletion_is_refused(lab, &third, &["version 3 of Document guarded is in use as the default version"])
        .await;
    deletion_is_refused(lab, &fourth, &["version 4 of Document guarded is in use as the newest version"])
        .await;
    deletion_is_refused(
        lab,
        &first,
        &[
            "version 1 (waits) of Document guarded is in use by Association default/guard",
            "at another one first",
        ],
    )
    .await;
    let all = lab.keelson.kubectl("delete controllerrevisions --all --dry-run=server").await.unwrap_err();
    assert!(all.to_string().contains("is in use"), "{all:#}");

    let target = format!("targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]);
    let spec = format!("documentName: guarded, documentVersion: waits, {target}");
    lab.keelson.command("guarding", &spec).await.unwrap();
    deletion_is_refused(lab, &first, &["Association default/guard and Command default/guarding"]).await;
    lab.keelson.kubectl("delete association guard").await.unwrap();
    deletion_is_refused(lab, &first, &["in use by Command default/guarding: "]).await;

    lab.keelson.kubectl(&format!("delete controllerrevision {second}")).await.unwrap();
    lab.nodes[0].shell("touch /root/go-used").await.unwrap();
    lab.keelson.ended("guarding", SOON).await.unwrap();
    eventually(SOON, "a version that nobody uses any more to be deletable", || async {
        lab.keelson.kubectl(&format!("delete controllerrevision {first}")).await?;
        Ok(Some(()))
    })
    .await
    .unwrap();
    let status = apply(lab, "guarded", "echo five", json!({ "defaultVersion": "3" })).await;
    assert_eq!(
        numbers(&status),
        ["3", "4", "5"],
        "the numbers of versions that are gone are not given again"
    );
}

async fn what_a_running_command_calls_is_frozen_and_in_use(lab: &Lab) {
    let slow = "touch /root/called; while [ ! -e /root/go-called ]; do sleep 0.1; done; echo child one";
    apply(lab, "child", slow, json!({ "versionName": "first" })).await;
    let step = |version: &str| {
        json!({ "name": "call", "action": "aws:runDocument", "inputs": {
            "documentType": "SSMDocument", "documentPath": format!("Child:{version}"),
        } })
    };
    let content = json!({ "schemaVersion": "2.2", "mainSteps": [step("first")] });
    lab.keelson.document("parent", &content).await.unwrap();
    let target = format!("targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]);
    lab.keelson.command("calling", &format!("documentName: parent, {target}")).await.unwrap();
    eventually(SOON, "the called document to begin", || async {
        Ok(lab.nodes[0].exists("/root/called").then_some(()))
    })
    .await
    .unwrap();
    apply(lab, "child", "echo child two", json!({})).await;
    let child = revision_of(lab, "child", "1").await;
    deletion_is_refused(
        lab,
        &child,
        &["version 1 (first) of Document child is in use by Command default/calling"],
    )
    .await;
    lab.nodes[0].shell("touch /root/go-called").await.unwrap();
    let status = lab.keelson.ended("calling", SOON).await.unwrap().status.unwrap();
    assert_eq!(status.status_details.as_deref(), Some("Success"), "{:?}", status.conditions);
    let called = &status.called_documents[0];
    assert_eq!((called.name.as_str(), called.version.as_str()), ("child", "first"));
    assert_eq!((called.document.version.as_str(), called.document.revision.as_str()), ("1", child.as_str()));
    let invocation = invocation_of(&lab.client(), "calling").await.unwrap();
    assert_eq!(invocation.spec.called_documents, status.called_documents);
    assert!(invocation.status.unwrap().steps[0].output.contains("child one"));
    eventually(SOON, "the called version to be deletable", || async {
        lab.keelson.kubectl(&format!("delete controllerrevision {child}")).await?;
        Ok(Some(()))
    })
    .await
    .unwrap();
}

/// A Document whose one step runs another.
fn caller(name: &str, called: &str) -> Value {
    let inputs = json!({ "documentType": "SSMDocument", "documentPath": called });
    let step = json!({ "name": "call", "action": "aws:runDocument", "inputs": inputs });
    json!({
        "apiVersion": "keelson.dev/v1alpha1", "kind": "Document", "metadata": { "name": name },
        "spec": { "content": { "schemaVersion": "2.2", "mainSteps": [step] } },
    })
}

async fn documents_that_are_applied_after_their_command_are_called(lab: &Lab) {
    let command = json!({
        "apiVersion": "keelson.dev/v1alpha1", "kind": "Command", "metadata": { "name": "ahead" },
        "spec": { "documentName": "ahead", "targets": [{ "key": "InstanceIds", "values": [lab.names[0]] }] },
    });
    let called = json!({
        "apiVersion": "keelson.dev/v1alpha1", "kind": "Document", "metadata": { "name": "behind" },
        "spec": { "content": script("echo behind") },
    });
    let all = [command, caller("ahead", "behind"), called].map(|object| object.to_string());
    lab.keelson.apply(&all.join("\n---\n")).await.unwrap();
    let status = lab.keelson.ended("ahead", SOON).await.unwrap().status.unwrap();
    assert_eq!(status.status_details.as_deref(), Some("Success"), "{:?}", status.conditions);
}

async fn runs_that_follow_each_other_write_to_no_version(lab: &Lab) {
    apply(lab, "inner", "echo inner", json!({})).await;
    lab.keelson.apply(&caller("outer", "inner").to_string()).await.unwrap();
    ready(lab, "outer").await;
    let manifest = json!({
        "apiVersion": "keelson.dev/v1alpha1", "kind": "Association", "metadata": { "name": "steady" },
        "spec": { "documentName": "outer", "targets": [{ "key": "InstanceIds", "values": [lab.names[0]] }] },
    });
    lab.keelson.apply(&manifest.to_string()).await.unwrap();
    let first = steady_run(lab, "").await;
    let (inner, outer) = (revision_of(lab, "inner", "1").await, revision_of(lab, "outer", "1").await);
    deletion_is_refused(lab, &inner, &["as the default and newest version, by Association default/steady"])
        .await;
    deletion_is_refused(lab, &outer, &["by Association default/steady"]).await;
    let revisions: Api<ControllerRevision> = Api::namespaced(lab.client(), "default");
    let state = || async {
        let (inner, outer) = (revisions.get(&inner).await.unwrap(), revisions.get(&outer).await.unwrap());
        (inner.resource_version(), outer.resource_version())
    };
    let before = state().await;
    lab.keelson.kubectl("annotate association steady keelson.dev/reconcile-at=again").await.unwrap();
    steady_run(lab, &first).await;
    assert_eq!(state().await, before, "a run that uses what the one before it did has written to a version");
    lab.keelson.kubectl("delete association steady").await.unwrap();
}

/// The name of the newest ended run of the Association `steady`, once it is another one.
async fn steady_run(lab: &Lab, earlier: &str) -> String {
    let associations: Api<Association> = Api::namespaced(lab.client(), "default");
    eventually(SOON, "the steady Association to have run", || async {
        let status = associations.get("steady").await?.status.unwrap_or_default();
        let last = status.last_command.filter(|_| status.current_command.is_none()).map(|last| last.name);
        Ok(last.filter(|last| last != earlier))
    })
    .await
    .unwrap()
}

async fn runs_outlive_their_documents(lab: &Lab) {
    // With characters that the API server escapes where it writes a revision anew.
    let waiting = |mark: &str| {
        format!("touch /root/{mark} && while [ ! -e /root/go-{mark} ]; do sleep 0.1; done; echo done 2>&1")
    };
    apply(lab, "fleeting", &waiting("fleeting"), json!({})).await;
    apply(lab, "brief", &waiting("brief"), json!({})).await;
    let rest = "maxConcurrency: '1', targets: [{key: 'tag:Role', values: [web]}]";
    lab.keelson.command("outliving", &format!("documentName: fleeting, {rest}")).await.unwrap();
    let manifest = json!({
        "apiVersion": "keelson.dev/v1alpha1", "kind": "Association", "metadata": { "name": "lasting" },
        "spec": {
            "documentName": "brief", "maxConcurrency": "1",
            "targets": [{ "key": "tag:Role", "values": ["web"] }],
        },
    });
    lab.keelson.apply(&manifest.to_string()).await.unwrap();
    let revisions: Api<ControllerRevision> = Api::namespaced(lab.client(), "default");
    let mut kept = Vec::new();
    for (document, kind, user) in [("fleeting", "Command", "outliving"), ("brief", "Association", "lasting")]
    {
        let revision = revision_of(lab, document, "1").await;
        deletion_is_refused(lab, &revision, &[&format!("{kind} default/{user}")]).await;
        kept.push((document, kind, revision));
    }
    let run = eventually(SOON, "the Association to run on the first node", || async {
        let run = lab.keelson.kubectl("get association lasting -o jsonpath={.status.currentCommand}").await?;
        let begun = lab.nodes.iter().any(|node| node.exists("/root/brief"));
        Ok(Some(run).filter(|run| begun && !run.is_empty()))
    })
    .await
    .unwrap();
    for (document, kind, revision) in &kept {
        lab.keelson.kubectl(&format!("delete document {document}")).await.unwrap();
        eventually(COLLECTED, "the garbage collector to have seen that the Document is gone", || async {
            let owners = revisions.get(revision).await?.metadata.owner_references.unwrap_or_default();
            let kinds: Vec<_> = owners.iter().map(|owner| owner.kind.as_str()).collect();
            Ok((kinds == [*kind]).then_some(()))
        })
        .await
        .unwrap();
    }
    for node in &lab.nodes {
        node.shell("touch /root/go-fleeting /root/go-brief").await.unwrap();
    }
    for command in ["outliving", &run] {
        let status = lab.keelson.ended(command, SOON).await.unwrap().status.unwrap();
        assert_eq!(status.status_details.as_deref(), Some("Success"), "{command}: {:?}", status.conditions);
        assert_eq!(status.completed_count, Some(2));
    }
    lab.keelson.kubectl("delete command/outliving association/lasting").await.unwrap();
    for (_, _, revision) in &kept {
        eventually(COLLECTED, "the version to go with its last user", || async {
            Ok(revisions.get_opt(revision).await?.is_none().then_some(()))
        })
        .await
        .unwrap();
    }
}

async fn a_namespace_with_versions_in_use_can_be_deleted(lab: &Lab) {
    lab.keelson.kubectl("create namespace brief").await.unwrap();
    let file = lab.folder().join("brief.yaml");
    let objects = [
        json!({ "kind": "Document", "metadata": { "name": "brief" }, "spec": { "content": script("true") } }),
        json!({ "kind": "Association", "metadata": { "name": "brief" }, "spec": {
            "documentName": "brief", "targets": [{ "key": "tag-key", "values": ["Role"] }],
        } }),
    ];
    let texts = objects.map(|mut object| {
        object["apiVersion"] = "keelson.dev/v1alpha1".into();
        object.to_string()
    });
    std::fs::write(&file, texts.join("\n---\n")).unwrap();
    lab.keelson.kubectl(&format!("apply -n brief -f {}", file.display())).await.unwrap();
    eventually(SOON, "the version to be in use", || async {
        let said = lab.keelson.kubectl("delete controllerrevisions -n brief --all --dry-run=server").await;
        let used = said.err().is_some_and(|error| error.to_string().contains("Association brief/brief"));
        Ok(used.then_some(()))
    })
    .await
    .unwrap();
    lab.keelson.kubectl("delete namespace brief --timeout=60s").await.unwrap();
}

fn numbers(status: &DocumentStatus) -> Vec<&str> {
    status.versions.iter().map(|version| version.version.as_str()).collect()
}

async fn old_versions_are_pruned_but_for_those_in_use(lab: &Lab) {
    let more = json!({ "defaultVersion": "1", "versionHistoryLimit": 2 });
    apply(lab, "kept", "echo default && true", more.clone()).await;
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
    // What nobody uses any more goes without a change of the Document.
    versions_become(lab, "kept", &["1", "2", "7"]).await;
    let output =
        invocation_of(&lab.client(), "running").await.unwrap().status.unwrap().steps[0].output.clone();
    assert_eq!(output, "running\n");
    assert_eq!(said(lab, "still-there", "kept", "'2'").await, "pinned\n");
    lab.keelson.kubectl("delete association pinning").await.unwrap();
    versions_become(lab, "kept", &["1", "7"]).await;
    assert_eq!(said(lab, "the-default", "kept", "$DEFAULT").await, "default\n");
}

/// Waits until these are the versions of a Document, in its status and in the cluster.
async fn versions_become(lab: &Lab, name: &str, wanted: &[&str]) {
    let documents: Api<Document> = Api::namespaced(lab.client(), "default");
    eventually(SOON, &format!("the versions of {name} to be {wanted:?}"), || async {
        let status = documents.get(name).await?.status.unwrap_or_default();
        anyhow::ensure!(numbers(&status) == wanted, "they are {:?}", numbers(&status));
        Ok((revisions(lab, name).await == wanted.len()).then_some(()))
    })
    .await
    .unwrap();
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
    lab.keelson.kubectl("delete document kept --cascade=orphan --timeout=60s").await.unwrap();
    let status = apply(lab, "kept", "echo anew", json!({})).await;
    assert_eq!(numbers(&status), ["1"]);
    assert_eq!(said(lab, "made-again", "kept", "$DEFAULT").await, "anew\n");
}
