//! Steps that are stopped: out of time, or cancelled.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Run, assert_gone, await_signal, document, lives, scripts};

#[test]
fn a_timeout_kills_the_whole_group_at_once_and_the_next_step_runs() {
    let run = Run::new();
    let children = run.scratch("children");
    let script = format!(
        "sleep 600 & echo $! > {0}; echo begin; sleep 601 & echo $! >> {0}; wait",
        children.display()
    );
    let started = Instant::now();
    let ended = run.run(&document(&[
        json!({"runCommand": [script], "timeoutSeconds": 5}),
        json!({"runCommand": ["echo next"]}),
    ]));
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    assert_eq!(ended.status(), "TimedOut");
    assert_eq!(ended.steps(), ["TimedOut 137", "Success 0"]);
    assert_eq!((ended.stdout(0), ended.stderr(0)), ("begin\n", ""));
    assert_gone(&fs::read_to_string(children).unwrap());
}

#[test]
fn a_background_child_that_holds_the_output_keeps_the_step_until_its_timeout() {
    let run = Run::new();
    let ended = run.run(&document(&[json!({
        "runCommand": ["echo begin; (setsid sh -c 'sleep 5.5; echo late') & exit 0"],
        "timeoutSeconds": "5",
    })]));
    assert_eq!((ended.steps(), ended.stdout(0)), (vec!["TimedOut 137".to_owned()], "begin\n"));
}

#[test]
fn a_background_child_with_its_own_output_does_not_keep_the_step() {
    let run = Run::new();
    let pid = run.scratch("pid");
    let started = Instant::now();
    let script = format!("echo begin; sleep 60 >/dev/null 2>&1 & echo $! > {}", pid.display());
    let ended = run.run(&scripts(&[&script]));
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!((ended.steps(), ended.stdout(0)), (vec!["Success 0".to_owned()], "begin\n"));
    let pid = fs::read_to_string(pid).unwrap();
    assert!(lives(&pid));
    assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success());
}

#[test]
fn a_script_that_closes_its_output_is_waited_for() {
    let run = Run::new();
    let done = run.scratch("done");
    let ended =
        run.run(&scripts(&[&format!("exec >/dev/null 2>&1; sleep 0.3; touch {}; exit 5", done.display())]));
    assert_eq!(ended.steps(), ["Failed 5"]);
    assert!(done.exists());
}

#[test]
fn a_cancel_ends_the_running_step_with_its_output_and_every_later_one() {
    let run = Run::new();
    let (begun, child) = (run.signal("begun"), run.scratch("child"));
    let script = format!(
        "trap 'echo term' TERM; echo begin; echo err >&2; sleep 600 & echo $! > {}; echo yes > {}; wait",
        child.display(),
        begun.display()
    );
    let worker = run.start(&document(&[
        json!({"runCommand": ["echo first"]}),
        json!({"runCommand": [script], "onFailure": "exit"}),
        json!({"runCommand": ["echo never"]}),
        json!({"runCommand": ["echo never"], "finallyStep": true}),
    ]));
    await_signal(&begun);
    assert_eq!(run.progress()["current"]["index"], 1);
    run.cancel();
    let ended = run.wait(worker);
    assert_eq!(ended.status(), "Cancelled");
    assert_eq!(ended.steps(), ["Success 0", "Cancelled 137", "Cancelled 1", "Cancelled 1"]);
    assert_eq!((ended.stdout(1), ended.stderr(1)), ("begin\n", "err\n"));
    assert_eq!((ended.output(2), ended.stdout(3), ended.stderr(3)), ("", "", ""));
    assert_gone(&fs::read_to_string(child).unwrap());
}

#[test]
fn a_run_cancelled_before_its_worker_starts_runs_nothing() {
    let run = Run::new();
    run.order(&scripts(&["echo never"]));
    fs::write(run.file(".keelson-cancel"), "").unwrap();
    let ended = run.wait(run.spawn());
    assert_eq!((ended.status(), ended.steps()), ("Cancelled", vec!["Cancelled 1".to_owned()]));
    assert!(!run.file("a").exists());
}
