use keelson_protocol::v1::StepResult;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

fn entry() -> Entry {
    Entry {
        invocation: "web-1".into(),
        state: State::Accepted,
        accepted_at: Duration::ZERO,
        accepted_unix_ms: 1_000_000,
        boot_id: "boot-1".into(),
        begun_in: None,
        start_before: Duration::from_secs(100),
        expires_in_ms: 60_000,
    }
}

fn order() -> Order {
    serde_json::from_value(serde_json::json!({
        "commandUid": "uid-1", "invocation": "web-1", "node": "mi-1", "namespace": "default",
        "documentName": "Web", "documentVersion": "1", "document": "{}", "parameters": {"a": ["b"]},
        "platformName": "Debian", "platformVersion": "12", "outputCapBytes": 1
    }))
    .unwrap()
}

fn result() -> RunResult {
    let step = StepResult { output: "short".into(), standard_output: "long".into(), ..StepResult::default() };
    RunResult {
        command_uid: "uid-1".into(),
        status: "Success".into(),
        steps: vec![step],
        ..RunResult::default()
    }
}

fn journal() -> (tempfile::TempDir, Journal) {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(&folder.path().join("journal.redb")).unwrap();
    (folder, journal)
}

#[test]
fn what_was_accepted_and_finished_is_known_after_the_journal_is_opened_again() {
    let (folder, journal) = journal();
    journal.accept("uid-1", &entry(), &order()).unwrap();
    journal.accept("uid-2", &entry(), &order()).unwrap();
    journal.begin("uid-1", "boot-2").unwrap();
    journal.finish("uid-2", &result()).unwrap();
    drop(journal);
    let journal = Journal::open(&folder.path().join("journal.redb")).unwrap();
    let begun = Entry { begun_in: Some("boot-2".into()), ..entry() };
    assert_eq!(journal.entry("uid-1").unwrap(), Some(begun));
    assert_eq!(journal.order("uid-1").unwrap(), Some(order()));
    assert_eq!(journal.entry("uid-2").unwrap().unwrap().state, State::Finished);
    assert_eq!(journal.order("uid-2").unwrap(), None);
    assert_eq!(journal.result("uid-2").unwrap(), Some(result()));
    assert_eq!(journal.entry("uid-3").unwrap(), None);
    assert_eq!(journal.entries().unwrap().len(), 2);
}

#[test]
fn an_acknowledged_result_stays_in_short() {
    let (_folder, journal) = journal();
    journal.accept("uid-1", &entry(), &order()).unwrap();
    journal.finish("uid-1", &result()).unwrap();
    journal.acknowledge("uid-1", 7, true).unwrap();
    let kept = journal.result("uid-1").unwrap().unwrap();
    assert_eq!((kept.status.as_str(), kept.steps[0].output.as_str()), ("Success", "short"));
    assert_eq!(kept.steps[0].standard_output, "");
    let State::Acknowledged(Some(retired)) = journal.entry("uid-1").unwrap().unwrap().state else {
        panic!("not acknowledged")
    };
    assert_eq!((retired.folder_bytes, retired.output_pending), (7, true));
}

#[test]
fn a_run_is_remembered_for_a_day_after_its_dispatch_has_expired() {
    let (_folder, mut journal) = journal();
    journal.accept("uid-1", &entry(), &order()).unwrap();
    journal.finish("uid-1", &result()).unwrap();
    journal.acknowledge("uid-1", 0, false).unwrap();
    journal.lived_before = DAY * 30;
    journal.forget().unwrap();
    assert!(journal.entry("uid-1").unwrap().is_some(), "its folder is still there");
    journal.remove_folder("uid-1").unwrap();
    journal.lived_before = DAY;
    journal.forget().unwrap();
    assert!(journal.entry("uid-1").unwrap().is_some(), "its dispatch expired less than a day ago");
    journal.lived_before = DAY + Duration::from_secs(60);
    journal.forget().unwrap();
    assert!(journal.entry("uid-1").unwrap().is_none() && journal.result("uid-1").unwrap().is_none());
}

#[test]
fn what_was_never_acknowledged_is_never_forgotten() {
    let (_folder, mut journal) = journal();
    journal.accept("uid-1", &entry(), &order()).unwrap();
    journal.accept("uid-2", &entry(), &order()).unwrap();
    journal.finish("uid-2", &result()).unwrap();
    journal.accept("uid-3", &entry(), &order()).unwrap();
    journal.refuse("uid-3", "too late").unwrap();
    journal.lived_before = DAY * 365;
    journal.forget().unwrap();
    assert_eq!(journal.entries().unwrap().len(), 3);
    journal.acknowledge_refusal("uid-3").unwrap();
    journal.forget().unwrap();
    assert_eq!(journal.entry("uid-3").unwrap(), None);
}

#[test]
fn time_lived_goes_on_where_it_stood_when_the_journal_was_closed() {
    let (folder, mut journal) = journal();
    journal.lived_before = DAY;
    journal.forget().unwrap();
    drop(journal);
    let journal = Journal::open(&folder.path().join("journal.redb")).unwrap();
    assert!(journal.lived() >= DAY && journal.lived() < DAY + Duration::from_secs(60));
}

#[test]
fn a_file_that_is_no_journal_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.redb");
    std::fs::write(&path, "garbage".repeat(1000)).unwrap();
    assert!(Journal::open(&path).unwrap_err().to_string().contains("journal.redb"));
}

#[test]
fn a_start_is_in_time_by_the_boots_own_clock_whatever_the_wall_clock_says() {
    let (before, after) = (Duration::from_secs(99), Duration::from_secs(100));
    for wall in [0, 1_000_000, i64::MAX] {
        assert!(entry().may_start("boot-1", before, wall));
        assert!(!entry().may_start("boot-1", after, wall));
    }
}

#[test]
fn after_a_reboot_the_wall_clock_decides_and_one_that_went_back_is_too_late() {
    let start = |wall| entry().may_start("boot-2", Duration::ZERO, wall);
    assert!(start(1_059_999));
    assert!(!start(1_060_000));
    assert!(!start(999_999));
}
