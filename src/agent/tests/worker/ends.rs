//! How a run comes to its end, and what ends it sooner.

use std::fs;

use serde_json::json;

use crate::harness::{Run, await_signal, document, run, scripts, sha256};

#[test]
fn a_run_ends_with_its_output_times_and_a_free_lock() {
    let run = Run::new();
    let ended = run.run(&scripts(&["echo out; echo err >&2"]));
    assert!(ended.exit.success());
    assert_eq!((ended.status(), ended.steps()), ("Success", vec!["Success 0".to_owned()]));
    let step = ended.step(0);
    assert_eq!((step["index"].clone(), step["name"].clone()), (json!(0), json!("a")));
    assert_eq!(step["action"], "aws:runShellScript");
    assert_eq!(ended.output(0), "out\n\n----------ERROR-------\nerr\n");
    assert_eq!((ended.stdout(0), ended.stderr(0)), ("out\n", "err\n"));
    assert_eq!(step["stdout"], json!({"bytes": 4, "sha256": sha256(b"out\n"), "capped": false}));
    assert_eq!(fs::read(run.file(".keelson-output/0/stderr")).unwrap(), b"err\n");
    assert!(ended.progress["finished"].as_bool().unwrap() && ended.progress["current"].is_null());
    assert!(ended.progress["startedUnixMs"].as_i64() <= step["startedUnixMs"].as_i64());
    assert!(step["endedUnixMs"].as_i64() <= ended.progress["endedUnixMs"].as_i64());
    assert!(fs::File::open(run.file(".keelson-lock")).unwrap().try_lock().is_ok());
}

#[test]
fn a_step_fails_by_its_exit_code_and_the_next_one_runs() {
    let ended = run(&scripts(&["exit 3", "echo next", "no-such-program", "kill -9 $$", "kill -15 $$"]));
    assert_eq!(ended.status(), "Failed");
    assert_eq!(ended.steps(), ["Failed 3", "Success 0", "Failed 127", "TimedOut 137", "Failed 143"]);
    assert_eq!(ended.stderr(0), "failed to run commands: exit status 3");
    assert_eq!(ended.output(0), "\n----------ERROR-------\nfailed to run commands: exit status 3");
    assert!(ended.stderr(2).ends_with("not found\nfailed to run commands: exit status 127"));
    assert_eq!(ended.stderr(3), "Killed\n");
}

#[test]
fn codes_168_and_169_end_the_document_as_success_and_as_failure() {
    let ended = run(&scripts(&["echo out; echo err >&2; exit 168", "echo never"]));
    assert_eq!((ended.status(), ended.steps()), ("Success", vec!["Success 168".into(), "Skipped 0".into()]));
    assert!(ended.stdout(0).starts_with("out\n\nStep exited with code 168."));
    assert_eq!((ended.stderr(0), ended.output(0)), ("", "out\n"));
    let ended = run(&scripts(&["exit 169", "echo never"]));
    assert_eq!((ended.status(), ended.steps()), ("Failed", vec!["Failed 169".into(), "Skipped 0".into()]));
    assert!(ended.stderr(0).contains("exit status 169\nStep exited with code 169."));
}

#[test]
fn modifiers_end_a_document_and_a_last_finally_step_runs_in_spite_of_them() {
    let ended = run(&document(&[
        json!({"runCommand": ["exit 4"], "onFailure": "successAndExit"}),
        json!({"runCommand": ["echo never"]}),
        json!({"runCommand": ["echo finally"], "finallyStep": true}),
    ]));
    assert_eq!(ended.status(), "Success");
    assert_eq!(ended.steps(), ["Success 168", "Skipped 0", "Success 0"]);
    let ended = run(&document(&[
        json!({"runCommand": ["true"], "onSuccess": "exit"}),
        json!({"runCommand": ["echo never"]}),
    ]));
    assert_eq!(ended.steps(), ["Success 0", "Skipped 0"]);
    let ended = run(&document(&[
        json!({"runCommand": ["exit 4"], "onFailure": "exit"}),
        json!({"runCommand": ["echo never"]}),
    ]));
    assert_eq!((ended.status(), ended.steps()), ("Failed", vec!["Failed 4".into(), "Skipped 0".into()]));
    assert!(ended.stdout(0).contains("onFailure property"));
}

#[test]
fn a_document_that_cannot_be_read_fails_with_the_reason_and_no_steps() {
    let ended = run(&json!({"schemaVersion": "9.9", "mainSteps": []}));
    assert_eq!((ended.status(), ended.steps().len()), ("Failed", 0));
    assert!(ended.progress["message"].as_str().unwrap().contains("9.9"));
    assert!(ended.exit.success() && ended.progress["finished"].as_bool().unwrap());
}

#[test]
fn a_second_worker_leaves_a_run_alone() {
    let run = Run::new();
    let (begun, go) = (run.signal("begun"), run.signal("go"));
    let worker = run.start(&scripts(&[&format!(
        "echo yes > {}; cat {} >/dev/null; echo one",
        begun.display(),
        go.display()
    )]));
    await_signal(&begun);
    assert_eq!(run.spawn().wait().unwrap().code(), Some(3));
    fs::write(&go, "go").unwrap();
    let ended = run.wait(worker);
    assert_eq!((ended.steps(), ended.stdout(0)), (vec!["Success 0".to_owned()], "one\n"));
    assert_eq!(run.spawn().wait().unwrap().code(), Some(3), "a finished run is not run again");
}

#[test]
fn failing_fast_the_first_failure_ends_the_document_and_a_last_finally_step_runs() {
    let mut run = Run::new();
    run.fail_fast = true;
    let ended = run.run(&document(&[
        json!({"runCommand": ["exit 3"]}),
        json!({"runCommand": ["echo never"]}),
        json!({"runCommand": ["echo finally"], "finallyStep": true}),
    ]));
    assert_eq!(
        (ended.status(), ended.steps()),
        ("Failed", vec!["Failed 3".into(), "Skipped 0".into(), "Success 0".into()])
    );
    assert!(ended.output(1).ends_with("skipped due to failFast: step \"a\" failed"), "{}", ended.output(1));
}
