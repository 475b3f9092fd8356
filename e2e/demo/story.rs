//! How the demo speaks, and what both kinds of it do alike.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use keelson_api::{Association, condition};
use keelson_e2e::Keelson;
use keelson_e2e::wait::eventually;
use kube::{Api, ResourceExt as _};

/// A run by the schedule comes within a minute; give it another to be over.
const RUN_TIMEOUT: Duration = Duration::from_secs(120);

/// A sentence to the person who watches.
pub fn say(sentence: &str) {
    println!("{sentence}");
}

/// A heading.
pub fn chapter(title: &str) {
    println!("\n== {title}");
}

/// Runs `kubectl` and shows it as one would have typed it.
pub async fn kubectl(keelson: &Keelson, line: &str) -> anyhow::Result<()> {
    println!("\n$ kubectl {line}");
    print!("{}", keelson.kubectl(line).await?);
    Ok(())
}

/// Applies a file of the samples and shows it as one would have typed it.
pub async fn apply_sample(keelson: &Keelson, file: &str) -> anyhow::Result<()> {
    println!("\n$ kubectl apply -f config/samples/{file}");
    let path = keelson_e2e::assets::project().join("config/samples").join(file);
    print!("{}", keelson.kubectl(&format!("apply -f {}", path.display())).await?);
    Ok(())
}

/// Waits for a run of the Association that ends after this moment with every node as wanted, or not.
pub async fn wait_for_run(keelson: &Keelson, name: &str, compliant: bool) -> anyhow::Result<Duration> {
    let associations: Api<Association> = Api::namespaced(keelson.client(), "default");
    let started = Instant::now();
    let what = if compliant { "every node to be compliant" } else { "a failing node to be reported" };
    eventually(RUN_TIMEOUT, what, || async {
        let association = associations.get(name).await?;
        let status = association.status.clone().unwrap_or_default();
        let is = condition::get(&status.conditions, condition::COMPLIANT)
            .map(|condition| condition.status == "True");
        let nodes = status.overview.context("no overview yet")?.target_count;
        Ok((is == Some(compliant) && nodes == 3).then_some(()))
    })
    .await
    .with_context(|| format!("Association {name}"))?;
    Ok(started.elapsed())
}

/// Asks for a run now, as the annotation lets anybody who may change the Association.
pub async fn run_now(keelson: &Keelson, name: &str) -> anyhow::Result<()> {
    let associations: Api<Association> = Api::namespaced(keelson.client(), "default");
    let version = associations.get(name).await?.resource_version().unwrap_or_default();
    kubectl(
        keelson,
        &format!("annotate association {name} keelson.dev/reconcile-at=after-{version} --overwrite"),
    )
    .await
}

/// How to go on from here.
pub fn farewell(keelson: &Keelson) {
    let kubectl = keelson.control_plane.kubectl_path();
    let kubeconfig = keelson.control_plane.kubeconfig_path();
    chapter("Look around");
    println!("  export KUBECONFIG={}", kubeconfig.display());
    println!("  alias kubectl={}", kubectl.display());
    println!("  kubectl get managednodes -o wide");
    println!("  kubectl describe association web-servers");
    println!("  kubectl get invocations --sort-by=.metadata.creationTimestamp");
    println!("\nStop it with: make demo-down");
}
