//! The control plane is a real one: it stores, forbids, and goes on after its API server was killed.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use std::{collections::BTreeMap, path::Path};

use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use keelson_e2e::{ControlPlane, control_plane::client_of};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};

fn config_map(name: &str) -> ConfigMap {
    let data = BTreeMap::from([("port".to_owned(), "8080".to_owned())]);
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    ConfigMap { metadata, data: Some(data), ..ConfigMap::default() }
}

fn config_maps(client: Client) -> Api<ConfigMap> {
    Api::namespaced(client, "default")
}

#[tokio::test]
async fn a_cluster_stores_objects_forbids_the_unprivileged_and_survives_its_api_server() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = ControlPlane::start(folder.path()).await.unwrap();
    an_administrator_may_write(&cluster).await;
    kubectl_reads_and_says_why_it_cannot(&cluster).await;
    others_may_not(&cluster).await;
    a_service_account_has_the_rights_bound_to_it(&cluster).await;
    objects_and_clients_outlive_the_api_server(&mut cluster).await;

    let pid = cluster.api_server_pid();
    drop(cluster);
    assert!(!Path::new("/proc").join(pid.to_string()).exists(), "the API server is still running");
}

async fn an_administrator_may_write(cluster: &ControlPlane) {
    let created =
        config_maps(cluster.client()).create(&PostParams::default(), &config_map("web")).await.unwrap();
    assert!(created.metadata.uid.is_some());
}

async fn kubectl_reads_and_says_why_it_cannot(cluster: &ControlPlane) {
    let port = cluster.kubectl(&["get", "configmap", "web", "-o", "jsonpath={.data.port}"]).await.unwrap();
    assert_eq!(port, "8080");
    let error = cluster.kubectl(&["get", "configmap", "absent"]).await.unwrap_err().to_string();
    assert!(error.contains("\"absent\" not found"), "{error}");
}

async fn others_may_not(cluster: &ControlPlane) {
    let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client(), "default");
    let metadata = ObjectMeta { name: Some("limited".to_owned()), ..ObjectMeta::default() };
    let account = ServiceAccount { metadata, ..ServiceAccount::default() };
    accounts.create(&PostParams::default(), &account).await.unwrap();
    let kubeconfig = cluster.service_account_kubeconfig("default", "limited").await.unwrap();
    assert_eq!(status_of_reading(client_of(&kubeconfig).await.unwrap()).await, 403);

    let admin = std::fs::read_to_string(cluster.kubeconfig_path()).unwrap();
    let anonymous: Vec<&str> = admin.lines().filter(|line| !line.contains("token:")).collect();
    let path = cluster.kubeconfig_path().with_extension("anonymous");
    std::fs::write(&path, anonymous.join("\n")).unwrap();
    assert_eq!(status_of_reading(client_of(&path).await.unwrap()).await, 403);
}

async fn status_of_reading(client: Client) -> u16 {
    match config_maps(client).get("web").await {
        Ok(_) => 200,
        Err(kube::Error::Api(status)) => status.code,
        Err(other) => panic!("the API server did not answer: {other}"),
    }
}

async fn a_service_account_has_the_rights_bound_to_it(cluster: &ControlPlane) {
    let bind = ["create", "rolebinding", "limited", "--clusterrole=view", "--serviceaccount=default:limited"];
    cluster.kubectl(&bind).await.unwrap();
    let kubeconfig = cluster.service_account_kubeconfig("default", "limited").await.unwrap();
    let client = client_of(&kubeconfig).await.unwrap();
    // The authorizer sees a new binding through a watch.
    keelson_e2e::wait::eventually(std::time::Duration::from_secs(10), "the binding to count", || async {
        Ok((status_of_reading(client.clone()).await == 200).then_some(()))
    })
    .await
    .unwrap();
    let refused = config_maps(client).create(&PostParams::default(), &config_map("other")).await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 403));
}

async fn objects_and_clients_outlive_the_api_server(cluster: &mut ControlPlane) {
    let before = cluster.client();
    let pid = cluster.api_server_pid();
    cluster.restart_api_server().await.unwrap();
    assert_ne!(cluster.api_server_pid(), pid);
    let kept = config_maps(before).get("web").await.unwrap();
    assert_eq!(kept.data.unwrap()["port"], "8080");
}
