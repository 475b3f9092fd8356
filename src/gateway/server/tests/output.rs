use futures::TryStreamExt as _;
use keelson_core::fleet::Placement;
use keelson_protocol::MAX_OUTPUT_PIECE;
use keelson_protocol::v1::{OutputStream, PutOutputRequest};
use tonic::Code;

use super::*;
use crate::archive::Stream;
use crate::testing::DATE;

pub(super) fn piece(offset: u64, data: &[u8]) -> PutOutputRequest {
    PutOutputRequest {
        command_uid: command_uid("hello"),
        invocation: "hello".into(),
        step: 0,
        stream: OutputStream::Stdout.into(),
        offset,
        data: data.to_vec(),
    }
}

fn placement(agent: &Agent) -> Placement {
    Placement {
        namespace: agent.node.namespace.clone(),
        date: DATE.into(),
        command_uid: command_uid("hello"),
        node: agent.node.name.clone(),
    }
}

async fn archived(world: &World, agent: &Agent) -> Vec<u8> {
    let stream = world.archive.output(&placement(agent), 0, Stream::Stdout).await.unwrap();
    stream.try_collect::<Vec<_>>().await.unwrap().concat()
}

#[tokio::test]
async fn output_is_resumed_where_it_was_acknowledged_and_reads_back_whole() {
    let world = world().await;
    let agent = world.enrol().await;
    let mut client = world.node(&agent).await;
    let whole: Vec<u8> =
        (0..3 * MAX_OUTPUT_PIECE + 7).map(|index| u8::try_from(index % 251).unwrap()).collect();
    let put = client.put_output(piece(0, &whole[..MAX_OUTPUT_PIECE])).await.unwrap().into_inner();
    assert_eq!(put.stored, 1024 * 1024);
    // The acknowledgement was lost, the agent restarted, and cuts its pieces elsewhere.
    let mut client = world.node(&agent).await;
    let mut offset = 1000;
    while offset < whole.len() {
        let end = whole.len().min(offset + 700_000);
        let request = piece(offset as u64, &whole[offset..end]);
        assert_eq!(client.put_output(request).await.unwrap().into_inner().stored, end as u64);
        offset = end;
    }
    assert_eq!(client.put_output(piece(0, b"")).await.unwrap().into_inner().stored, whole.len() as u64);
    assert!(archived(&world, &agent).await == whole);
    assert_eq!(world.fleet.lock().placements_asked, 1);
}

#[tokio::test]
async fn a_piece_that_is_too_large_or_makes_no_sense_is_refused() {
    let world = world().await;
    let agent = world.enrol().await;
    let mut client = world.node(&agent).await;
    let good = piece(0, b"x");
    for (request, words) in [
        (piece(0, &vec![0; MAX_OUTPUT_PIECE + 1]), "at most 1048576 bytes"),
        (PutOutputRequest { step: 1001, ..good.clone() }, "step 1001"),
        (PutOutputRequest { offset: u64::MAX, ..good.clone() }, "offset"),
        (PutOutputRequest { stream: 7, ..good.clone() }, "neither stdout nor stderr"),
        (PutOutputRequest { command_uid: String::new(), ..good.clone() }, "name is empty"),
    ] {
        let status = client.put_output(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(words), "{status}");
    }
    // Far beyond any message: refused before it is in memory.
    let status = client.put_output(piece(0, &vec![0; 5 * MAX_OUTPUT_PIECE])).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
    assert_eq!(client.put_output(good).await.unwrap().into_inner().stored, 1);
}

#[tokio::test]
async fn output_of_another_nodes_run_is_not_wanted() {
    let world = world().await;
    let agent = world.enrol().await;
    let mut client = world.node(&agent).await;
    let request = PutOutputRequest { invocation: "of-another-node".into(), ..piece(0, b"x") };
    assert_eq!(client.put_output(request).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn output_is_not_taken_without_a_nodes_certificate() {
    let world = world().await;
    let mut client = NodeClient::new(world.channel(ClientTlsConfig::new()).await.unwrap());
    assert_eq!(client.put_output(piece(0, b"x")).await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn more_output_than_there_is_room_for_waits_for_its_turn() {
    let world = world_with(Settings { max_output_pieces: 2, ..settings() }).await;
    let agent = world.enrol().await;
    let client = world.node(&agent).await;
    let puts = (0..12_u64).map(|index| {
        let (mut client, request) = (client.clone(), piece(index * 1000, &[7; 1000]));
        tokio::spawn(async move { client.put_output(request).await.map(|put| put.into_inner().stored) })
    });
    for put in puts.collect::<Vec<_>>() {
        timeout(SOON, put).await.unwrap().unwrap().unwrap();
    }
    assert_eq!(archived(&world, &agent).await.len(), 12_000);
    assert_eq!(world.gateway.metrics().output_bytes.get(), 12_000);
}
