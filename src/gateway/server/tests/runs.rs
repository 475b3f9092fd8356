use keelson_core::fleet::Report;
use keelson_protocol::v1::{Refused, StepResult};

use super::*;
use crate::testing::assignment;

#[tokio::test]
async fn a_short_run_is_sent_accepted_recorded_once_and_acknowledged() {
    let world = world_with(Settings { in_progress_after: Duration::from_secs(600), ..settings() }).await;
    let agent = world.enrol().await;
    let mut attached = world.attach(&agent).await;
    world.assign("hello", &agent);
    assert_eq!(attached.dispatched().await, "hello");
    attached.accept("hello").await;
    attached.end("hello", "Success").await;
    assert_eq!(attached.acknowledged().await, command_uid("hello"));
    assert!(matches!(world.fleet.records().as_slice(), [Report::Finished(_)]));
    let metrics = world.gateway.metrics();
    assert_eq!((metrics.dispatches.get(), metrics.results.get()), (1, 1));
}

#[tokio::test]
async fn a_long_run_is_recorded_twice() {
    let world = world().await;
    let agent = world.enrol().await;
    let mut attached = world.attach(&agent).await;
    world.assign("hello", &agent);
    attached.dispatched().await;
    attached.accept("hello").await;
    world.fleet.until("the run's start", |state| state.records.len() == 1).await;
    attached.end("hello", "Failed").await;
    attached.acknowledged().await;
    assert!(matches!(world.fleet.records().as_slice(), [Report::InProgress, Report::Finished(_)]));
}

#[tokio::test]
async fn a_result_that_is_sent_again_is_acknowledged_again() {
    let world = world().await;
    let agent = world.enrol().await;
    let mut attached = world.attach(&agent).await;
    for _ in 0..3 {
        attached.end("hello", "Success").await;
        assert_eq!(attached.acknowledged().await, command_uid("hello"));
    }
}

#[tokio::test]
async fn what_a_node_still_runs_when_it_comes_back_is_not_sent_again() {
    let world = world().await;
    let agent = world.enrol().await;
    world.fleet.assign("running");
    world.fleet.assign("waiting");
    let running = Accepted { command_uid: command_uid("running"), invocation: "running".into() };
    let hello = Hello { running: vec![running], ..Hello::default() };
    let (mut attached, _) = world.attach_with(&agent, hello).await;
    assert_eq!(attached.dispatched().await, "waiting");
    attached.end("running", "Success").await;
    assert_eq!(attached.acknowledged().await, command_uid("running"));
}

#[tokio::test]
async fn what_is_too_late_or_known_to_be_on_the_node_is_not_sent() {
    let world = world().await;
    let agent = world.enrol().await;
    world.fleet.change(|state| {
        state
            .assignments
            .push(keelson_core::fleet::Assignment { expires_in: Duration::ZERO, ..assignment("late") });
        state.assignments.push(keelson_core::fleet::Assignment { in_progress: true, ..assignment("there") });
        state.assignments.push(assignment("hello"));
    });
    let mut attached = world.attach(&agent).await;
    assert_eq!(attached.dispatched().await, "hello");
    // An answer to something else comes next, so nothing else was sent meanwhile.
    attached.end("hello", "Success").await;
    attached.acknowledged().await;
}

#[tokio::test]
async fn a_refusal_is_recorded_and_acknowledged() {
    let world = world().await;
    let agent = world.enrol().await;
    let mut attached = world.attach(&agent).await;
    world.assign("hello", &agent);
    attached.dispatched().await;
    let refused = Refused {
        command_uid: command_uid("hello"),
        invocation: "hello".into(),
        reason: 1,
        message: "came too late".into(),
    };
    attached.say(FromAgent::Refused(refused)).await;
    attached.acknowledged().await;
    let details = keelson_core::status::StatusDetails::DeliveryTimedOut;
    assert_eq!(world.fleet.records(), [Report::Refused { details, message: "came too late".into() }]);
}

#[tokio::test]
async fn a_control_plane_that_is_away_holds_up_only_what_needs_it() {
    let world = world_with(Settings { in_progress_after: Duration::from_secs(600), ..settings() }).await;
    let agent = world.enrol().await;
    let mut attached = world.attach(&agent).await;
    world.fleet.assign("first");
    world.assign("second", &agent);
    attached.dispatched().await;
    attached.dispatched().await;
    world.fleet.change(|state| state.unavailable = true);
    attached.end("first", "Success").await;
    world.fleet.until("a try to record", |state| state.failures > 1).await;
    world.fleet.change(|state| {
        state.assignments[1].cancel = true;
        state.failures = 0;
    });
    world.gateway.notify(&agent.node.namespace, &agent.node.name);
    assert!(matches!(attached.next().await, Ok(Some(FromGateway::Cancel(_)))));
    attached.end("second", "Cancelled").await;
    world.fleet.change(|state| state.unavailable = false);
    let mut acknowledged = [attached.acknowledged().await, attached.acknowledged().await];
    acknowledged.sort_unstable();
    assert_eq!(acknowledged, [command_uid("first"), command_uid("second")]);
}

#[tokio::test]
async fn a_run_on_a_node_that_goes_away_is_recorded_as_in_progress_before_its_time() {
    let world = world_with(Settings { in_progress_after: Duration::from_secs(600), ..settings() }).await;
    let agent = world.enrol().await;
    let mut attached = world.attach(&agent).await;
    world.assign("hello", &agent);
    attached.dispatched().await;
    attached.accept("hello").await;
    // What was said is heard in order: when this is acknowledged, the gateway knows that the other runs.
    attached.end("another", "Success").await;
    attached.acknowledged().await;
    drop(attached);
    world.fleet.until("the record", |state| state.records.len() == 2).await;
    assert_eq!(world.fleet.records().pop(), Some(Report::InProgress));
}

#[tokio::test]
async fn what_an_agent_of_another_version_says_is_passed_over() {
    let world = world().await;
    let agent = world.enrol().await;
    let mut attached = world.attach(&agent).await;
    attached.outbound.send(AgentMessage { message: None }).await.unwrap();
    attached.say(FromAgent::Hello(Hello::default())).await;
    world.assign("hello", &agent);
    assert_eq!(attached.dispatched().await, "hello");
}

#[tokio::test]
async fn a_node_that_floods_the_gateway_with_runs_is_sent_away() {
    let world = world_with(Settings { in_progress_after: Duration::from_secs(600), ..settings() }).await;
    let agent = world.enrol().await;
    let running =
        (0..2001).map(|run| Accepted { command_uid: format!("{run}"), invocation: format!("{run}") });
    let hello = Hello { running: running.collect(), ..Hello::default() };
    let (mut attached, _) = world.attach_with(&agent, hello).await;
    assert_eq!(attached.next().await.unwrap_err().code(), tonic::Code::ResourceExhausted);
}

#[tokio::test]
async fn output_that_arrives_later_is_no_longer_pending_and_the_whole_result_stays() {
    let world = world().await;
    let agent = world.enrol().await;
    let mut attached = world.attach(&agent).await;
    let step = StepResult { standard_output: "the longer text".into(), ..StepResult::default() };
    let whole = RunResult { steps: vec![step], output_pending: true, ..result("hello", "Success") };
    attached.say(FromAgent::Result(whole.clone())).await;
    let acknowledgement = attached.next().await;
    assert!(matches!(acknowledgement, Ok(Some(FromGateway::ResultAck(ack))) if ack.output_pending));
    let short = RunResult { steps: vec![StepResult::default()], output_pending: false, ..whole };
    attached.say(FromAgent::Result(short)).await;
    attached.acknowledged().await;
    let pending = |report: &Report| matches!(report, Report::Finished(run) if run.output_pending);
    assert_eq!(world.fleet.records().iter().map(pending).collect::<Vec<_>>(), [true, false]);
    let placement = world.fleet.placement(&agent.node, "hello", &command_uid("hello")).await.unwrap();
    let kept = world.archive.result(&placement).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&kept).contains("the longer text"));
}

#[tokio::test]
async fn a_node_is_heard_while_the_archive_is_out_of_order_and_keeps_what_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open(&format!("file://{}", folder.path().display())).unwrap();
    let in_the_way = folder.path().join("v1");
    std::fs::write(&in_the_way, "in the way").unwrap();
    let world = world_on(settings(), archive).await;
    let agent = world.enrol().await;
    let mut attached = world.attach(&agent).await;
    let runs: Vec<_> = (0..20).map(|run| format!("run-{run:02}")).collect();
    let say = async |attached: &Attached, command_uid: &str| {
        attached.end(command_uid.trim_start_matches("uid-of-"), "Success").await;
    };
    for run in &runs {
        say(&attached, run).await;
    }
    attached.accept("another").await;
    let mut acknowledged = Vec::new();
    while acknowledged.len() < runs.len() {
        match attached.next().await {
            Ok(Some(FromGateway::SayAgain(asked))) => say(&attached, &asked.command_uid).await,
            Ok(Some(FromGateway::ResultAck(ack))) => acknowledged.push(ack.command_uid),
            other => panic!("unexpected: {other:?}"),
        }
        let records = world.fleet.lock().records.clone();
        let outcomes = records.iter().filter(|(_, report)| matches!(report, Report::Finished(_))).count();
        let other_is_heard = records.contains(&("another".to_owned(), Report::InProgress));
        if outcomes == runs.len() && other_is_heard && in_the_way.is_file() {
            assert!(acknowledged.is_empty(), "not before the archive has the whole");
            std::fs::remove_file(&in_the_way).unwrap();
        }
    }
    acknowledged.sort_unstable();
    assert_eq!(acknowledged, runs.iter().map(|run| command_uid(run)).collect::<Vec<_>>());
}

#[tokio::test]
async fn results_beyond_the_limit_of_runs_wait_and_do_not_end_the_stream() {
    let world = world_with(Settings { in_progress_after: Duration::from_secs(600), ..settings() }).await;
    let agent = world.enrol().await;
    let running = (0..2000)
        .map(|run| Accepted { command_uid: command_uid(&format!("{run}")), invocation: format!("{run}") });
    let hello = Hello { running: running.collect(), ..Hello::default() };
    let (mut attached, _) = world.attach_with(&agent, hello).await;
    attached.end("one-more", "Success").await;
    attached.end("7", "Success").await;
    assert_eq!(attached.acknowledged().await, command_uid("7"));
    attached.end("one-more", "Success").await;
    assert_eq!(attached.acknowledged().await, command_uid("one-more"));
}
