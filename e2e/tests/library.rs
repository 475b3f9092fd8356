//! The library of `config/library`: each of its documents on a booted node, run from a namespace that has none of them.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use keelson_api::{Document, RunStatus, condition};
use keelson_e2e::keelson::{SYSTEM_NAMESPACE, invocation_of};
use keelson_e2e::wait::eventually;
use keelson_e2e::{Lab, WebServer, assets};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);
const INSTALLATION: Duration = Duration::from_secs(240);
const WEB_PORT: u16 = 8898;
const SCRIPT: &[u8] = b"#!/bin/sh\necho \"got $1 in $(basename \"$PWD\")\"\n";
const PLAYBOOK: &[u8] = b"\
- hosts: all
  gather_facts: false
  tasks:
    - name: greet
      ansible.builtin.copy: {content: '{{ greeting }}', dest: /root/greeting}
";

#[tokio::test]
async fn every_document_of_the_library_does_on_a_node_what_it_says() {
    let lab = Lab::start("library", 1).await.unwrap();
    let address = SocketAddr::new(lab.network.host_address().into(), WEB_PORT);
    let web = WebServer::listen(address).await.unwrap();
    web.serve(files());
    let web = format!("http://{address}");
    every_document_is_ready(&lab).await;
    scripts_run(&lab).await;
    a_script_from_the_web_runs(&lab, &web).await;
    a_document_from_the_web_or_the_cluster_runs(&lab, &web).await;
    an_association_runs_again(&lab).await;
    the_agent_is_updated_to_what_the_gateway_has(&lab).await;
    packages_are_installed_updated_and_removed_once(&lab, &web).await;
    a_playbook_changes_a_node_once(&lab, &web).await;
    a_port_is_closed_and_stays_closed(&lab).await;
    lab.keelson.ensure_nothing_was_forbidden().await.unwrap();
}

/// What the web server has: a script, a document, a playbook, and the packages.
fn files() -> BTreeMap<String, Vec<u8>> {
    let said = json!({"name": "say", "action": "aws:runShellScript", "inputs": {"runCommand": ["echo \"said $SSM_word\""]}});
    let word = json!({"type": "String", "interpolationType": "ENV_VAR"});
    let content = json!({"schemaVersion": "2.2", "parameters": {"word": word}, "mainSteps": [said]});
    let mut files = BTreeMap::from([
        ("/run.sh".to_owned(), SCRIPT.to_vec()),
        ("/document.json".to_owned(), content.to_string().into()),
        ("/site.yml".to_owned(), PLAYBOOK.to_vec()),
    ]);
    add(&mut files, &assets::packages().unwrap(), "/packages");
    files
}

fn add(files: &mut BTreeMap<String, Vec<u8>>, folder: &Path, path: &str) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = format!("{path}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            add(files, &entry.path(), &path);
        } else {
            files.insert(path, std::fs::read(entry.path()).unwrap());
        }
    }
}

/// Runs a document on the node; how that ended, and what its steps put out. Values are lists, as in AWS's interface.
async fn run(lab: &Lab, name: &str, document: &str, parameters: Value) -> (RunStatus, String) {
    let lists = parameters.as_object().unwrap().iter().map(|(name, value)| match value {
        Value::Array(_) => (name.clone(), value.clone()),
        other => (name.clone(), json!([other])),
    });
    let spec = format!(
        "documentName: {document}, parameters: {}, targets: [{{key: InstanceIds, values: [{}]}}]",
        json!(lists.collect::<BTreeMap<_, _>>()),
        lab.names[0]
    );
    lab.keelson.command(name, &spec).await.unwrap();
    lab.keelson.ended(name, INSTALLATION).await.unwrap();
    let status = invocation_of(&lab.client(), name).await.unwrap().status.unwrap();
    let outputs: String = status.steps.iter().map(|step| step.output.as_str()).collect();
    (status.status, format!("{outputs}{}", status.message.unwrap_or_default()))
}

/// The same for a run that must succeed.
async fn succeeds(lab: &Lab, name: &str, document: &str, parameters: Value) -> String {
    let (status, said) = run(lab, name, document, parameters).await;
    assert_eq!(status, RunStatus::Success, "{name}: {said}");
    said
}

/// The same for one that must fail.
async fn fails(lab: &Lab, name: &str, document: &str, parameters: Value) -> String {
    let (status, said) = run(lab, name, document, parameters).await;
    assert_eq!(status, RunStatus::Failed, "{name}: {said}");
    said
}

async fn every_document_is_ready(lab: &Lab) {
    let library = assets::project().join("config/library");
    let apply = ["apply", "--server-side", "-k", &library.to_string_lossy()];
    lab.keelson.control_plane.kubectl(&apply).await.unwrap();
    let documents: Api<Document> = Api::namespaced(lab.client(), SYSTEM_NAMESPACE);
    let wanted = std::fs::read_dir(&library).unwrap().count() - 1; // without kustomization.yaml
    eventually(SOON, "the library to be ready", || async {
        let list = documents.list(&ListParams::default()).await?.items;
        let ready = |document: &&Document| {
            let status = document.status.as_ref();
            status.is_some_and(|status| condition::is_true(&status.conditions, condition::READY))
        };
        let names: Vec<_> = list.iter().filter(ready).map(ResourceExt::name_any).collect();
        anyhow::ensure!(names.len() == wanted, "only {names:?} are ready");
        Ok(Some(()))
    })
    .await
    .unwrap();
}

async fn scripts_run(lab: &Lab) {
    let commands = json!({"commands": ["pwd", "false", "echo ran"], "workingDirectory": "/var/log", "executionTimeout": "60"});
    assert_eq!(succeeds(lab, "shell", "AWS-RunShellScript", commands).await, "/var/log\nran\n");
    let (status, _) =
        run(lab, "slow", "AWS-RunShellScript", json!({"commands": ["sleep 60"], "executionTimeout": "5"}))
            .await;
    assert_eq!(status, RunStatus::TimedOut);
    let said =
        fails(lab, "powershell", "AWS-RunPowerShellScript", json!({"commands": ["Write-Host ran"]})).await;
    assert!(said.contains("pwsh"), "{said}");
}

async fn a_script_from_the_web_runs(lab: &Lab, web: &str) {
    let info = json!({"url": format!("{web}/run.sh"), "allowInsecureDownload": true}).to_string();
    let mut parameters = json!({"sourceType": "HTTP", "sourceInfo": info, "destinationPath": "run.sh", "commandLine": "run.sh 'a b'"});
    let said = succeeds(lab, "remote", "AWS-RunRemoteScript", parameters.clone()).await;
    assert!(said.ends_with("got a b in downloads\n"), "{said}");
    parameters["sourceInfo"] =
        json!({"url": format!("{web}/none"), "allowInsecureDownload": true}).to_string().into();
    parameters["commandLine"] = "touch /root/ran-without".into();
    let said = fails(lab, "remote-none", "AWS-RunRemoteScript", parameters).await;
    assert!(said.contains("404") && !lab.nodes[0].exists("/root/ran-without"), "{said}");
}

async fn a_document_from_the_web_or_the_cluster_runs(lab: &Lab, web: &str) {
    let info = json!({"url": format!("{web}/document.json"), "allowInsecureDownload": true}).to_string();
    let values = json!({"word": "it's; $(reboot)"}).to_string();
    let parameters = json!({"sourceType": "HTTP", "sourceInfo": info, "documentParameters": values});
    let said = succeeds(lab, "document", "AWS-RunDocument", parameters).await;
    assert!(said.ends_with("said it's; $(reboot)\n"), "{said}");
    let info = json!({"name": "AWS-RunShellScript"}).to_string();
    let values = json!({"commands": ["echo one", "echo two"]}).to_string();
    let parameters = json!({"sourceType": "SSMDocument", "sourceInfo": info, "documentParameters": values});
    let said = succeeds(lab, "document-of-library", "AWS-RunDocument", parameters).await;
    assert!(said.ends_with("one\ntwo\n"), "{said}");
}

async fn an_association_runs_again(lab: &Lab) {
    let manifest = "{apiVersion: keelson.dev/v1alpha1, kind: Association, metadata: {name: note}, spec: {documentName: \
         AWS-RunShellScript, parameters: {commands: [echo run >> /root/runs]}, targets: [{key: 'tag:Role', values: [web]}]}}";
    lab.keelson.apply(manifest).await.unwrap();
    let ran = async |times: usize| {
        eventually(SOON, &format!("the Association to have run {times} times"), || async {
            let runs = lab.nodes[0].read("/root/runs").unwrap_or_default().lines().count();
            Ok((runs == times).then_some(()))
        })
        .await
        .unwrap();
    };
    ran(1).await;
    succeeds(lab, "refresh-other", "AWS-RefreshAssociation", json!({"associationIds": ["no-such"]})).await;
    succeeds(lab, "refresh-one", "AWS-RefreshAssociation", json!({"associationIds": ["note"]})).await;
    ran(2).await;
    succeeds(lab, "refresh-all", "aws-refreshassociation", json!({})).await;
    ran(3).await;
}

async fn the_agent_is_updated_to_what_the_gateway_has(lab: &Lab) {
    std::fs::create_dir_all(lab.keelson.agents()).unwrap();
    let offered = lab.keelson.agents().join(format!("keelson-agent-{}", std::env::consts::ARCH));
    std::fs::copy(assets::agent().unwrap(), offered).unwrap();
    let said = succeeds(lab, "update", "AWS-UpdateSSMAgent", json!({})).await;
    assert!(said.contains("is installed already"), "{said}");
    let said = fails(lab, "update-other", "AWS-UpdateSSMAgent", json!({"version": "9.9.9"})).await;
    assert!(said.contains("9.9.9 was asked for"), "{said}");
}

/// Lets the node install packages of these suites only.
fn package_source(lab: &Lab, web: &str, suites: &str) {
    lab.nodes[0].write("/etc/apt/sources.list", "").unwrap();
    let key = assets::packages().unwrap().join("test.gpg");
    lab.nodes[0].copy_in(&key, "/usr/share/keyrings/test.gpg").unwrap();
    let source = format!(
        "Types: deb\nURIs: {web}/packages\nSuites: {suites}\nComponents: main\nSigned-By: /usr/share/keyrings/test.gpg\n"
    );
    lab.nodes[0].write("/etc/apt/sources.list.d/test.sources", source).unwrap();
}

async fn packages_are_installed_updated_and_removed_once(lab: &Lab, web: &str) {
    const DOCUMENT: &str = "Keelson-ConfigurePackages";
    package_source(lab, web, "old");
    let both = json!({"action": "Install", "packages": "acme-web acme-tool"});
    let said = succeeds(lab, "install", DOCUMENT, both.clone()).await;
    assert!(said.contains("+ acme-tool 2.0-1\n+ acme-web 1.0-1\nchanged=2\n"), "{said}");
    assert_eq!(succeeds(lab, "install-again", DOCUMENT, both).await, "changed=0\n");

    package_source(lab, web, "new");
    let newest = json!({"action": "Update", "packages": "acme-web no-such-package"});
    let said = succeeds(lab, "upgrade", DOCUMENT, newest.clone()).await;
    assert!(said.contains("- acme-web 1.0-1\n+ acme-web 1.1-1\nchanged=1\n"), "{said}");
    assert!(succeeds(lab, "upgrade-again", DOCUMENT, newest).await.contains("changed=0\n"));
    let said = succeeds(lab, "upgrade-all", DOCUMENT, json!({"action": "Update"})).await;
    assert!(said.contains("changed=0\n"), "{said}");

    let gone = json!({"action": "Uninstall", "packages": "acme-web"});
    let said = succeeds(lab, "remove", DOCUMENT, gone.clone()).await;
    assert!(said.contains("- acme-web 1.1-1\nchanged=1\n"), "{said}");
    assert_eq!(succeeds(lab, "remove-again", DOCUMENT, gone).await, "changed=0\n");
    let keep = json!({"package": "acme-web"});
    let said = succeeds(lab, "keep", "Keelson-KeepPackage", keep.clone()).await;
    assert!(said.contains("+ acme-web 1.1-1\nchanged=1\n"), "{said}");
    assert_eq!(succeeds(lab, "keep-again", "Keelson-KeepPackage", keep).await, "changed=0\n");
    assert_eq!(lab.nodes[0].shell("acme-web").await.unwrap(), "acme-web 1.1-1\n");

    let said =
        fails(lab, "unknown", DOCUMENT, json!({"action": "Install", "packages": "no-such-package"})).await;
    assert!(said.contains("Unable to locate package no-such-package"), "{said}");
    let said = fails(lab, "nothing", DOCUMENT, json!({"action": "Uninstall"})).await;
    assert!(said.contains("packages is empty"), "{said}");
    let said = fails(lab, "no-zypper", DOCUMENT, json!({"action": "Update", "manager": "zypper"})).await;
    assert!(!said.contains("changed="), "{said}");
}

async fn a_playbook_changes_a_node_once(lab: &Lab, web: &str) {
    const DOCUMENT: &str = "AWS-ApplyAnsiblePlaybooks";
    package_source(lab, web, "ansible");
    let info = json!({"url": format!("{web}/site.yml"), "allowInsecureDownload": true}).to_string();
    let with = |name: &str, value: &str| {
        let mut parameters = json!({"SourceType": "HTTP", "SourceInfo": info, "DestinationPath": "site.yml",
            "PlaybookFile": "site.yml", "ExtraVariables": "greeting='good morning'"});
        parameters[name] = value.into();
        parameters
    };
    let said = fails(lab, "no-ansible", DOCUMENT, with("InstallDependencies", "False")).await;
    assert!(said.contains("there is no ansible-playbook here"), "{said}");
    let said = succeeds(lab, "ansible-check", DOCUMENT, with("Check", "True")).await;
    assert!(said.contains("changed=1") && !lab.nodes[0].exists("/root/greeting"), "{said}");
    let said = succeeds(lab, "ansible", DOCUMENT, with("Verbose", "-vv")).await;
    assert!(said.contains("changed=1"), "{said}");
    assert_eq!(lab.nodes[0].read("/root/greeting").unwrap(), "good morning");
    let said = succeeds(lab, "ansible-again", DOCUMENT, with("Check", "False")).await;
    assert!(said.contains("changed=0"), "{said}");
    let said = fails(lab, "no-playbook", DOCUMENT, with("PlaybookFile", "other.yml")).await;
    assert!(said.contains("there is no other.yml in what was downloaded: ./site.yml"), "{said}");
}

const LISTEN: &str =
    "use IO::Socket::INET; my $socket = IO::Socket::INET->new(LocalPort => shift, Listen => 5) or die; sleep";
/// A service that listens on 8080, and a socket that waits on 8081 for its service.
const UNITS: [(&str, &str); 3] = [
    (
        "web.service",
        "[Service]\nExecStart=/usr/bin/perl /root/listen.pl 8080\nRestart=always\n[Install]\nWantedBy=multi-user.target\n",
    ),
    ("waiting.socket", "[Socket]\nListenStream=8081\nAccept=yes\n[Install]\nWantedBy=sockets.target\n"),
    ("waiting@.service", "[Service]\nExecStart=/bin/true\n"),
];

async fn a_port_is_closed_and_stays_closed(lab: &Lab) {
    const DOCUMENT: &str = "Keelson-ClosePort";
    let node = &lab.nodes[0];
    node.write("/root/listen.pl", LISTEN).unwrap();
    for (unit, text) in UNITS {
        node.write(&format!("/etc/systemd/system/{unit}"), text).unwrap();
    }
    node.shell("systemctl daemon-reload && systemctl enable -q --now web.service waiting.socket")
        .await
        .unwrap();
    opened(lab, 8080).await;
    let said = succeeds(lab, "close", DOCUMENT, json!({"port": "8080"})).await;
    assert!(said.contains("perl (process ") && said.contains("stopping web.service"), "{said}");
    assert!(said.ends_with("port 8080 is closed\nchanged=1\n"), "{said}");
    assert_eq!(node.run("systemctl is-enabled web.service").await.unwrap().stdout, b"disabled\n");
    let said = succeeds(lab, "close-again", DOCUMENT, json!({"port": "8080"})).await;
    assert_eq!(said, "port 8080 is closed\nchanged=0\n");
    let said = succeeds(lab, "close-socket", DOCUMENT, json!({"port": "8081"})).await;
    assert!(said.contains("stopping waiting.socket") && said.ends_with("changed=1\n"), "{said}");
    let said = succeeds(lab, "close-ssh", DOCUMENT, json!({"port": "22"})).await;
    assert!(
        said.contains("stopping ssh.service") && said.ends_with("port 22 is closed\nchanged=1\n"),
        "{said}"
    );
}

async fn opened(lab: &Lab, port: u16) {
    let address = SocketAddr::new(lab.nodes[0].address().into(), port);
    eventually(SOON, &format!("{address} to listen"), || async {
        tokio::net::TcpStream::connect(address).await?;
        Ok(Some(()))
    })
    .await
    .unwrap();
}
