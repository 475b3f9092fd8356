//! What a user installs: the manifests of `crds/` and `config/`, and the rights they give.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use keelson_api::{Command, CommandSpec};
use keelson_e2e::control_plane::client_of;
use keelson_e2e::wait::eventually;
use keelson_e2e::{ControlPlane, assets};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .filter(|(name, _)| name != "kustomization.yaml")
        .collect()
}

#[test]
fn the_definitions_in_the_tree_are_those_of_the_code() {
    let folder = tempfile::tempdir().unwrap();
    let status = std::process::Command::new(assets::operator().unwrap())
        .arg("crds")
        .arg(folder.path())
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
    let (wanted, kept) = (files(folder.path()), files(&assets::project().join("crds")));
    assert_eq!(
        wanted.keys().collect::<Vec<_>>(),
        kept.keys().collect::<Vec<_>>(),
        "crds/ has other files than the code has kinds: run `make crds`"
    );
    for (name, text) in wanted {
        assert!(kept[&name] == text, "crds/{name} is not what src/api says: run `make crds`");
    }
}

#[tokio::test]
async fn the_manifests_install_whole_and_give_each_the_rights_meant_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = ControlPlane::start(folder.path()).await.unwrap();
    everything_is_accepted_and_stays(&cluster).await;
    every_field_is_described(&cluster).await;
    samples_are_accepted(&cluster).await;
    only_those_meant_to_may_run_commands(&cluster).await;
}

async fn everything_is_accepted_and_stays(cluster: &ControlPlane) {
    let config = path("config/default");
    let apply = ["apply", "--server-side", "-k", &config];
    // As the README has it: the library's Documents need their definition.
    cluster.kubectl(&["apply", "--server-side", "-k", &path("crds")]).await.unwrap();
    cluster.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"]).await.unwrap();
    let first = cluster.kubectl(&apply).await.unwrap();
    for part in [
        "namespace/keelson-system",
        "deployment.apps/keelson-operator",
        "deployment.apps/keelson-gateway",
        "service/keelson-gateway",
        "persistentvolumeclaim/keelson-archive",
        "customresourcedefinition.apiextensions.k8s.io/associations.keelson.dev",
        "clusterrole.rbac.authorization.k8s.io/keelson-operator",
        "document.keelson.dev/aws-runshellscript",
        "validatingadmissionpolicy.admissionregistration.k8s.io/keelson-document-versions",
    ] {
        assert!(first.contains(part), "{part} is not installed:\n{first}");
    }
    let diff = ["diff", "--server-side", "-k", &config];
    assert_eq!(cluster.kubectl(&diff).await.unwrap(), "", "a second apply would change something");
    cluster.kubectl(&apply).await.unwrap();
    let generations = "jsonpath={range .items[*]}{.metadata.name}={.metadata.generation} {end}";
    let shown = cluster
        .kubectl(&["get", "deployments,crd", "-n", "keelson-system", "-o", generations])
        .await
        .unwrap();
    for object in shown.split_whitespace() {
        assert!(object.ends_with("=1"), "a second apply has changed {object}");
    }
}

/// `kubectl explain` has an answer for every field.
async fn every_field_is_described(cluster: &ControlPlane) {
    let shown = cluster
        .kubectl(&["get", "crd", "-l", "app.kubernetes.io/part-of=keelson", "-o", "json"])
        .await
        .unwrap();
    let list: Value = serde_json::from_str(&shown).unwrap();
    let definitions = list["items"].as_array().unwrap();
    assert_eq!(definitions.len(), keelson_api::definitions().len());
    let mut bare = Vec::new();
    for definition in definitions {
        let kind = definition["spec"]["names"]["kind"].as_str().unwrap();
        for version in definition["spec"]["versions"].as_array().unwrap() {
            let schema = &version["schema"]["openAPIV3Schema"];
            assert!(described(schema), "{kind} itself has no description");
            undescribed(schema, kind, &mut bare);
        }
    }
    assert!(bare.is_empty(), "fields without a description:\n{}", bare.join("\n"));
}

fn described(schema: &Value) -> bool {
    schema["description"].as_str().is_some_and(|text| !text.trim().is_empty())
}

fn undescribed(schema: &Value, path: &str, bare: &mut Vec<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        if !described(field) {
            bare.push(path.clone());
        }
        undescribed(field, &path, bare);
    }
    for part in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(part) {
            undescribed(inner, &format!("{path}[]"), bare);
        }
    }
}

async fn samples_are_accepted(cluster: &ControlPlane) {
    for name in files(&assets::project().join("config/samples")).keys() {
        let file = path(&format!("config/samples/{name}"));
        let said = cluster.kubectl(&["apply", "--dry-run=server", "-f", &file]).await.unwrap();
        assert!(said.contains("created (server dry run)"), "{name}: {said}");
    }
}

fn path(part: &str) -> String {
    let path: PathBuf = assets::project().join(part);
    path.canonicalize().unwrap().to_string_lossy().into_owned()
}

async fn only_those_meant_to_may_run_commands(cluster: &ControlPlane) {
    let viewer = somebody_with(cluster, "keelson-viewer").await;
    let editor = somebody_with(cluster, "keelson-editor").await;
    let developer = somebody_with(cluster, "edit").await;

    // A binding counts once the authorizer has seen it; what follows would hold without it.
    eventually(SOON, "the viewer to read Commands", || async {
        commands(&viewer).list(&kube::api::ListParams::default()).await?;
        Ok(Some(()))
    })
    .await
    .unwrap();
    assert_eq!(creating_a_command(&viewer).await, 403);

    eventually(SOON, "the holder of edit to make a ConfigMap", || async {
        let maps: Api<ConfigMap> = Api::namespaced(developer.clone(), "default");
        let metadata = ObjectMeta { name: Some("theirs".into()), ..ObjectMeta::default() };
        maps.create(&PostParams::default(), &ConfigMap { metadata, ..ConfigMap::default() }).await?;
        Ok(Some(()))
    })
    .await
    .unwrap();
    assert_eq!(creating_a_command(&developer).await, 403, "keelson-editor is aggregated into edit");

    eventually(SOON, "the editor to make a Command", || async {
        let code = creating_a_command(&editor).await;
        anyhow::ensure!(code == 200, "the answer was {code}");
        Ok(Some(()))
    })
    .await
    .unwrap();
}

/// A client of a new service account of the namespace `default` that has one cluster role there.
async fn somebody_with(cluster: &ControlPlane, role: &str) -> Client {
    let name = format!("somebody-{role}");
    cluster.kubectl(&["create", "serviceaccount", &name]).await.unwrap();
    let (role, account) = (format!("--clusterrole={role}"), format!("--serviceaccount=default:{name}"));
    cluster.kubectl(&["create", "rolebinding", &name, &role, &account]).await.unwrap();
    client_of(&cluster.service_account_kubeconfig("default", &name).await.unwrap()).await.unwrap()
}

fn commands(client: &Client) -> Api<Command> {
    Api::namespaced(client.clone(), "default")
}

/// The answer to a Command that is fine but for the right to make it.
async fn creating_a_command(client: &Client) -> u16 {
    let spec: CommandSpec = serde_json::from_value(serde_json::json!({
        "documentName": "hello",
        "targets": [{ "key": "InstanceIds", "values": ["*"] }],
    }))
    .unwrap();
    match commands(client).create(&PostParams::default(), &Command::new("hello", spec)).await {
        Ok(_) => 200,
        Err(kube::Error::Api(status)) => status.code,
        Err(other) => panic!("the API server did not answer: {other}"),
    }
}
