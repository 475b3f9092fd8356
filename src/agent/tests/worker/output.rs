//! What is kept of what a script writes.

use std::fs;

use serde_json::json;

use crate::harness::{Run, scripts, sha256};

#[test]
fn output_past_the_cap_is_dropped_while_the_script_goes_on() {
    let mut run = Run::new();
    run.output_cap = 100_000;
    let ended = run.run(&scripts(&["head -c 300000 /dev/zero | tr '\\0' x; echo done >&2"]));
    let kept = "x".repeat(100_000);
    assert_eq!(ended.steps(), ["Success 0"]);
    assert_eq!(
        ended.step(0)["stdout"],
        json!({"bytes": 100_000, "sha256": sha256(kept.as_bytes()), "capped": true})
    );
    assert_eq!(fs::read_to_string(run.file(".keelson-output/0/stdout")).unwrap(), kept);
    assert_eq!(ended.stdout(0), format!("{}--output truncated--", "x".repeat(23_980)));
    assert_eq!(ended.output(0).len(), 2500);
    assert_eq!(ended.stderr(0), "done\n");
}

#[test]
fn texts_are_cut_as_aws_cuts_them_and_files_are_whole() {
    let run = Run::new();
    let ended = run.run(&scripts(&[
        "head -c 23999 /dev/zero | tr '\\0' x",
        "head -c 24000 /dev/zero | tr '\\0' e >&2; exit 168",
        "head -c 3000 /dev/zero | tr '\\0' x",
    ]));
    assert_eq!(ended.stdout(0), "x".repeat(23_999));
    let reason = "failed to run commands: exit status 168";
    assert_eq!(
        (ended.stderr(1), ended.step(1)["stderr"]["bytes"].clone()),
        ("", json!(24_000 + reason.len()))
    );
    let kept = fs::read_to_string(run.file(".keelson-output/1/stderr")).unwrap();
    assert!(kept.ends_with(reason), "the whole stream has the reason, as AWS's has");
    let ended = Run::new().run(&scripts(&["head -c 3000 /dev/zero | tr '\\0' x; exit 3"]));
    let reason = "failed to run commands: exit status 3";
    assert!(
        ended.output(0).ends_with(&format!("\n---Output truncated---\n----------ERROR-------\n{reason}"))
    );
    assert_eq!(ended.output(0).len(), 2500);
}

#[test]
fn output_that_cannot_be_kept_fails_the_step_and_says_why() {
    let run = Run::new();
    let ran = run.scratch("ran");
    run.order(&scripts(&[&format!("echo lost; touch {}", ran.display()), "exit 0"]));
    fs::create_dir_all(run.file(".keelson-output/0/stdout")).unwrap();
    let ended = run.wait(run.spawn());
    assert_eq!(ended.steps(), ["Failed 1", "Success 0"]);
    assert!(
        ended.stderr(0).starts_with("cannot read ") && ended.stderr(0).contains(".keelson-output/0/stdout")
    );
    assert!(ran.exists(), "the script is not stopped for its output");
}
