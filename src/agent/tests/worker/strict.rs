//! Runs whose scripts end at the first command that fails.

use std::os::unix::fs::symlink;

use crate::harness::{Run, scripts};

fn strict() -> Run {
    let mut run = Run::new();
    run.strict_scripts = true;
    run
}

#[test]
fn a_strict_script_ends_at_a_failed_command_an_unset_variable_or_a_broken_pipeline() {
    let ended = strict().run(&scripts(&[
        "false\necho on",
        "echo $no_such_variable\necho on",
        "false | true\necho on",
        "#!/bin/sh\nfalse\necho on",
        "echo \"$(basename \"$0\")\"; ps -o args= -p $$ | cut -d' ' -f2-5",
    ]));
    assert_eq!(ended.steps(), ["Failed 1", "Failed 1", "Failed 1", "Failed 1", "Success 0"]);
    for step in 0..4 {
        assert_eq!(ended.stdout(step), "", "step {step}");
    }
    assert!(ended.stderr(1).contains("no_such_variable: unbound variable"));
    assert_eq!(ended.stderr(0), "failed to run commands: exit status 1");
    assert_eq!(ended.stdout(4), "_script.sh\n-e -u -o pipefail\n");
}

#[test]
fn what_a_script_asks_of_its_shell_is_kept() {
    let ended = strict().run(&scripts(&[
        "#!/bin/bash --posix\necho \"$SHELLOPTS\" | grep -o posix\nfalse\necho on",
        "#!/bin/bash --norc -x\ntrue\nfalse\necho on",
    ]));
    assert_eq!(ended.steps(), ["Failed 1", "Failed 1"]);
    assert_eq!((ended.stdout(0), ended.stdout(1)), ("posix\n", ""));
    assert!(ended.stderr(1).starts_with("+ true\n+ false\n"), "{}", ended.stderr(1));
}

#[test]
fn scripts_of_other_interpreters_and_runs_that_are_not_strict_are_as_ever() {
    let ended = strict().run(&scripts(&["#!/usr/bin/awk -f\nBEGIN { system(\"false\"); print \"on\" }"]));
    assert_eq!((ended.steps(), ended.stdout(0)), (vec!["Success 0".to_owned()], "on\n"));
    let ended = Run::new().run(&scripts(&["false; echo $no_such_variable on"]));
    assert_eq!((ended.steps(), ended.stdout(0)), (vec!["Success 0".to_owned()], "on\n"));
}

#[test]
fn codes_of_strict_scripts_mean_what_they_mean_elsewhere() {
    let ended = strict().run(&scripts(&["echo on; exit 168", "echo never"]));
    assert_eq!(ended.steps(), ["Success 168", "Skipped 0"]);
}

#[test]
fn a_node_without_bash_fails_a_strict_step_and_says_how_to_mend_it() {
    let mut run = strict();
    let programs = run.scratch("bin");
    std::fs::create_dir(&programs).unwrap();
    symlink("/bin/sh", programs.join("sh")).unwrap();
    run.path = programs.display().to_string();
    let ended =
        run.run(&scripts(&["echo never", "#!/bin/sh\necho never", "#!/usr/bin/awk -f\nBEGIN { print 1 }"]));
    assert_eq!(ended.steps(), ["Failed 1", "Failed 1", "Success 0"]);
    let text = ended.stderr(0);
    assert!(text.contains("install bash") && text.contains("strictScripts"), "{text}");
}
