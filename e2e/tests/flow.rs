//! From `kubectl apply` to a converged server, on real parts.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use std::time::Duration;

use keelson_api::{Association, RunStatus, condition};
use keelson_e2e::keelson::{invocation_of, invocations_of};
use keelson_e2e::wait::eventually;
use keelson_e2e::{Lab, assets};
use kube::{Api, ResourceExt as _};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_command_runs_on_every_node_that_matches_and_says_what_came_of_it() {
    let lab = Lab::start("flow", 3).await.unwrap();
    one_command_over_three_nodes(&lab).await;
    output_is_whole_in_the_archive(&lab).await;
    parameters_reach_the_script(&lab).await;
    targets_choose_and_exclude(&lab).await;
    a_cancel_kills_what_runs(&lab).await;
    names_are_resolved_on_the_node(&lab).await;
    unenrolling_removes_the_node(&lab).await;
    lab.keelson.ensure_nothing_was_forbidden().await.unwrap();
}

async fn one_command_over_three_nodes(lab: &Lab) {
    let keelson = &lab.keelson;
    keelson.script("hello", "echo out; echo err >&2; hostname", 60).await.unwrap();
    keelson
        .command("hello", "documentName: hello, targets: [{key: 'tag:Role', values: [web]}]")
        .await
        .unwrap();
    let command = keelson.ended("hello", SOON).await.unwrap();
    let status = command.status.unwrap();
    assert_eq!(status.status, Some(RunStatus::Success));
    assert_eq!(
        (status.target_count, status.completed_count, status.error_count),
        (Some(3), Some(3), Some(0))
    );
    assert!(condition::is_true(&status.conditions, condition::COMPLETE));
    assert_eq!(condition::breach(&status.conditions), None);
    let invocations = invocations_of(&lab.client(), "hello").await.unwrap();
    assert_eq!(invocations.len(), 3);
    for invocation in invocations {
        let status = invocation.status.unwrap();
        assert_eq!((status.status, status.response_code), (RunStatus::Success, Some(0)));
        let host = &invocation.spec.hostname;
        assert_eq!(status.steps[0].output, format!("out\n{host}\n\n----------ERROR-------\nerr\n"));
    }
    let table = keelson.kubectl("get invocations").await.unwrap();
    assert!(table.contains("node1") && table.contains("Success"), "{table}");
}

async fn output_is_whole_in_the_archive(lab: &Lab) {
    let keelson = &lab.keelson;
    keelson.script("long", "seq 100000", 60).await.unwrap();
    keelson
        .command(
            "long",
            &format!("documentName: long, targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]),
        )
        .await
        .unwrap();
    keelson.ended("long", SOON).await.unwrap();
    let invocation = invocation_of(&lab.client(), "long").await.unwrap();
    let status = invocation.status.unwrap();
    assert!(status.steps[0].output.ends_with("---Output truncated---"), "{}", status.steps[0].output);
    let folder = keelson.archive().join(status.output_key.unwrap()).join("0");
    let mut pieces: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    pieces.sort();
    let whole: String = pieces.iter().map(|piece| std::fs::read_to_string(piece).unwrap()).collect();
    assert_eq!(whole.len() as u64, status.steps[0].stdout_bytes);
    assert!(
        whole.lines().map(|line| line.parse::<u32>().unwrap()).eq(1..=100_000),
        "a line is missing or not in order"
    );
}

async fn parameters_reach_the_script(lab: &Lab) {
    let keelson = &lab.keelson;
    let content = serde_json::json!({
        "schemaVersion": "2.2",
        "parameters": { "who": { "type": "String", "default": "nobody", "allowedPattern": "^[a-z]+$" } },
        "mainSteps": [{ "name": "greet", "action": "aws:runShellScript", "inputs": { "runCommand": ["echo hi {{ who }}"] } }],
    });
    keelson.document("greet", &content).await.unwrap();
    let target = format!("targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]);
    keelson
        .command("greet-you", &format!("documentName: Greet, parameters: {{who: [you]}}, {target}"))
        .await
        .unwrap();
    keelson.ended("greet-you", SOON).await.unwrap();
    let invocation = invocation_of(&lab.client(), "greet-you").await.unwrap();
    assert_eq!(invocation.status.unwrap().steps[0].output, "hi you\n");
}

async fn targets_choose_and_exclude(lab: &Lab) {
    let keelson = &lab.keelson;
    keelson
        .kubectl(&format!(
            "patch managednode {} --type merge -p {{\"spec\":{{\"tags\":{{\"Stage\":\"old\"}}}}}}",
            lab.names[2]
        ))
        .await
        .unwrap();
    keelson
        .command("chosen", "documentName: hello, targets: [{key: tag-key, values: [Role]}], exclude: [{key: 'tag:Stage', values: [old]}]")
        .await
        .unwrap();
    keelson.ended("chosen", SOON).await.unwrap();
    let mut chosen: Vec<_> = invocations_of(&lab.client(), "chosen")
        .await
        .unwrap()
        .into_iter()
        .map(|invocation| invocation.spec.hostname)
        .collect();
    chosen.sort();
    assert_eq!(chosen, ["node1", "node2"]);
    // Tags are labels too.
    keelson
        .command(
            "labelled",
            "documentName: hello, labelSelector: {matchLabels: {tag.keelson.dev/Stage: old}}",
        )
        .await
        .unwrap();
    let command = keelson.ended("labelled", SOON).await.unwrap();
    assert_eq!(command.status.unwrap().target_count, Some(1));
    keelson
        .command("nobody", "documentName: hello, targets: [{key: 'tag:Role', values: [nothing]}]")
        .await
        .unwrap();
    let command = keelson.ended("nobody", SOON).await.unwrap();
    assert_eq!(command.status.unwrap().status_details.as_deref(), Some("NoInstancesInTag"));
}

async fn a_cancel_kills_what_runs(lab: &Lab) {
    let keelson = &lab.keelson;
    keelson.script("endless", "touch /root/started; sleep 1000; touch /root/survived", 3600).await.unwrap();
    let target = format!("targets: [{{key: InstanceIds, values: [{}]}}]", lab.names[0]);
    keelson.command("endless", &format!("documentName: endless, {target}")).await.unwrap();
    eventually(SOON, "the script to start", || async {
        Ok(lab.nodes[0].exists("/root/started").then_some(()))
    })
    .await
    .unwrap();
    keelson.kubectl("patch command endless --type merge -p {\"spec\":{\"cancel\":true}}").await.unwrap();
    let command = keelson.ended("endless", SOON).await.unwrap();
    assert_eq!(command.status.unwrap().status, Some(RunStatus::Cancelled));
    let invocation = invocation_of(&lab.client(), "endless").await.unwrap();
    assert_eq!(invocation.status.unwrap().status, RunStatus::Cancelled);
    let sleeping = lab.nodes[0].run("pgrep -x sleep").await.unwrap();
    assert!(!sleeping.status.success(), "the script's process is still there");
    assert!(!lab.nodes[0].exists("/root/survived"));
}

/// The agent is static: the C library's resolver is in it and must read the node's own files.
async fn names_are_resolved_on_the_node(lab: &Lab) {
    let node = &lab.nodes[1];
    let port = lab.keelson.gateway_addresses()[0].port();
    node.shell(&format!("echo '{} gateway.test' >> /etc/hosts", lab.network.host_address())).await.unwrap();
    let enrolment = lab.keelson.enrolment("fleet").await.unwrap();
    let mut enrolment: serde_json::Value = serde_json::from_str(&enrolment).unwrap();
    enrolment["addresses"] = serde_json::json!([format!("gateway.test:{port}")]);
    node.write("/root/by-name.json", enrolment.to_string()).unwrap();
    let said = node.shell("keelson-agent enrol --from /root/by-name.json").await.unwrap();
    assert!(said.contains(&lab.names[1]), "the same key is the same node: {said}");
}

async fn unenrolling_removes_the_node(lab: &Lab) {
    lab.nodes[2].shell("keelson-agent unenrol").await.unwrap();
    eventually(SOON, "the ManagedNode to go", || async {
        Ok(lab.managed_nodes().get_opt(&lab.names[2]).await?.is_none().then_some(()))
    })
    .await
    .unwrap();
    let said = lab.nodes[2].run("keelson-agent status").await.unwrap();
    assert_eq!(said.status.code(), Some(3), "{}", String::from_utf8_lossy(&said.stdout));
}

#[tokio::test]
async fn an_association_keeps_nodes_as_they_should_be() {
    let lab = Lab::start("association", 2).await.unwrap();
    let keelson = &lab.keelson;
    for sample in ["document.yaml", "association.yaml"] {
        let path = assets::project().join("config/samples").join(sample);
        keelson.kubectl(&format!("apply -f {}", path.display())).await.unwrap();
    }
    let associations: Api<Association> = Api::namespaced(lab.client(), "default");
    let is = |wanted: &'static str| {
        let associations = associations.clone();
        move || {
            let associations = associations.clone();
            async move {
                let status = associations.get("web-servers").await?.status.unwrap_or_default();
                let compliant = condition::get(&status.conditions, condition::COMPLIANT)
                    .map(|condition| condition.status.clone());
                Ok((compliant.as_deref() == Some(wanted)).then_some(status))
            }
        }
    };
    let status = eventually(SOON, "the first run to make all nodes compliant", is("True")).await.unwrap();
    assert_eq!(condition::breach(&status.conditions), None);
    let overview = status.overview.unwrap();
    assert_eq!((overview.target_count, overview.success_count), (2, 2));
    assert!(status.next_execution_time.is_some());

    // A new version of the document runs at once, and a node that fails is named with what it said.
    lab.nodes[0].shell("rm -r /etc/web-server; touch /etc/web-server").await.unwrap();
    keelson.kubectl("annotate association web-servers keelson.dev/reconcile-at=first").await.unwrap();
    let status = eventually(SOON, "the failing node to be reported", is("False")).await.unwrap();
    assert_eq!(status.failing_nodes.len(), 1);
    assert_eq!(status.failing_nodes[0].hostname, "node1");
    assert!(status.failing_nodes[0].message.contains("File exists"), "{}", status.failing_nodes[0].message);
    assert_eq!(status.last_handled_reconcile_at.as_deref(), Some("first"));
    let described = keelson.kubectl("describe association web-servers").await.unwrap();
    assert!(described.contains("File exists"), "{described}");
    let nodes = keelson.kubectl("get managednodes").await.unwrap();
    assert!(nodes.contains("NON_COMPLIANT"), "{nodes}");

    // Drift is repaired by a run of the schedule.
    lab.nodes[0].shell("rm /etc/web-server").await.unwrap();
    lab.nodes[1].shell("systemctl stop web-server").await.unwrap();
    eventually(Duration::from_secs(90), "the next minute's run to repair both", is("True")).await.unwrap();
    eventually(SOON, "the stopped service to run again", || async {
        let state = lab.nodes[1].run("systemctl is-active web-server").await?;
        Ok(state.status.success().then_some(()))
    })
    .await
    .unwrap();

    // Deleting it leaves nothing behind.
    keelson.kubectl("delete association web-servers --wait=true").await.unwrap();
    eventually(SOON, "its entries and Commands to go", || async {
        let nodes = lab.managed_nodes().list(&kube::api::ListParams::default()).await?;
        let entries =
            nodes.iter().flat_map(|node| node.status.iter().flat_map(|status| &status.associations)).count();
        let commands: Api<keelson_api::Command> = Api::namespaced(lab.client(), "default");
        let commands = commands.list(&kube::api::ListParams::default()).await?;
        let left = commands.iter().filter(|command| command.name_any().starts_with("web-servers")).count();
        Ok((entries == 0 && left == 0).then_some(()))
    })
    .await
    .unwrap();
    keelson.ensure_nothing_was_forbidden().await.unwrap();
}
