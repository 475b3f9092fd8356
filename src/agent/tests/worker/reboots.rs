//! Steps that ask for a reboot.

use std::fs;

use serde_json::json;

use crate::harness::{Run, document, scripts, sha256};

#[test]
fn a_step_that_asks_for_a_reboot_runs_again_after_it_and_finished_ones_do_not() {
    let run = Run::new();
    let (counted, mark) = (run.scratch("counted"), run.scratch("mark"));
    let first = format!("echo first >> {}", counted.display());
    let second =
        format!("if [ -e {0} ]; then echo second; else touch {0}; echo first; exit 194; fi", mark.display());
    let ended = run.run(&scripts(&[&first, &second, "echo third"]));
    assert!(ended.exit.success());
    assert_eq!(ended.status(), "SuccessAndReboot");
    assert_eq!(ended.steps(), ["Success 0", "SuccessAndReboot 194"]);
    assert!(ended.progress["finished"].as_bool().unwrap());

    let again = run.wait(run.spawn());
    assert_eq!(again.exit.code(), Some(3), "within the same boot it must not go on");

    run.reboot();
    let resumed = run.wait(run.spawn());
    assert_eq!(resumed.status(), "Success");
    assert_eq!(resumed.steps(), ["Success 0", "Success 0", "Success 0"]);
    assert_eq!(resumed.stdout(1), "first\nsecond\n");
    assert_eq!(resumed.step(1)["stdout"]["sha256"], sha256(b"first\nsecond\n"));
    assert_eq!(resumed.progress["startedUnixMs"], ended.progress["startedUnixMs"]);
    assert!(resumed.progress["durationMs"].as_u64() >= ended.progress["durationMs"].as_u64());
    assert_eq!(fs::read_to_string(counted).unwrap(), "first\n");
}

#[test]
fn a_finally_step_that_reboots_remembers_that_the_document_had_been_ended() {
    let run = Run::new();
    let mark = run.scratch("mark");
    let finally = format!("[ -e {0} ] || {{ touch {0}; exit 194; }}; echo again", mark.display());
    let document = document(&[
        json!({"runCommand": ["exit 169"]}),
        json!({"runCommand": ["echo never"]}),
        json!({"runCommand": [finally], "finallyStep": "true"}),
    ]);
    assert_eq!(run.run(&document).steps(), ["Failed 169", "Skipped 0", "SuccessAndReboot 194"]);
    run.reboot();
    let resumed = run.wait(run.spawn());
    assert_eq!(
        (resumed.status(), resumed.steps()),
        ("Failed", vec!["Failed 169".into(), "Skipped 0".into(), "Success 0".into()])
    );
}

#[test]
fn a_run_that_a_reboot_broke_off_is_never_begun_again() {
    let run = Run::new();
    let ran = run.scratch("ran");
    run.order(&scripts(&[&format!("touch {}", ran.display())]));
    run.reboot();
    let ended = run.wait(run.spawn());
    assert_eq!(ended.exit.code(), Some(3));
    assert!(!ran.exists() && ended.progress.is_null());
}

#[test]
fn a_cancel_that_comes_with_the_reboot_keeps_what_the_step_wrote_before() {
    let run = Run::new();
    assert_eq!(run.run(&scripts(&["echo first; exit 194", "echo never"])).steps(), ["SuccessAndReboot 194"]);
    run.reboot();
    fs::write(run.file(".keelson-cancel"), "").unwrap();
    let ended = run.wait(run.spawn());
    assert_eq!(
        (ended.status(), ended.steps()),
        ("Cancelled", vec!["Cancelled 1".into(), "Cancelled 1".into()])
    );
    assert_eq!((ended.stdout(0), &ended.step(0)["stdout"]["bytes"]), ("first\n", &json!(6)));
}
