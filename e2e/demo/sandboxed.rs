//! The demo where servers cannot be booted: each agent is an ordinary process, and its "server" is a folder.

use std::path::Path;

use anyhow::{Context as _, ensure};
use keelson_e2e::process::{Process, Program};
use keelson_e2e::{Keelson, Settings, assets, shell};

use crate::story::{chapter, farewell, kubectl, run_now, say, wait_for_run};

const ASSOCIATION: &str = "web-servers";

/// A document that touches nothing but the folder its agent was given.
const DOCUMENT: &str = r#"
apiVersion: keelson.dev/v1alpha1
kind: Document
metadata: {name: web-server}
spec:
  content:
    schemaVersion: "2.2"
    description: Keeps a config file as it should be, in the folder that stands for a server.
    mainSteps:
      - name: config
        action: aws:runShellScript
        inputs:
          runCommand:
            - |
              set -eu
              mkdir -p "$KEELSON_DEMO_SERVER/etc"
              echo "greeting=hello" > "$KEELSON_DEMO_SERVER/etc/server.conf"
---
apiVersion: keelson.dev/v1alpha1
kind: Association
metadata: {name: web-servers}
spec:
  documentName: web-server
  targets: [{key: "tag:Role", values: [web]}]
  scheduleExpression: rate(1 minute)
  complianceSeverity: HIGH
"#;

/// The parts of the demo, in the order they are dropped.
pub struct Parts {
    _keelson: Keelson,
    _agents: Vec<Process>,
}

/// Tells the story.
pub async fn tell(folder: &Path) -> anyhow::Result<Parts> {
    chapter("A cluster, and three servers that are not in it");
    say("Starting etcd, kube-apiserver, kube-controller-manager, Keelson's operator and its gateway ...");
    let keelson = Keelson::start(folder, &Settings::at([127, 0, 0, 1].into())).await?;
    chapter("Enrol three agents");
    keelson.activate("web", 3, "Role: web").await?;
    let enrolment = folder.join("enrolment.json");
    std::fs::write(&enrolment, keelson.enrolment("web").await?)?;
    let servers: Vec<_> = (1..=3).map(|number| folder.join(format!("server{number}"))).collect();
    let mut agents = Vec::new();
    for server in &servers {
        agents.push(start_agent(server, &enrolment)?);
    }
    chapter("Say what should be so");
    print!("{}", keelson.apply(DOCUMENT).await?);
    wait_for_run(&keelson, ASSOCIATION, true).await?;
    kubectl(&keelson, "get managednodes,documents,associations,commands,invocations").await?;
    break_and_mend(&keelson, &servers).await?;
    farewell(&keelson);
    Ok(Parts { _keelson: keelson, _agents: agents })
}

fn start_agent(server: &Path, enrolment: &Path) -> anyhow::Result<Process> {
    let state = server.join("agent");
    std::fs::create_dir_all(&state)?;
    let state = state.to_string_lossy();
    let agent = assets::agent()?;
    shell::run(&agent, ["enrol", "--state-dir", &state, "--from", &enrolment.to_string_lossy()])?;
    let program = Program::new(agent, server.join("agent.log"))
        .args(["run", "--state-dir", &state])
        .env("KEELSON_DEMO_SERVER", server);
    Process::start(program)
}

async fn break_and_mend(keelson: &Keelson, servers: &[std::path::PathBuf]) -> anyhow::Result<()> {
    chapter("Break two of them");
    let [first, second, ..] = servers else { anyhow::bail!("three servers were asked for") };
    let (drifted, blocked) = (first.join("etc/server.conf"), second.join("etc"));
    say(&format!("echo greeting=wrong > {}", drifted.display()));
    std::fs::write(&drifted, "greeting=wrong\n")?;
    say(&format!("rm -r {0}; touch {0}   (so that the document must fail there)", blocked.display()));
    std::fs::remove_dir_all(&blocked)?;
    std::fs::write(&blocked, "")?;
    say("Waiting for the next minute's run ...");
    wait_for_run(keelson, ASSOCIATION, false).await?;
    let repaired = std::fs::read_to_string(&drifted).context("the drifted file is gone")?;
    ensure!(repaired == "greeting=hello\n", "the drift was not repaired: {repaired:?}");
    say("The drifted file is as it should be again.");
    kubectl(keelson, "get associations,managednodes").await?;
    kubectl(keelson, &format!("get association {ASSOCIATION} -o jsonpath={{.status.failingNodes}}")).await?;
    chapter("Mend it, and do not wait for the minute");
    std::fs::remove_file(&blocked)?;
    run_now(keelson, ASSOCIATION).await?;
    wait_for_run(keelson, ASSOCIATION, true).await?;
    kubectl(keelson, "get associations").await
}
