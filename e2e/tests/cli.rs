//! `keelson run` and `keelson get results` as a user runs them, on a real cluster and booted nodes.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use std::path::Path;
use std::process::Output;

use keelson_e2e::{Lab, assets};
use tokio::process::Command;

/// What a run of the program left.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

#[tokio::test]
async fn a_user_runs_a_document_sees_what_nodes_print_and_reads_it_again_later() {
    let lab = Lab::start("cli", 3).await.unwrap();
    lab.keelson.script("check", "echo on $(hostname); [ $(hostname) != node2 ] || exit 7", 60).await.unwrap();
    let failed = a_run_prints_every_node_and_fails_if_one_does(&lab).await;
    results_are_a_table_or_json(&lab, &failed).await;
    a_run_that_succeeds_everywhere_exits_with_0(&lab).await;
    one_need_not_wait(&lab).await;
    what_cannot_run_says_why(&lab).await;
    whoever_may_not_is_told_what_is_missing(&lab).await;
    a_cluster_that_cannot_be_reached_is_told(&lab).await;
}

async fn keelson_as(kubeconfig: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(assets::cli().unwrap());
    command.args(arguments).env("KUBECONFIG", kubeconfig);
    let Output { status, stdout, stderr } = command.output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let said = Said { code: status.code(), out: text(stdout), err: text(stderr) };
    println!("$ keelson {}\n{}{}[{:?}]", arguments.join(" "), said.err, said.out, said.code);
    said
}

async fn keelson(lab: &Lab, arguments: &[&str]) -> Said {
    keelson_as(&lab.keelson.control_plane.kubeconfig_path(), arguments).await
}

/// Gives the Command's name.
async fn a_run_prints_every_node_and_fails_if_one_does(lab: &Lab) -> String {
    let said = keelson(lab, &["run", "check", "--targets", "tag:Role=web", "--max-errors", "100%"]).await;
    assert_eq!(said.code, Some(1));
    for node in ["node1", "node2", "node3"] {
        assert!(said.out.contains(&format!("{node}: on {node}\n")), "{}", said.out);
    }
    assert!(said.out.lines().all(|line| line.starts_with("node")), "{}", said.out);
    let failure = format!("failed: node2 ({}): Failed, exit 7, in step \"script\"", lab.names[1]);
    assert!(said.err.contains(&failure), "{}", said.err);
    assert!(said.err.contains("2 of 3 nodes succeeded"), "{}", said.err);
    let first = said.err.lines().next().unwrap();
    first.strip_prefix("Command ").unwrap().split(' ').next().unwrap().to_owned()
}

async fn results_are_a_table_or_json(lab: &Lab, command: &str) {
    let said = keelson(lab, &["get", "results", command]).await;
    assert_eq!(said.code, Some(0));
    let rows: Vec<Vec<&str>> = said.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["HOST", "NODE", "STATUS", "EXIT", "SECONDS", "OUTPUT"]);
    assert_eq!(rows[2][..4], ["node2", lab.names[1].as_str(), "Failed", "7"]);
    assert_eq!(rows[3][5..], ["on", "node3"]);
    let said = keelson(lab, &["get", "results", command, "-o", "json"]).await;
    let results: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&results["status"], &results["targetCount"]), (&"Failed".into(), &3.into()));
    assert_eq!(results["withoutInvocation"], 0);
    let node = &results["invocations"][1];
    assert_eq!((&node["hostname"], &node["responseCode"]), (&"node2".into(), &7.into()));
    assert_eq!(node["steps"][0]["name"], "script");
    assert_eq!(keelson(lab, &["get", "results", "nothing"]).await.code, Some(2));
}

async fn a_run_that_succeeds_everywhere_exits_with_0(lab: &Lab) {
    let said =
        keelson(lab, &["run", "check", "--instance-ids", &lab.names[0], &lab.names[2], "-o", "json"]).await;
    assert_eq!(said.code, Some(0));
    let results: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(results["invocations"].as_array().unwrap().len(), 2);
}

async fn one_need_not_wait(lab: &Lab) {
    let said = keelson(lab, &["run", "check", "--targets", "InstanceIds=*", "--no-wait"]).await;
    assert_eq!(said.code, Some(0));
    let name = said.out.trim();
    assert!(said.err.contains(&format!("keelson get results {name} -n default")), "{}", said.err);
    lab.keelson.ended(name, std::time::Duration::from_secs(60)).await.unwrap();
}

async fn what_cannot_run_says_why(lab: &Lab) {
    let nobody = keelson(lab, &["run", "check", "--targets", "tag:Role=none"]).await;
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.err.contains("no node matches"), "{}", nobody.err);
    let unknown = keelson(lab, &["run", "nothing", "--targets", "tag:Role=web"]).await;
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.err.contains("ran nowhere") && unknown.err.contains("nothing"), "{}", unknown.err);
    let nowhere = keelson(lab, &["run", "check"]).await;
    assert_eq!(nowhere.code, Some(2));
    assert!(nowhere.err.contains("say which nodes"), "{}", nowhere.err);
}

async fn whoever_may_not_is_told_what_is_missing(lab: &Lab) {
    lab.keelson.kubectl("create serviceaccount guest").await.unwrap();
    let kubeconfig = lab.keelson.control_plane.service_account_kubeconfig("default", "guest").await.unwrap();
    let said = keelson_as(&kubeconfig, &["run", "check", "--targets", "tag:Role=web", "-n", "default"]).await;
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("you may not create commands in namespace \"default\""), "{}", said.err);
    assert!(said.err.contains("keelson-editor"), "{}", said.err);
}

async fn a_cluster_that_cannot_be_reached_is_told(lab: &Lab) {
    let text = std::fs::read_to_string(lab.keelson.control_plane.kubeconfig_path()).unwrap();
    let address = lab.keelson.control_plane.address().to_string();
    assert!(text.contains(&address), "the kubeconfig has another address than {address}");
    let kubeconfig = lab.folder().join("kubeconfig-nowhere");
    std::fs::write(&kubeconfig, text.replace(&address, "127.0.0.1:1")).unwrap();
    let said = keelson_as(&kubeconfig, &["run", "check", "--targets", "tag:Role=web"]).await;
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("cannot be reached: Connection refused"), "{}", said.err);
}
