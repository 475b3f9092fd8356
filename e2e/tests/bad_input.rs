//! What users, nodes and strangers get wrong is refused with a reason, and nothing crashes or wedges.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use std::time::Duration;

use keelson_api::{Association, Document, condition};
use keelson_e2e::Lab;
use keelson_e2e::keelson::AGENT_UNIT;
use keelson_e2e::wait::eventually;
use kube::Api;
use tokio::io::AsyncWriteExt as _;

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn bad_input_is_refused_with_its_path_reason_and_mend() {
    let mut lab = Lab::start("bad-input", 2).await.unwrap();
    lab.keelson.script("hello", "echo hello", 60).await.unwrap();
    admission_refuses_what_it_can_see(&lab).await;
    invalid_documents_say_where(&lab).await;
    commands_that_cannot_run_say_why(&lab).await;
    associations_that_cannot_run_heal(&lab).await;
    enrolment_is_refused_with_a_reason(&lab).await;
    a_copied_key_is_noticed(&lab).await;
    garbage_on_the_port_disturbs_nobody(&lab).await;

    lab.keelson.operator.ensure_running().unwrap();
    lab.keelson.gateways[0].ensure_running().unwrap();
    lab.keelson
        .command(
            "after-all",
            &format!("documentName: hello, targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]),
        )
        .await
        .unwrap();
    let command = lab.keelson.ended("after-all", SOON).await.unwrap();
    assert_eq!(command.status.unwrap().status_details.as_deref(), Some("Success"), "Keelson still works");
}

/// Applies a manifest that must be refused; what was said.
async fn refused(lab: &Lab, kind: &str, spec: &str) -> String {
    let manifest = format!(
        "{{apiVersion: keelson.dev/v1alpha1, kind: {kind}, metadata: {{name: bad}}, spec: {{{spec}}}}}"
    );
    lab.keelson.apply(&manifest).await.expect_err("it was accepted").to_string()
}

async fn admission_refuses_what_it_can_see(lab: &Lab) {
    let said = refused(
        lab,
        "Association",
        "documentName: hello, scheduleExpression: every day, targets: [{key: tag-key, values: [Role]}]",
    )
    .await;
    assert!(said.contains("spec.scheduleExpression"), "{said}");
    let said = refused(lab, "Command", "documentName: hello").await;
    assert!(said.contains("give spec.targets"), "{said}");
    let said = refused(
        lab,
        "Command",
        "documentName: hello, maxErrors: lots, targets: [{key: tag-key, values: [Role]}]",
    )
    .await;
    assert!(said.contains("spec.maxErrors"), "{said}");
    let said = refused(lab, "Association", "documentName: hello, applyOnlyAtCronInterval: true, scheduleExpression: rate(1 hour), targets: [{key: tag-key, values: [Role]}]").await;
    assert!(said.contains("cron"), "{said}");

    for (kind, spec, texts) in [
        ("Document", "content: {}, documentType: Comand", ["spec.documentType", "\"Command\""]),
        ("Document", "content: {}, versionName: '7'", ["spec.versionName", "write v7 instead of 7"]),
        (
            "Document",
            "content: {}, versionName: first try",
            ["spec.versionName", "letters, digits, '_', '-' and '.'"],
        ),
        ("Document", "content: {}, defaultVersion: first try", ["spec.defaultVersion", "LATEST"]),
        ("Document", "content: {}, failFast: often", ["spec.failFast", "boolean"]),
        (
            "Command",
            "documentName: hello, documentVersion: first try, targets: [{key: tag-key, values: [Role]}]",
            ["spec.documentVersion", "DEFAULT"],
        ),
        (
            "Association",
            "documentName: hello, documentVersion: '0', targets: [{key: tag-key, values: [Role]}]",
            ["spec.documentVersion", "DEFAULT"],
        ),
    ] {
        let said = refused(lab, kind, spec).await;
        assert!(texts.iter().all(|text| said.contains(text)), "{kind} {{{spec}}}: {said}");
    }

    lab.keelson
        .command("fixed", "documentName: hello, targets: [{key: tag-key, values: [Role]}]")
        .await
        .unwrap();
    let error = lab
        .keelson
        .kubectl("patch command fixed --type merge -p {\"spec\":{\"documentName\":\"other\"}}")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("immutable"), "{error:#}");
    for field in ["failFast", "strictScripts"] {
        let patch = format!("patch command fixed --type merge -p {{\"spec\":{{\"{field}\":true}}}}");
        let error = lab.keelson.kubectl(&patch).await.unwrap_err().to_string();
        assert!(error.contains(&format!("spec.{field} is immutable: create another Command")), "{error}");
    }
    lab.keelson.ended("fixed", SOON).await.unwrap();
}

async fn invalid_documents_say_where(lab: &Lab) {
    let bad = "{apiVersion: keelson.dev/v1alpha1, kind: Document, metadata: {name: wrong}, spec: {content: \
               {schemaVersion: '2.2', mainSteps: [{name: a, action: aws:runShelScript, inputs: {runCommand: [x]}}, {action: aws:runShellScript, inputs: {}}]}}}";
    lab.keelson.apply(bad).await.unwrap();
    let documents: Api<Document> = Api::namespaced(lab.client(), "default");
    let message = eventually(SOON, "the Document to be stalled", || async {
        let status = documents.get("wrong").await?.status.unwrap_or_default();
        Ok(condition::get(&status.conditions, condition::STALLED).map(|stalled| stalled.message.clone()))
    })
    .await
    .unwrap();
    assert!(message.contains("mainSteps[0].action") && message.contains("aws:runShellScript"), "{message}");
    assert!(message.contains("mainSteps[1]"), "all problems at once: {message}");

    let text = "schemaVersion: '2.2'\nmainSteps: [{name: a, action: 'aws:runShellScript', inputs: {runComand: [x]}}]";
    let manifest = serde_json::json!({
        "apiVersion": "keelson.dev/v1alpha1", "kind": "Document", "metadata": { "name": "wrong-text" },
        "spec": { "content": text },
    });
    lab.keelson.apply(&manifest.to_string()).await.unwrap();
    let message = eventually(SOON, "the Document of text to be stalled", || async {
        let status = documents.get("wrong-text").await?.status.unwrap_or_default();
        Ok(condition::get(&status.conditions, condition::STALLED).map(|stalled| stalled.message.clone()))
    })
    .await
    .unwrap();
    assert!(message.starts_with("spec.content: mainSteps[0].inputs"), "{message}");
    assert!(message.contains("runCommand") && message.contains("line 2, column"), "{message}");

    let huge = "x".repeat(1_100_000);
    let content = serde_json::json!({ "schemaVersion": "2.2", "mainSteps": [{ "name": "a", "action": "aws:runShellScript", "inputs": { "runCommand": [huge] } }] });
    let manifest = serde_json::json!({ "apiVersion": "keelson.dev/v1alpha1", "kind": "Document", "metadata": { "name": "huge" }, "spec": { "content": content } });
    let file = lab.folder().join("huge.yaml");
    std::fs::write(&file, manifest.to_string()).unwrap();
    let created = lab.keelson.kubectl(&format!("create -f {}", file.display())).await;
    if created.is_ok() {
        eventually(SOON, "the huge Document to be stalled", || async {
            let status = documents.get("huge").await?.status.unwrap_or_default();
            Ok(condition::get(&status.conditions, condition::STALLED)
                .filter(|stalled| stalled.message.contains("262144"))
                .map(drop))
        })
        .await
        .unwrap();
    }
}

async fn commands_that_cannot_run_say_why(lab: &Lab) {
    let runbook = "{apiVersion: keelson.dev/v1alpha1, kind: Document, metadata: {name: runbook}, spec: {documentType: Automation, \
                   content: {schemaVersion: '0.3', mainSteps: [{name: wait, action: 'aws:sleep', inputs: {Duration: PT1S}}]}}}";
    lab.keelson.apply(runbook).await.unwrap();
    let everywhere = "targets: [{key: tag-key, values: [Role]}]";
    for (name, spec, reason, text) in [
        ("unknown", "documentName: absent", "DocumentNotFound", "\"absent\""),
        ("version", "documentName: hello, documentVersion: '7'", "VersionNotFound", "it has 1"),
        (
            "version-name",
            "documentName: hello, documentVersion: stable",
            "VersionNotFound",
            "no version stable",
        ),
        ("runbook", "documentName: runbook", "DocumentTypeNotRunnable", "is of type Automation: a runbook"),
        ("parameter", "documentName: hello, parameters: {nme: [x]}", "InvalidParameters", "parameters.nme"),
    ] {
        lab.keelson.command(name, &format!("{spec}, {everywhere}")).await.unwrap();
        let status = lab.keelson.ended(name, SOON).await.unwrap().status.unwrap();
        let failed = condition::get(&status.conditions, condition::FAILED).unwrap();
        assert_eq!(failed.reason, reason);
        assert!(failed.message.contains(text), "{name}: {}", failed.message);
        assert_eq!(condition::breach(&status.conditions), None);
    }
}

async fn associations_that_cannot_run_heal(lab: &Lab) {
    let manifest = "{apiVersion: keelson.dev/v1alpha1, kind: Association, metadata: {name: early}, spec: \
                    {documentName: later, scheduleExpression: rate(1 hour), targets: [{key: tag-key, values: [Role]}]}}";
    lab.keelson.apply(manifest).await.unwrap();
    let associations: Api<Association> = Api::namespaced(lab.client(), "default");
    let condition_is = |type_: &'static str| {
        let associations = associations.clone();
        move || {
            let associations = associations.clone();
            async move {
                let status = associations.get("early").await?.status.unwrap_or_default();
                Ok(condition::is_true(&status.conditions, type_).then_some(status))
            }
        }
    };
    let status =
        eventually(SOON, "the Association to be stalled", condition_is(condition::STALLED)).await.unwrap();
    assert_eq!(condition::get(&status.conditions, condition::STALLED).unwrap().reason, "DocumentNotFound");
    lab.keelson.script("later", "true", 60).await.unwrap();
    eventually(SOON, "the Association to run once its Document is there", condition_is(condition::COMPLIANT))
        .await
        .unwrap();

    let bad = manifest.replace("early", "never").replace("rate(1 hour)", "'cron(0 0 31 2 ? *)'");
    lab.keelson.apply(&bad).await.unwrap();
    let message = eventually(SOON, "the impossible schedule to be said", || async {
        let status = associations.get("never").await?.status.unwrap_or_default();
        Ok(condition::get(&status.conditions, condition::STALLED).map(|stalled| stalled.message.clone()))
    });
    assert!(message.await.unwrap().contains("spec.scheduleExpression"));
}

async fn enrolment_is_refused_with_a_reason(lab: &Lab) {
    let node = &lab.nodes[0];
    let enrolment = lab.keelson.enrolment("fleet").await.unwrap();
    let enrol = "keelson-agent enrol --state-dir /root/other --from /root/enrolment.json";
    node.write("/root/enrolment.json", &enrolment).unwrap();
    let output = node.run(enrol).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("registrationLimit"),
        "both registrations are used: {said}"
    );

    let mut wrong: serde_json::Value = serde_json::from_str(&enrolment).unwrap();
    wrong["code"] = serde_json::json!("0000000000000000000000000000000000000000");
    node.write("/root/enrolment.json", wrong.to_string()).unwrap();
    let output = node.run(enrol).await.unwrap();
    assert!(!output.status.success());
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("code"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    lab.keelson.apply("{apiVersion: keelson.dev/v1alpha1, kind: Activation, metadata: {name: old}, spec: {expirationDate: '2020-01-01T00:00:00Z'}}").await.unwrap();
    node.write("/root/enrolment.json", lab.keelson.enrolment("old").await.unwrap()).unwrap();
    let output = node.run(enrol).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("expired"), "{said}");
}

/// The second node gets the first one's identity, as a copied disk image has it.
async fn a_copied_key_is_noticed(lab: &Lab) {
    let identity = |index: usize| lab.nodes[index].host_path("/var/lib/keelson/identity").unwrap();
    lab.nodes[1]
        .shell(&format!("systemctl stop {AGENT_UNIT}; rm -r /var/lib/keelson/identity"))
        .await
        .unwrap();
    keelson_e2e::shell::run("cp", ["-a".as_ref(), identity(0).as_os_str(), identity(1).as_os_str()]).unwrap();
    lab.nodes[1].shell(&format!("systemctl start {AGENT_UNIT}")).await.unwrap();
    let message = eventually(Duration::from_secs(90), "the duplicate identity to be noticed", || async {
        let status = lab.managed_nodes().get(&lab.names[0]).await?.status.unwrap_or_default();
        let duplicate = condition::get(&status.conditions, condition::DUPLICATE_IDENTITY).cloned();
        Ok(duplicate.filter(|duplicate| duplicate.status == "True").map(|duplicate| duplicate.message))
    })
    .await
    .unwrap();
    assert!(message.contains("enrol"), "it says what to do: {message}");
    lab.nodes[1].shell(&format!("systemctl stop {AGENT_UNIT}")).await.unwrap();
    lab.keelson.online("node1").await.unwrap();
}

async fn garbage_on_the_port_disturbs_nobody(lab: &Lab) {
    let address = lab.keelson.gateway_addresses()[0];
    let mut silent = Vec::new();
    for number in 0..50_u8 {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        if number % 2 == 0 {
            let garbage: Vec<u8> = (0..=u8::MAX)
                .cycle()
                .take(4096)
                .map(|byte| byte.wrapping_mul(31).wrapping_add(number))
                .collect();
            let _ = stream.write_all(&garbage).await; // the other end may hang up meanwhile
        }
        silent.push(stream);
    }
    lab.keelson
        .command(
            "beside-garbage",
            &format!("documentName: hello, targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]),
        )
        .await
        .unwrap();
    let command = lab.keelson.ended("beside-garbage", SOON).await.unwrap();
    assert_eq!(command.status.unwrap().status_details.as_deref(), Some("Success"));
}
