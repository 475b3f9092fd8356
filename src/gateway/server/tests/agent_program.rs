use keelson_protocol::v1::{GetAgentRequest, GetAgentResponse};
use keelson_protocol::{AGENT_VERSION_MARK, MAX_AGENT_PIECE};
use sha2::{Digest as _, Sha256};
use tonic::Code;

use super::*;

fn request(architecture: &str) -> GetAgentRequest {
    GetAgentRequest { architecture: architecture.into() }
}

/// A gateway that hands out what is in a folder.
async fn world_of(directory: &std::path::Path, max_agent_downloads: usize) -> World {
    world_with(Settings { agent_directory: Some(directory.to_owned()), max_agent_downloads, ..settings() })
        .await
}

/// Puts a program there that does not fit into what is on its way to a node which does not read.
fn large_program(directory: &std::path::Path) {
    let program = [AGENT_VERSION_MARK.as_bytes(), b"1.2.3\n", &vec![0; 40 * MAX_AGENT_PIECE]].concat();
    std::fs::write(directory.join("keelson-agent-x86_64"), &program).unwrap();
}

async fn pieces(client: &mut NodeClient<Channel>) -> Vec<GetAgentResponse> {
    let mut stream = client.get_agent(request("x86_64")).await.unwrap().into_inner();
    let mut pieces = Vec::new();
    while let Some(piece) = timeout(SOON, stream.message()).await.unwrap().unwrap() {
        pieces.push(piece);
    }
    pieces
}

#[tokio::test]
async fn a_node_gets_the_whole_program_with_version_length_and_digest_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = vec![7; 2 * MAX_AGENT_PIECE + 5];
    program.extend(format!("{AGENT_VERSION_MARK}1.2.3\n").bytes());
    std::fs::write(folder.path().join("keelson-agent-x86_64"), &program).unwrap();
    let world = world_of(folder.path(), 1).await;
    let mut client = world.node(&world.enrol().await).await;
    let pieces = pieces(&mut client).await;
    assert_eq!((pieces[0].version.as_str(), pieces[0].bytes), ("1.2.3", program.len() as u64));
    assert_eq!(pieces[0].sha256, Sha256::digest(&program).to_vec());
    assert!(pieces.iter().all(|piece| piece.data.len() <= MAX_AGENT_PIECE));
    assert!(pieces[1..].iter().all(|piece| piece.version.is_empty() && piece.sha256.is_empty()));
    assert!(pieces.into_iter().flat_map(|piece| piece.data).eq(program));
    world.stop().await;
}

#[tokio::test]
async fn a_download_waits_for_its_turn_and_one_that_is_given_up_frees_it() {
    let folder = tempfile::tempdir().unwrap();
    large_program(folder.path());
    let world = world_of(folder.path(), 1).await;
    let (mut first, mut second) =
        (world.node(&world.enrol().await).await, world.node(&world.enrol().await).await);
    let mut unread = first.get_agent(request("x86_64")).await.unwrap().into_inner();
    unread.message().await.unwrap().unwrap();
    let waiting = tokio::spawn(async move { pieces(&mut second).await.len() });
    // The answer to a call on the other connection shows that the gateway goes on; the download does not.
    first.get_agent(request("mips")).await.unwrap_err();
    assert!(!waiting.is_finished());
    drop(unread);
    assert_eq!(timeout(SOON, waiting).await.unwrap().unwrap(), 41);
    world.stop().await;
}

#[tokio::test]
async fn one_node_does_not_take_the_turns_of_all() {
    let folder = tempfile::tempdir().unwrap();
    large_program(folder.path());
    let world = world_of(folder.path(), 3).await;
    let (mut greedy, mut other) =
        (world.node(&world.enrol().await).await, world.node(&world.enrol().await).await);
    let first = greedy.get_agent(request("x86_64")).await.unwrap();
    let _second = greedy.get_agent(request("x86_64")).await.unwrap();
    let refused = greedy.get_agent(request("x86_64")).await.unwrap_err();
    assert!(refused.code() == Code::Unavailable && refused.message().contains("this node"), "{refused}");
    assert_eq!(timeout(SOON, pieces(&mut other)).await.unwrap().len(), 41);
    drop(first);
    while greedy.get_agent(request("x86_64")).await.is_err() {
        tokio::task::yield_now().await;
    }
    world.stop().await;
}

#[tokio::test]
async fn what_cannot_be_handed_out_is_refused_with_the_reason_and_the_mend() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("keelson-agent-x86_64"), "something else").unwrap();
    let with_folder = world_of(folder.path(), 1).await;
    let without = world().await;
    for (world, architecture, code, words) in [
        (&with_folder, "x86_64", Code::FailedPrecondition, "is no keelson-agent"),
        (&with_folder, "aarch64", Code::FailedPrecondition, "put the agent for this processor there"),
        (&with_folder, "../x86_64", Code::InvalidArgument, "only for x86_64 or aarch64"),
        (&without, "x86_64", Code::FailedPrecondition, "--agent-directory"),
    ] {
        let mut client = world.node(&world.enrol().await).await;
        let status = client.get_agent(request(architecture)).await.unwrap_err();
        assert!(status.code() == code && status.message().contains(words), "{architecture}: {status}");
    }
    let mut agent = with_folder.enrol().await;
    with_folder.expire(&mut agent);
    let status = with_folder.node(&agent).await.get_agent(request("x86_64")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
}
