use tonic::Code;

use super::*;
use crate::testing::assignment;

#[tokio::test]
async fn the_newer_of_two_connections_of_one_identity_wins() {
    let world = world().await;
    let agent = world.enrol().await;
    let mut older = world.attach(&agent).await;
    let mut newer = world.attach(&agent).await;
    assert_eq!(older.farewell().await, GoodbyeReason::Replaced);
    world.assign("hello", &agent);
    assert_eq!(newer.dispatched().await, "hello");
    assert_eq!(world.gateway.connected_nodes()[0].epoch, 2);
    assert!(world.fleet.lock().disconnected.is_empty());
}

#[tokio::test]
async fn a_connection_elsewhere_ends_this_one() {
    let world = world().await;
    let agent = world.enrol().await;
    let mut attached = world.attach(&agent).await;
    world.gateway.superseded(&agent.node.namespace, &agent.node.name, 1); // its own epoch
    world.gateway.superseded(&agent.node.namespace, &agent.node.name, 2);
    assert_eq!(attached.farewell().await, GoodbyeReason::Replaced);
}

#[tokio::test]
async fn a_report_that_finds_a_newer_epoch_ends_the_stream() {
    let world = world().await;
    let agent = world.enrol().await;
    let mut attached = world.attach(&agent).await;
    world.fleet.change(|state| state.epochs.insert(agent.node.name.clone(), 9));
    attached.end("hello", "Success").await;
    assert_eq!(attached.farewell().await, GoodbyeReason::Replaced);
    assert!(world.fleet.records().is_empty());
    assert_eq!(world.gateway.metrics().streams_superseded.get(), 1);
}

#[tokio::test]
async fn a_deleted_nodes_stream_is_closed_at_once() {
    let world = world().await;
    let agent = world.enrol().await;
    let mut attached = world.attach(&agent).await;
    let NodeIdentity { namespace, name, uid, .. } = &agent.node;
    world.gateway.node_removed(namespace, name, "uid-of-a-former-node-of-this-name");
    assert_eq!(world.connected(), 1);
    world.gateway.node_removed(namespace, name, uid);
    let told = timeout(Duration::from_secs(5), attached.farewell()).await.unwrap();
    assert_eq!(told, GoodbyeReason::Removed);
}

#[tokio::test]
async fn a_node_that_stays_away_is_reported_once_and_one_that_comes_back_is_not() {
    let world = world().await;
    let (stays_away, comes_back) = (world.enrol().await, world.enrol().await);
    drop(world.attach(&stays_away).await);
    drop(world.attach(&comes_back).await);
    let _back = world.attach(&comes_back).await;
    world.fleet.until("the report", |state| !state.disconnected.is_empty()).await;
    tokio::time::sleep(settings().reconnect_grace).await;
    assert_eq!(world.fleet.lock().disconnected, [(stays_away.node.name.clone(), 1)]);
}

#[tokio::test]
async fn a_stream_must_begin_with_hello_and_soon() {
    let world = world_with(Settings { hello_limit: Duration::from_millis(200), ..settings() }).await;
    let agent = world.enrol().await;
    let mut silent = world.open(&agent).await;
    let status = silent.next().await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let mut hasty = world.open(&agent).await;
    hasty.accept("hello").await;
    let status = hasty.next().await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("must be Hello"), "{status}");
}

#[tokio::test]
async fn a_node_is_told_to_come_back_when_the_control_plane_is_away() {
    let world = world().await;
    let agent = world.enrol().await;
    world.fleet.change(|state| state.unavailable = true);
    let mut attached = world.open(&agent).await;
    attached.say(FromAgent::Hello(Hello::default())).await;
    assert_eq!(attached.next().await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_gateway_that_stops_says_so_records_what_runs_and_reports_nobody_as_lost() {
    let world = world_with(Settings { in_progress_after: Duration::from_secs(600), ..settings() }).await;
    let agent = world.enrol().await;
    let mut attached = world.attach(&agent).await;
    world.assign("hello", &agent);
    attached.dispatched().await;
    attached.accept("hello").await;
    // What was said is heard in order: when this is acknowledged, the gateway knows that the other runs.
    attached.end("another", "Success").await;
    attached.acknowledged().await;
    let fleet = Arc::clone(&world.fleet);
    let stopped = tokio::spawn(world.stop());
    assert_eq!(attached.farewell().await, GoodbyeReason::Shutdown);
    timeout(SOON, stopped).await.unwrap().unwrap();
    assert_eq!(fleet.records().pop(), Some(keelson_core::fleet::Report::InProgress));
    assert!(fleet.lock().disconnected.is_empty());
}

#[tokio::test]
async fn a_node_that_does_not_read_delays_no_other() {
    let world = world_with(Settings { stop_grace: Duration::from_millis(100), ..settings() }).await;
    let (slow, quick) = (world.enrol().await, world.enrol().await);
    let mut client = world.node(&slow).await;
    let (outbound, messages) = mpsc::channel(64);
    outbound.send(AgentMessage { message: Some(FromAgent::Hello(Hello::default())) }).await.unwrap();
    let _never_read = client.attach(ReceiverStream::new(messages)).await.unwrap();
    let mut attached = world.attach(&quick).await;
    world
        .fleet
        .change(|state| state.assignments.extend((0..200).map(|run| assignment(&format!("big-{run}")))));
    world.gateway.notify(&slow.node.namespace, &slow.node.name);
    world.gateway.notify(&quick.node.namespace, &quick.node.name);
    for _ in 0..200 {
        attached.dispatched().await;
    }
    world.gateway.node_removed(&slow.node.namespace, &slow.node.name, &slow.node.uid);
    world.stop().await;
}
