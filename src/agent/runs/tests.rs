use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::facts::Platform;

/// A worker that notes its start beside the runs' folders and succeeds; while there is a pipe `hold`, it waits
/// for its end first.
const WORKER: &str = r#"#!/bin/sh
mark() { printf '{"pid":%s,"bootId":"boot-1"}' $$ > "$2/.keelson-worker.json"; }
mark "$@"
echo "$2" >> "$(dirname "$0")/starts"
if [ -e "$(dirname "$0")/hold" ]; then cat "$(dirname "$0")/hold"; fi
printf '{"steps":[],"finished":true,"status":"Success","startedUnixMs":1,"endedUnixMs":2,"durationMs":1}' \
    > "$2/.keelson-progress.json"
"#;

struct Fixture {
    folder: tempfile::TempDir,
    runs: Arc<Runs>,
    notices: mpsc::UnboundedReceiver<Notice>,
}

impl Fixture {
    fn new() -> Self {
        Self::on(tempfile::tempdir().unwrap())
    }

    fn on(folder: tempfile::TempDir) -> Self {
        let program = folder.path().join("worker");
        fs::write(&program, WORKER).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let setting = Setting {
            node: "mi-1".into(),
            namespace: "default".into(),
            folder: folder.path().join("runs"),
            boot_id: "boot-1".into(),
            platform: Platform::default(),
            output_cap_bytes: 1,
            program,
            reboot_command: String::new(),
        };
        let runs = Runs::new(setting, Journal::open(&folder.path().join("journal.redb")).unwrap());
        runs.recover().unwrap();
        let (_, notices) = runs.attach();
        Self { folder, runs, notices }
    }

    /// As a new agent, after the former one was killed.
    async fn again(self) -> Self {
        let Self { folder, runs, notices } = self;
        drop(notices);
        while Arc::strong_count(&runs) > 1 {
            tokio::task::yield_now().await;
        }
        drop(runs);
        Self::on(folder)
    }

    /// Makes workers wait; they go on when the returned file is written to.
    fn hold(&self) -> std::path::PathBuf {
        let path = self.folder.path().join("hold");
        let status = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(status.success());
        path
    }

    fn dispatch(&self, uid: &str, expires_in_ms: u64) {
        let dispatch = Dispatch {
            command_uid: uid.into(),
            invocation: format!("i-{uid}"),
            document: "{}".into(),
            parameters: "{}".into(),
            expires_in_ms,
            ..Dispatch::default()
        };
        self.runs.dispatch(&dispatch, clock::since_boot());
    }

    async fn finished(&self, uid: &str) -> RunResult {
        loop {
            if let Some(result) = self.runs.with_journal(|journal| journal.result(uid).unwrap()) {
                return result;
            }
            self.runs.output_wanted().await;
        }
    }

    fn starts(&self) -> usize {
        fs::read_to_string(self.folder.path().join("starts")).unwrap_or_default().lines().count()
    }
}

fn accepted(uid: &str) -> Notice {
    Notice::Accepted { command_uid: uid.into(), invocation: format!("i-{uid}") }
}

fn finished(uid: &str, output_pending: bool) -> Notice {
    Notice::Finished { command_uid: uid.into(), output_pending }
}

/// Lets every worker go on that waits, and those that start later.
fn release(hold: &Path) {
    let pipe = fs::OpenOptions::new().read(true).write(true).open(hold).unwrap();
    fs::remove_file(hold).unwrap();
    drop(pipe);
}

#[tokio::test]
async fn a_dispatch_that_comes_twice_runs_once_and_is_answered_each_time() {
    let mut fixture = Fixture::new();
    fixture.dispatch("a", 60_000);
    fixture.dispatch("a", 60_000);
    assert_eq!(fixture.notices.recv().await, Some(accepted("a")));
    assert_eq!(fixture.notices.recv().await, Some(accepted("a")));
    assert_eq!(fixture.finished("a").await.status, "Success");
    fixture.runs.announce("a", false);
    let finished = finished("a", false);
    assert_eq!(fixture.notices.recv().await, Some(finished.clone()));
    fixture.runs.acknowledged("a", false).await;
    fixture.dispatch("a", 60_000);
    assert_eq!(fixture.notices.recv().await, Some(finished), "an acknowledged result is told again");
    assert_eq!(fixture.starts(), 1);
    assert_eq!(fixture.runs.summary(), Summary::default());
}

#[tokio::test]
async fn a_dispatch_that_comes_too_late_is_refused_and_never_runs() {
    let mut fixture = Fixture::new();
    fixture.dispatch("a", 0);
    let Some(Notice::Refused { reason, .. }) = fixture.notices.recv().await else { panic!("not refused") };
    assert_eq!(reason, RefusalReason::Expired);
    assert!(fixture.runs.with_journal(|journal| journal.entry("a").unwrap()).is_none());
    assert_eq!(fixture.starts(), 0);
}

#[tokio::test]
async fn a_dispatch_that_no_node_could_run_is_refused_with_the_reason() {
    let mut fixture = Fixture::new();
    let bad = Dispatch {
        command_uid: "a".into(),
        parameters: "[]".into(),
        expires_in_ms: 1,
        ..Dispatch::default()
    };
    fixture.runs.dispatch(&bad, clock::since_boot());
    fixture.dispatch("../a", 60_000);
    for expected in ["not a JSON object", "\"../a\""] {
        let Some(Notice::Refused { reason, message, .. }) = fixture.notices.recv().await else {
            panic!("not refused")
        };
        assert_eq!(reason, RefusalReason::Invalid);
        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test]
async fn five_run_at_once_and_the_rest_wait_for_their_turn() {
    let fixture = Fixture::new();
    let hold = fixture.hold();
    let uids = ["a", "b", "c", "d", "e", "f", "g"];
    for uid in uids {
        fixture.dispatch(uid, 60_000);
    }
    let summary = fixture.runs.summary();
    assert_eq!((summary.running.len(), summary.queued), (5, 2));
    release(&hold);
    for uid in uids {
        assert_eq!(fixture.finished(uid).await.status, "Success");
    }
    assert_eq!(fixture.starts(), 7);
    assert_eq!(fixture.runs.summary().unacknowledged, 7);
}

#[tokio::test]
async fn what_waits_for_too_long_is_refused_and_stays_refused() {
    let mut fixture = Fixture::new();
    let hold = fixture.hold();
    for uid in ["a", "b", "c", "d", "e"] {
        fixture.dispatch(uid, 60_000);
        fixture.notices.recv().await;
    }
    fixture.dispatch("late", 1);
    assert_eq!(fixture.notices.recv().await, Some(accepted("late")));
    tokio::time::sleep(Duration::from_millis(5)).await;
    release(&hold);
    for _ in 0..2 {
        let Some(Notice::Refused { command_uid, reason, .. }) = fixture.notices.recv().await else {
            panic!("not refused")
        };
        assert_eq!((command_uid.as_str(), reason), ("late", RefusalReason::Expired));
        fixture.dispatch("late", 60_000);
    }
    for uid in ["a", "b", "c", "d", "e"] {
        fixture.finished(uid).await;
    }
    assert_eq!(fixture.starts(), 5);
}

#[tokio::test]
async fn a_refusal_of_what_was_accepted_is_told_on_each_connection_until_it_is_acknowledged() {
    let fixture = Fixture::new();
    let hold = fixture.hold();
    for uid in ["a", "b", "c", "d", "e"] {
        fixture.dispatch(uid, 60_000);
    }
    fixture.dispatch("late", 1);
    fixture.runs.detach();
    tokio::time::sleep(Duration::from_millis(5)).await;
    release(&hold);
    for uid in ["a", "b", "c", "d", "e"] {
        fixture.finished(uid).await;
        fixture.runs.announce(uid, false);
        fixture.runs.acknowledged(uid, false).await;
    }
    while fixture.runs.summary().queued > 0 {
        fixture.runs.changed().await;
    }
    let refused = |notices: &mut mpsc::UnboundedReceiver<Notice>| {
        matches!(notices.try_recv(), Ok(Notice::Refused { command_uid, reason: RefusalReason::Expired, .. })
            if command_uid == "late")
    };
    let (running, mut notices) = fixture.runs.attach();
    assert!(running.is_empty() && refused(&mut notices));
    let mut fixture = fixture.again().await;
    assert!(refused(&mut fixture.notices));
    assert_eq!(fixture.runs.summary().unacknowledged, 1);
    fixture.runs.acknowledged("late", false).await;
    assert_eq!(fixture.runs.summary(), Summary::default());
    let mut fixture = fixture.again().await;
    assert!(fixture.notices.try_recv().is_err());
    fixture.dispatch("late", 60_000);
    assert!(refused(&mut fixture.notices), "it stays refused");
}

#[tokio::test]
async fn a_run_that_is_only_in_the_journal_is_cancelled_without_being_started() {
    let fixture = Fixture::new();
    let entry = Entry {
        invocation: "i-a".into(),
        state: State::Accepted,
        accepted_at: Duration::ZERO,
        accepted_unix_ms: clock::unix_ms(),
        boot_id: "boot-1".into(),
        begun_in: None,
        start_before: clock::since_boot() + Duration::from_secs(60),
        expires_in_ms: 60_000,
    };
    fixture.runs.with_journal(|journal| journal.accept("a", &entry, &fixture::order("a")).unwrap());
    fixture.runs.cancel("a");
    assert_eq!(fixture.finished("a").await.status, "Cancelled");
    assert_eq!(fixture.starts(), 0);
}

#[tokio::test]
async fn the_answer_to_a_cancel_of_what_is_done_with_is_how_it_ended() {
    let mut fixture = Fixture::new();
    fixture.dispatch("a", 60_000);
    fixture.notices.recv().await;
    fixture.finished("a").await;
    fixture.runs.announce("a", false);
    fixture.runs.acknowledged("a", false).await;
    assert_eq!(fixture.notices.recv().await, Some(finished("a", false)));
    fixture.runs.cancel("a");
    assert_eq!(fixture.notices.recv().await, Some(finished("a", false)));
}

#[tokio::test]
async fn a_run_that_waits_is_cancelled_without_being_started() {
    let fixture = Fixture::new();
    let hold = fixture.hold();
    for uid in ["a", "b", "c", "d", "e", "f"] {
        fixture.dispatch(uid, 60_000);
    }
    fixture.runs.cancel("f");
    fixture.runs.cancel("unknown");
    assert_eq!(fixture.finished("f").await.status, "Cancelled");
    release(&hold);
    fixture.finished("e").await;
    assert!(!fs::read_to_string(fixture.folder.path().join("starts")).unwrap().contains("/f\n"));
}

#[tokio::test]
async fn a_result_is_kept_and_told_again_by_the_next_agent_until_it_is_acknowledged() {
    let fixture = Fixture::new();
    fixture.dispatch("a", 60_000);
    fixture.finished("a").await;
    let fixture = fixture.again().await;
    assert_eq!(fixture.runs.summary().unacknowledged, 1);
    let tasks = fixture.runs.output_tasks();
    assert!(matches!(tasks[0].stage, OutputStage::ResultWaits(_)), "{tasks:?}");
    fixture.runs.announce("a", false);
    fixture.runs.acknowledged("a", false).await;
    let fixture = fixture.again().await;
    assert!(fixture.runs.output_tasks().is_empty());
    assert_eq!(fixture.runs.summary(), Summary::default());
}

#[tokio::test]
async fn a_result_whose_output_was_pending_is_told_again_when_the_archive_has_it_until_that_is_acknowledged()
{
    let mut fixture = Fixture::new();
    fixture.dispatch("a", 60_000);
    assert_eq!(fixture.notices.recv().await, Some(accepted("a")));
    fixture.finished("a").await;
    fixture.runs.announce("a", true);
    assert_eq!(fixture.notices.recv().await, Some(finished("a", true)));
    fixture.runs.acknowledged("a", true).await;
    let mut fixture = fixture.again().await;
    assert_eq!(fixture.runs.output_tasks()[0].stage, OutputStage::Late);
    fixture.runs.output_complete("a");
    assert_eq!(fixture.notices.recv().await, Some(finished("a", false)));
    assert!(fixture.runs.output_tasks().is_empty());
    fixture.runs.detach();
    let (running, mut notices) = fixture.runs.attach();
    assert!(running.is_empty(), "the control plane has its result");
    assert_eq!(notices.recv().await, Some(finished("a", false)), "it was not acknowledged");
    fixture.runs.acknowledged("a", true).await;
    assert_eq!(fixture.runs.attach().1.try_recv(), Ok(finished("a", false)), "what was before is no answer");
    fixture.runs.acknowledged("a", false).await;
    let mut fixture = fixture.again().await;
    assert!(fixture.runs.output_tasks().is_empty() && fixture.notices.try_recv().is_err());
}

#[tokio::test]
async fn output_that_arrives_before_its_pending_result_is_acknowledged_is_told_all_the_same() {
    let mut fixture = Fixture::new();
    fixture.dispatch("a", 60_000);
    fixture.notices.recv().await;
    fixture.finished("a").await;
    fixture.runs.announce("a", true);
    fixture.runs.output_complete("a");
    for pending in [true, false] {
        assert_eq!(fixture.notices.recv().await, Some(finished("a", pending)));
    }
    fixture.runs.acknowledged("a", true).await;
    fixture.runs.say_again("a");
    assert_eq!(fixture.notices.recv().await, Some(finished("a", false)));
    fixture.runs.acknowledged("a", false).await;
    assert!(fixture.runs.attach().1.try_recv().is_err());
}

#[tokio::test]
async fn output_that_had_to_make_room_is_never_said_to_have_arrived() {
    let mut fixture = Fixture::new();
    fixture.dispatch("a", 60_000);
    fixture.notices.recv().await;
    fixture.finished("a").await;
    fixture.runs.announce("a", true);
    fixture.notices.recv().await;
    fixture.runs.acknowledged("a", true).await;
    fixture.runs.with_journal(|journal| journal.remove_folder("a").unwrap());
    fixture.runs.output_complete("a");
    assert!(fixture.notices.try_recv().is_err() && fixture.runs.output_tasks().is_empty());
}

#[tokio::test]
async fn a_run_that_was_accepted_and_never_begun_is_started_by_the_next_agent() {
    let fixture = Fixture::new();
    let order = fixture::order("a");
    let entry = Entry {
        invocation: "i-a".into(),
        state: State::Accepted,
        accepted_at: Duration::ZERO,
        accepted_unix_ms: clock::unix_ms(),
        boot_id: "boot-1".into(),
        begun_in: None,
        start_before: clock::since_boot() + Duration::from_secs(60),
        expires_in_ms: 60_000,
    };
    fixture.runs.with_journal(|journal| journal.accept("a", &entry, &order).unwrap());
    let fixture = fixture.again().await;
    assert_eq!(fixture.finished("a").await.status, "Success");
    assert_eq!(fixture.starts(), 1);
}

#[tokio::test]
async fn a_run_whose_worker_died_is_failed_by_the_next_agent_and_not_started_again() {
    let fixture = Fixture::new();
    let directory = fixture.runs.setting().directory("a");
    directory.prepare(&fixture::order("a")).unwrap();
    drop(directory.begin_work("boot-1").unwrap());
    fixture.dispatch("a", 60_000);
    let result = fixture.finished("a").await;
    assert_eq!(
        (result.status.as_str(), result.message.as_str()),
        ("Failed", "the worker process of this document died")
    );
    assert_eq!(fixture.starts(), 0);
}

#[tokio::test]
async fn a_worker_that_never_begins_fails_the_run_with_the_reason() {
    let fixture = Fixture::new();
    fs::remove_file(&fixture.runs.setting().program).unwrap();
    fixture.dispatch("a", 60_000);
    let result = fixture.finished("a").await;
    assert_eq!(result.status, "Failed");
    assert!(result.message.starts_with("the worker process cannot be started"), "{}", result.message);
}
