//! The agent as a whole: its binary, against a gateway in the test's process.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers may fail the test")]

#[allow(dead_code, reason = "the unit tests use the rest")]
#[path = "../fake_gateway.rs"]
mod fake_gateway;
#[path = "daemon/node.rs"]
mod node;

use keelson_protocol::v1::agent_message::Message as FromAgent;
use keelson_protocol::v1::gateway_message::Message as ToAgent;
use keelson_protocol::v1::{Cancel, OutputStream, ResultAck};

use fake_gateway::{Attached, NODE};
use node::Node;

async fn attached(node: &mut Node) -> (Attached, Vec<String>) {
    let mut attached = node.gateway.next().await;
    let Some(FromAgent::Hello(hello)) = attached.next().await else { panic!("no hello") };
    attached.welcome().await;
    (attached, hello.running.into_iter().map(|run| run.command_uid).collect())
}

async fn result(attached: &mut Attached) -> keelson_protocol::v1::RunResult {
    loop {
        match attached.next().await {
            Some(FromAgent::Result(result)) => return result,
            Some(_) => {}
            None => panic!("the stream ended before the result"),
        }
    }
}

async fn acknowledge(attached: &Attached, command_uid: &str) {
    attached
        .say(ToAgent::ResultAck(ResultAck { command_uid: command_uid.into(), output_pending: false }))
        .await;
}

#[tokio::test]
async fn a_server_enrols_runs_a_document_and_leaves() {
    let mut node = Node::new().await;
    assert_eq!(node.agent(&["status"]).await.code, 3);
    let enrolled = node.enrol("right").await;
    assert_eq!(
        (enrolled.code, enrolled.out.as_str()),
        (0, format!("enrolled as {NODE} in namespace default\n").as_str())
    );
    assert_eq!(node.agent(&["status"]).await.code, 4);
    let _daemon = node.start();
    let (mut stream, running) = attached(&mut node).await;
    assert!(running.is_empty());
    stream.say(node::dispatch("uid-1", "echo out; echo err >&2")).await;
    assert!(
        matches!(stream.next().await, Some(FromAgent::Accepted(accepted)) if accepted.command_uid == "uid-1")
    );
    let ended = result(&mut stream).await;
    assert_eq!((ended.status.as_str(), ended.output_pending), ("Success", false));
    assert_eq!(ended.steps[0].output, "out\n\n----------ERROR-------\nerr\n");
    let archived = |stream: OutputStream| node.archived(0, stream);
    assert_eq!(
        (archived(OutputStream::Stdout), archived(OutputStream::Stderr)),
        (b"out\n".to_vec(), b"err\n".to_vec())
    );
    let told = node.status_that_says("unacknowledged results:  1\n").await;
    assert!(told.code == 0 && told.out.contains("connected to gateway-0"), "{told:?}");
    acknowledge(&stream, "uid-1").await;
    node.status_that_says("unacknowledged results:  0\n").await;
    assert_eq!(node.agent(&["unenrol"]).await.code, 0);
    assert_eq!(node.agent(&["status"]).await.code, 3);
}

#[tokio::test]
async fn a_run_survives_the_agent_and_is_reported_once_by_the_next() {
    let mut node = Node::new().await;
    node.enrol("right").await;
    let daemon = node.start();
    let (mut stream, _) = attached(&mut node).await;
    let pipe = node.pipe();
    let script = format!("echo run >> {}; cat {}", node.path("count").display(), pipe.display());
    stream.say(node::dispatch("uid-1", &script)).await;
    stream.next().await;
    let started =
        tokio::task::spawn_blocking(move || std::fs::OpenOptions::new().write(true).open(pipe).unwrap());
    let script_input = started.await.unwrap();
    daemon.kill();
    let daemon = node.start();
    let (mut stream, running) = attached(&mut node).await;
    assert_eq!(running, ["uid-1"]);
    stream.say(node::dispatch("uid-1", &script)).await;
    drop(script_input);
    assert_eq!(result(&mut stream).await.status, "Success");
    // Not acknowledged: the next agent tells it again.
    daemon.kill();
    let _daemon = node.start();
    let (mut stream, _) = attached(&mut node).await;
    assert_eq!(result(&mut stream).await.status, "Success");
    acknowledge(&stream, "uid-1").await;
    assert_eq!(std::fs::read_to_string(node.path("count")).unwrap(), "run\n");
}

#[tokio::test]
async fn a_cancel_ends_the_script_that_runs() {
    let mut node = Node::new().await;
    node.enrol("right").await;
    let _daemon = node.start();
    let (mut stream, _) = attached(&mut node).await;
    let pipe = node.pipe();
    stream.say(node::dispatch("uid-1", &format!("cat {}", pipe.display()))).await;
    let started =
        tokio::task::spawn_blocking(move || std::fs::OpenOptions::new().write(true).open(pipe).unwrap());
    let _script_input = started.await.unwrap();
    stream.say(ToAgent::Cancel(Cancel { command_uid: "uid-1".into() })).await;
    assert_eq!(result(&mut stream).await.status, "Cancelled");
}

#[tokio::test]
async fn an_enrolment_that_is_refused_or_would_replace_another_node_says_why() {
    let mut node = Node::new().await;
    let wrong = node.enrol("wrong").await;
    assert_eq!(wrong.code, 1);
    assert!(wrong.err.contains("the gateway refuses: the activation or its code is not right"), "{wrong:?}");
    assert_eq!(node.enrol("right").await.code, 0);
    assert_eq!(node.enrol("right").await.code, 0, "the same node again");
    node.namespace = "elsewhere".into();
    let other = node.enrol("right").await;
    assert!(other.code == 1 && other.err.contains("--force"), "{other:?}");
}

#[tokio::test]
async fn one_agent_works_on_a_state_folder() {
    let mut node = Node::new().await;
    node.enrol("right").await;
    let _daemon = node.start();
    attached(&mut node).await;
    let second = node.agent(&["run"]).await;
    assert!(second.code == 1 && second.err.contains("another keelson-agent runs"), "{second:?}");
}
