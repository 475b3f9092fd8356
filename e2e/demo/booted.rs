//! The demo on booted servers.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use keelson_e2e::wait::eventually;
use keelson_e2e::{Keelson, Network, Node, Settings};
use tokio::net::TcpStream;

use crate::story::{apply_sample, chapter, farewell, kubectl, run_now, say, wait_for_run};

const ASSOCIATION: &str = "web-servers";

/// The parts of the demo, in the order they are dropped.
pub struct Parts {
    _keelson: Keelson,
    _nodes: Vec<Node>,
    _network: Network,
}

/// Tells the story.
pub async fn tell(folder: &Path) -> anyhow::Result<Parts> {
    chapter("A cluster, and three servers that are not in it");
    say("Starting etcd, kube-apiserver, kube-controller-manager, Keelson's operator and its gateway ...");
    let network = Network::create()?;
    Keelson::provide_agent(&network)?;
    let settings = Settings::at(network.host_address().into());
    let keelson = Keelson::start(folder, &settings).await?;
    say("Booting three servers ...");
    let nodes = Node::boot_many(&network, 3).await?;
    let [first, second, _] = &nodes[..] else { anyhow::bail!("three nodes were asked for") };

    enrol(&keelson, &nodes).await?;
    converge(&keelson, &nodes).await?;
    drift(&keelson, first, second).await?;
    heal(&keelson, second).await?;
    farewell(&keelson);
    Ok(Parts { _keelson: keelson, _nodes: nodes, _network: network })
}

async fn enrol(keelson: &Keelson, nodes: &[Node]) -> anyhow::Result<()> {
    chapter("Enrol them");
    apply_sample(keelson, "activation.yaml").await?;
    keelson.enrolment("web").await?;
    for node in nodes {
        say(&format!("{}: keelson-agent enrol --from enrolment.json", node.host_name()));
        keelson.enrol(node, "web").await?;
    }
    kubectl(keelson, "get managednodes -o wide").await
}

async fn converge(keelson: &Keelson, nodes: &[Node]) -> anyhow::Result<()> {
    chapter("Say what should be so");
    for node in nodes {
        TcpStream::connect((node.address(), 22)).await.context("port 22 was expected to be open")?;
        say(&format!("{}: port 22 accepts connections", node.host_name()));
    }
    apply_sample(keelson, "document.yaml").await?;
    apply_sample(keelson, "association.yaml").await?;
    let took = wait_for_run(keelson, ASSOCIATION, true).await?;
    say(&format!("\nEvery server was as it should be {:.1} s later.", took.as_secs_f64()));
    for node in nodes {
        let refused = TcpStream::connect((node.address(), 22)).await.is_err();
        ensure!(refused, "{}: port 22 still accepts connections", node.host_name());
        let answer = ask(node).await?;
        say(&format!("{}: port 22 refuses connections, port 8080 answers {answer:?}", node.host_name()));
    }
    kubectl(keelson, "get documents,associations,commands,invocations").await
}

async fn drift(keelson: &Keelson, drifting: &Node, failing: &Node) -> anyhow::Result<()> {
    let (drifter, failer) = (drifting.host_name(), failing.host_name());
    chapter("Break two of them");
    say(&format!("{drifter}: systemctl stop web-server; echo GREETING=wrong > /etc/web-server/server.conf"));
    drifting.shell("systemctl stop web-server; echo GREETING=wrong > /etc/web-server/server.conf").await?;
    say(&format!(
        "{failer}: rm -r /etc/web-server; touch /etc/web-server   (so that the document must fail there)"
    ));
    failing.shell("rm -r /etc/web-server; touch /etc/web-server").await?;
    say("Waiting for the next minute's run ...");
    wait_for_run(keelson, ASSOCIATION, false).await?;
    let answer = eventually(Duration::from_secs(30), "the drifted service to be repaired", || async {
        Ok(Some(ask(drifting).await?))
    })
    .await?;
    say(&format!("{drifter}: repaired, port 8080 answers {answer:?} again"));
    kubectl(keelson, "get associations").await?;
    kubectl(keelson, "get managednodes").await?;
    kubectl(keelson, &format!("get association {ASSOCIATION} -o jsonpath={{.status.failingNodes}}")).await?;
    say("");
    let reported = keelson
        .kubectl(&format!("get association {ASSOCIATION} -o jsonpath={{.status.failingNodes}}"))
        .await?;
    ensure!(
        reported.contains(&failer) && reported.contains("File exists"),
        "the failing node's stderr is not reported"
    );
    Ok(())
}

async fn heal(keelson: &Keelson, failing: &Node) -> anyhow::Result<()> {
    chapter("Mend it, and do not wait for the minute");
    say(&format!("{}: rm /etc/web-server", failing.host_name()));
    failing.shell("rm /etc/web-server").await?;
    run_now(keelson, ASSOCIATION).await?;
    let took = wait_for_run(keelson, ASSOCIATION, true).await?;
    say(&format!("Every server is as it should be again, {:.1} s later.", took.as_secs_f64()));
    kubectl(keelson, "get associations").await
}

/// What the service of the sample says.
async fn ask(node: &Node) -> anyhow::Result<String> {
    use tokio::io::AsyncReadExt as _;
    let mut stream = TcpStream::connect((node.address(), 8080)).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.lines().last().unwrap_or_default().to_owned())
}
