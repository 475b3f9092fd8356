use keelson_core::fleet::RunReport;
use keelson_core::status::StatusDetails;
use keelson_protocol::v1::StepResult;
use tokio::task::JoinHandle;

use super::*;
use crate::archive::Archive;
use crate::ca::CertificateAuthority;
use crate::settings::Settings;
use crate::testing::{FakeFleet, command_uid, hanging};

/// A run that is followed, with both of its ends in hand. Time is paused: waits take none.
struct Followed {
    fleet: Arc<FakeFleet>,
    shared: Arc<Shared<FakeFleet>>,
    events: Option<mpsc::Sender<Event>>,
    reports: Arc<Semaphore>,
    room: Arc<Room>,
    messages: mpsc::Receiver<Item>,
    task: JoinHandle<RunEnd>,
    _outbound: mpsc::Sender<Item>,
}

const RUN: &str = "hello-on-mi-1";

fn follow(invocation: &str, start: Start, fleet: FakeFleet) -> Followed {
    follow_with(invocation, start, fleet, Archive::open("memory://").unwrap())
}

fn follow_with(invocation: &str, start: Start, fleet: FakeFleet, archive: Archive) -> Followed {
    let fleet = Arc::new(fleet);
    let shared = Arc::new(Shared {
        settings: Settings::new("gateway-0", Vec::new()),
        authority: Arc::new(CertificateAuthority::generate().unwrap()),
        fleet: Arc::clone(&fleet),
        archive,
        metrics: Arc::default(),
        registry: super::super::Registry::default(),
        placements: crate::placements::Placements::default(),
        active: crate::shared::Active::default(),
        agents: crate::agent_program::AgentPrograms::new(None, 1),
    });
    let (outbound, messages) = mpsc::channel(16);
    let (sender, events) = mpsc::channel(8);
    let (reports, room) = (Arc::new(Semaphore::new(8)), Arc::new(Room::default()));
    let node = NodeIdentity {
        namespace: "shop".into(),
        name: "mi-1".into(),
        uid: "u".into(),
        fingerprint: "f".into(),
    };
    let run = Run {
        shared: Arc::clone(&shared),
        node: Arc::new(node),
        epoch: 1,
        command_uid: command_uid(invocation),
        invocation: invocation.to_owned(),
        outbound: outbound.downgrade(),
        orders: Arc::new(Semaphore::new(4)),
        reports: Arc::clone(&reports),
        room: Arc::clone(&room),
        events,
        unheard: Unheard::default(),
    };
    Followed {
        fleet,
        shared,
        events: Some(sender),
        reports,
        room,
        messages,
        task: tokio::spawn(run.follow(start)),
        _outbound: outbound,
    }
}

fn dispatch() -> Start {
    Start::Dispatch { expires_in: Duration::from_secs(600), since: Instant::now() }
}

fn result(status: &str) -> RunResult {
    RunResult {
        command_uid: command_uid(RUN),
        invocation: RUN.into(),
        status: status.into(),
        steps: vec![StepResult {
            name: "first".into(),
            status: status.into(),
            standard_output: "the longer text".into(),
            ..StepResult::default()
        }],
        ..RunResult::default()
    }
}

impl Followed {
    async fn event(&self, event: Event) {
        self.events.as_ref().unwrap().send(event).await.unwrap();
    }

    async fn ends(&self, result: RunResult) {
        let place = self.room.take().or_else(|| Arc::clone(&self.reports).try_acquire_owned().ok());
        self.event(match place {
            Some(place) => Event::Report(NodeReport::Finished(Box::new(result)), Some(place)),
            None => Event::Unheard,
        })
        .await;
    }

    async fn asked_again(&mut self) {
        assert!(matches!(self.message().await, FromGateway::SayAgain(_)));
    }

    async fn message(&mut self) -> FromGateway {
        self.messages.recv().await.unwrap().unwrap().message.unwrap()
    }

    async fn dispatched(&mut self) {
        assert!(matches!(self.message().await, FromGateway::Dispatch(_)));
    }

    /// Waits for the acknowledgement; whether it is that of a result whose output was pending.
    async fn acknowledged(&mut self) -> bool {
        let FromGateway::ResultAck(ack) = self.message().await else { panic!("no acknowledgement") };
        ack.output_pending
    }

    fn records(&self) -> Vec<&'static str> {
        self.fleet.records().iter().map(word).collect()
    }
}

fn word(report: &Report) -> &'static str {
    match report {
        Report::InProgress => "InProgress",
        Report::Refused { details, .. } | Report::Finished(RunReport { details, .. }) => details.as_str(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_within_two_seconds_is_recorded_once() {
    let mut run = follow(RUN, dispatch(), FakeFleet::default());
    run.dispatched().await;
    run.event(Event::Accepted { recorded: false }).await;
    sleep(Duration::from_millis(1900)).await;
    run.ends(result("Success")).await;
    run.acknowledged().await;
    assert_eq!(run.task.await.unwrap(), RunEnd::Settled);
    assert_eq!(run.fleet.records().iter().map(word).collect::<Vec<_>>(), ["Success"]);
}

#[tokio::test(start_paused = true)]
async fn a_longer_run_is_recorded_when_it_is_clear_that_it_takes_longer_and_at_its_end() {
    let mut run = follow(RUN, dispatch(), FakeFleet::default());
    run.dispatched().await;
    run.event(Event::Accepted { recorded: false }).await;
    sleep(Duration::from_millis(2100)).await;
    assert_eq!(run.records(), ["InProgress"]);
    sleep(Duration::from_secs(3600)).await;
    run.ends(result("TimedOut")).await;
    run.acknowledged().await;
    assert_eq!(run.records(), ["InProgress", "ExecutionTimedOut"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_the_control_plane_knows_to_be_in_progress_is_recorded_at_its_end_alone() {
    let mut run = follow(RUN, Start::Event(Event::Accepted { recorded: true }), FakeFleet::default());
    sleep(Duration::from_secs(60)).await;
    run.ends(result("Success")).await;
    run.acknowledged().await;
    assert_eq!(run.records(), ["Success"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_on_a_node_that_is_cut_off_is_recorded_as_in_progress_at_once() {
    let mut run = follow(RUN, dispatch(), FakeFleet::default());
    run.dispatched().await;
    run.event(Event::Accepted { recorded: false }).await;
    let before = Instant::now();
    run.events = None;
    assert_eq!(run.task.await.unwrap(), RunEnd::Settled);
    assert_eq!(run.fleet.records(), [Report::InProgress]);
    assert!(before.elapsed() < Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn a_result_outlives_a_control_plane_that_is_away_and_is_acknowledged_only_then() {
    let mut run = follow(RUN, dispatch(), FakeFleet::default());
    run.dispatched().await;
    run.event(Event::Accepted { recorded: false }).await;
    run.fleet.change(|state| state.unavailable = true);
    run.ends(result("Failed")).await;
    sleep(Duration::from_secs(300)).await;
    assert!(run.messages.try_recv().is_err() && run.records().is_empty());
    assert!((30..100).contains(&run.fleet.lock().failures), "{}", run.fleet.lock().failures);
    run.fleet.change(|state| state.unavailable = false);
    run.acknowledged().await;
    assert_eq!(run.records(), ["Failed"]);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_comes_while_in_progress_cannot_be_recorded_is_recorded_alone() {
    let mut run = follow(RUN, dispatch(), FakeFleet::default());
    run.dispatched().await;
    run.fleet.change(|state| state.unavailable = true);
    run.event(Event::Accepted { recorded: false }).await;
    sleep(Duration::from_secs(30)).await;
    run.ends(result("Success")).await;
    sleep(Duration::from_secs(30)).await;
    run.fleet.change(|state| state.unavailable = false);
    run.acknowledged().await;
    assert_eq!(run.records(), ["Success"]);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_nobody_wants_is_acknowledged() {
    let mut run = follow("deleted", Start::Event(Event::Accepted { recorded: false }), FakeFleet::default());
    run.ends(result("Success")).await;
    run.acknowledged().await;
    assert_eq!(run.task.await.unwrap(), RunEnd::Settled);
}

#[tokio::test(start_paused = true)]
async fn a_run_of_a_node_that_another_connection_owns_is_not_written() {
    let mut run = follow(RUN, dispatch(), FakeFleet::default());
    run.dispatched().await;
    run.fleet.change(|state| state.epochs.insert("mi-1".into(), 2));
    run.ends(result("Success")).await;
    assert_eq!((&mut run.task).await.unwrap(), RunEnd::Superseded);
    assert!(run.records().is_empty() && run.messages.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_deleted_or_too_late_is_not_sent() {
    let mut run = follow("deleted", dispatch(), FakeFleet::default());
    assert_eq!((&mut run.task).await.unwrap(), RunEnd::NotSent);
    let late = FakeFleet::default();
    late.change(|state| state.unavailable = true);
    let mut run = follow(RUN, dispatch(), late);
    sleep(Duration::from_secs(601)).await;
    run.fleet.change(|state| state.unavailable = false);
    assert_eq!((&mut run.task).await.unwrap(), RunEnd::NotSent);
    assert!(run.messages.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn what_no_message_can_carry_fails_and_is_not_sent() {
    let mut run = follow("huge", dispatch(), FakeFleet::default());
    assert_eq!((&mut run.task).await.unwrap(), RunEnd::Settled);
    assert_eq!(run.fleet.records(), [convert::too_large()]);
    assert!(run.messages.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_says_how_long_is_left_to_start_it() {
    let fleet = FakeFleet::default();
    fleet.change(|state| state.unavailable = true);
    let mut run = follow(RUN, dispatch(), fleet);
    sleep(Duration::from_secs(100)).await;
    run.fleet.change(|state| state.unavailable = false);
    let FromGateway::Dispatch(dispatch) = run.message().await else { panic!("no dispatch") };
    assert!((480_000..500_000).contains(&dispatch.expires_in_ms), "{}", dispatch.expires_in_ms);
    assert_eq!((dispatch.document_name.as_str(), dispatch.document_version.as_str()), ("say-hello", "3"));
    assert_eq!((dispatch.namespace.as_str(), dispatch.invocation.as_str()), ("shop", RUN));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_follows_the_dispatch_and_the_node_says_how_it_ended() {
    let mut run = follow(RUN, dispatch(), FakeFleet::default());
    run.dispatched().await;
    run.event(Event::Cancel).await;
    assert!(matches!(run.message().await, FromGateway::Cancel(_)));
    run.ends(result("Cancelled")).await;
    run.acknowledged().await;
    assert_eq!(run.records(), ["Cancelled"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_cancelled_before_it_was_sent_ends_without_the_node() {
    let fleet = FakeFleet::default();
    fleet.change(|state| state.unavailable = true);
    let mut run = follow(RUN, dispatch(), fleet);
    run.event(Event::Cancel).await;
    assert!(matches!(run.message().await, FromGateway::Cancel(_)));
    run.fleet.change(|state| state.unavailable = false);
    assert_eq!((&mut run.task).await.unwrap(), RunEnd::Settled);
    assert_eq!(run.fleet.records(), [convert::never_sent()]);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_whose_result_comes_after_all_ends_as_the_node_says() {
    let mut run = follow(RUN, Start::Cancel { in_progress: false }, FakeFleet::default());
    assert!(matches!(run.message().await, FromGateway::Cancel(_)));
    sleep(Duration::from_secs(1)).await;
    run.ends(result("Success")).await;
    run.acknowledged().await;
    assert_eq!(run.records(), ["Success"]);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_that_the_node_has_is_never_ended_by_the_gateway() {
    let mut run = follow(RUN, Start::Cancel { in_progress: true }, FakeFleet::default());
    assert!(matches!(run.message().await, FromGateway::Cancel(_)));
    sleep(Duration::from_secs(3600)).await;
    run.events = None;
    assert_eq!((&mut run.task).await.unwrap(), RunEnd::Settled);
    assert!(run.records().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_whole_result_is_in_the_archive() {
    let mut run = follow(RUN, Start::Event(Event::Accepted { recorded: false }), FakeFleet::default());
    run.ends(result("Success")).await;
    run.acknowledged().await;
    let Some(Report::Finished(report)) = run.fleet.records().pop() else { panic!("no result") };
    assert_eq!(report.output_key, format!("v1/shop/2026-11-23/{}/mi-1", command_uid(RUN)));
    assert!(!report.output_pending);
    let keys = run.shared.archive.keys(&report.output_key).await.unwrap();
    assert_eq!(keys, [format!("{}/result.json", report.output_key)]);
}

#[tokio::test(start_paused = true)]
async fn later_news_of_the_same_result_are_recorded_before_it_is_acknowledged() {
    let mut run = follow(RUN, Start::Event(Event::Accepted { recorded: true }), FakeFleet::default());
    run.fleet.change(|state| state.unavailable = true);
    run.ends(RunResult { output_pending: true, ..result("Success") }).await;
    sleep(Duration::from_secs(1)).await;
    run.ends(result("Success")).await;
    run.fleet.change(|state| state.unavailable = false);
    assert!(!run.acknowledged().await);
    let pending: Vec<_> = run.fleet.records().iter().map(is_pending).collect();
    assert_eq!(pending, [true, false]);
    assert_eq!(run.shared.metrics.results.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_says_whether_output_is_still_to_come() {
    let mut run = follow(RUN, Start::Event(Event::Accepted { recorded: true }), FakeFleet::default());
    run.ends(RunResult { output_pending: true, ..result("Success") }).await;
    assert!(run.acknowledged().await);
}

/// An archive with a file where the folder of all runs has to be, and that file.
fn archive_in_disorder() -> (tempfile::TempDir, Archive, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive");
    let archive = Archive::open(&format!("file://{}", path.display())).unwrap();
    let in_the_way = path.join("v1");
    std::fs::write(&in_the_way, "in the way").unwrap();
    (folder, archive, in_the_way)
}

#[tokio::test(start_paused = true)]
async fn an_outcome_does_not_wait_for_an_archive_that_is_out_of_order_but_its_acknowledgement_does() {
    let (_folder, archive, in_the_way) = archive_in_disorder();
    let start = Start::Event(Event::Accepted { recorded: true });
    let mut run = follow_with(RUN, start, FakeFleet::default(), archive);
    run.ends(result("Success")).await;
    run.fleet.until("the outcome", |state| state.records.len() == 1).await;
    for _ in 0..3 {
        run.asked_again().await;
        assert_eq!(
            run.reports.available_permits(),
            7,
            "a place is kept for the answer, and none for what was said"
        );
        run.ends(result("Success")).await;
    }
    run.asked_again().await;
    std::fs::remove_file(in_the_way).unwrap();
    run.ends(result("Success")).await;
    run.acknowledged().await;
    let pending: Vec<_> = run.fleet.records().iter().map(is_pending).collect();
    assert_eq!(pending, [true, false]);
}

#[tokio::test(start_paused = true)]
async fn an_archive_that_hangs_is_one_that_is_out_of_order() {
    let store = Arc::new(hanging());
    let start = Start::Event(Event::Accepted { recorded: true });
    let mut run = follow_with(RUN, start, FakeFleet::default(), Archive::on(store.clone()));
    let begun = Instant::now();
    run.ends(result("Success")).await;
    run.asked_again().await;
    assert!(begun.elapsed() < Duration::from_secs(15));
    assert!(is_pending(&run.fleet.records()[0]));
    store.config_mut(|config| config.wait_put_per_call = Duration::ZERO);
    run.ends(result("Success")).await;
    run.acknowledged().await;
    assert!(!is_pending(&run.fleet.records()[1]));
}

#[tokio::test(start_paused = true)]
async fn what_a_node_said_when_the_archive_failed_is_stored_though_its_stream_ends() {
    let (_folder, archive, in_the_way) = archive_in_disorder();
    let start = Start::Event(Event::Accepted { recorded: true });
    let mut run = follow_with(RUN, start, FakeFleet::default(), archive);
    run.fleet.change(|state| state.unavailable = true);
    run.ends(result("Success")).await;
    run.fleet.until("a try", |state| state.failures > 0).await;
    run.events = None;
    run.fleet.change(|state| state.unavailable = false);
    run.fleet.until("the outcome", |state| state.records.len() == 1).await;
    std::fs::remove_file(in_the_way).unwrap();
    assert_eq!(run.task.await.unwrap(), RunEnd::Settled);
    assert_eq!(run.fleet.records().iter().map(is_pending).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_result_for_which_there_was_no_place_is_asked_for_when_there_is() {
    let mut run = follow(RUN, dispatch(), FakeFleet::default());
    run.dispatched().await;
    run.event(Event::Accepted { recorded: false }).await;
    let places = Arc::clone(&run.reports).acquire_many_owned(8).await.unwrap();
    run.ends(result("Success")).await;
    run.fleet.until("what is known meanwhile", |state| state.records.len() == 1).await;
    assert_eq!(run.records(), ["InProgress"]);
    assert!(run.messages.try_recv().is_err());
    drop(places);
    run.asked_again().await;
    run.ends(result("Success")).await;
    run.acknowledged().await;
    assert_eq!(run.records(), ["InProgress", "Success"]);
    assert_eq!(run.reports.available_permits(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_answer_holds_no_place() {
    let mut run = follow(RUN, Start::Event(Event::Unheard), FakeFleet::default());
    run.asked_again().await;
    assert_eq!(run.reports.available_permits(), 7);
    sleep(ANSWER_LIMIT + Duration::from_secs(1)).await;
    assert_eq!(run.reports.available_permits(), 8);
    run.ends(result("Success")).await;
    run.acknowledged().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_whose_result_is_put_off_ends_as_the_node_says() {
    let mut run = follow(RUN, Start::Cancel { in_progress: false }, FakeFleet::default());
    assert!(matches!(run.message().await, FromGateway::Cancel(_)));
    let places = Arc::clone(&run.reports).acquire_many_owned(8).await.unwrap();
    run.ends(result("Success")).await;
    sleep(CANCEL_GRACE * 2).await;
    drop(places);
    run.asked_again().await;
    run.ends(result("Success")).await;
    run.acknowledged().await;
    assert_eq!(run.records(), ["Success"]);
}

fn is_pending(report: &Report) -> bool {
    matches!(
        report,
        Report::Finished(RunReport { output_pending: true, details: StatusDetails::Success, .. })
    )
}
