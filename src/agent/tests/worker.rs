//! The worker process on a run's folder, as the daemon starts it: nothing here knows its code.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

#[path = "worker/harness.rs"]
mod harness;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::{COMMAND, Ended, NODE, Run, await_signal, document, scripts};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn run(document: &Value) -> Ended {
    Run::new().run(document)
}

fn sha256(text: &[u8]) -> String {
    format!("{:x}", Sha256::digest(text))
}

/// Whether a process of this number lives, dead ones that nobody has asked for yet not counted.
fn lives(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    status.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// What was killed is gone; the kernel may take a moment for that.
fn assert_gone(pids: &str) {
    let started = Instant::now();
    while pids.lines().any(lives) {
        assert!(started.elapsed() < Duration::from_secs(10), "{pids:?} outlive their step");
        std::thread::yield_now();
    }
}

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
fn a_plugin_that_this_node_lacks_is_skipped_or_refused_and_nothing_is_started_for_it() {
    let document = json!({"schemaVersion": "2.2", "mainSteps": [
        {"name": "windows", "action": "aws:psModule", "inputs": {"runCommand": ["x"]}},
        {"name": "later", "action": "aws:downloadContent", "inputs": {}},
        {"name": "none", "action": "aws:noSuchPlugin", "inputs": {}},
        {"name": "here", "action": "aws:runShellScript", "inputs": {"runCommand": ["echo here"]}},
    ]});
    let ended = run(&document);
    assert_eq!(ended.steps(), ["Skipped 0", "Failed 1", "Failed 1", "Success 0"]);
    assert!(ended.output(0).contains("unsupported plugin: aws:psModule"));
    assert!(ended.stderr(1).starts_with("plugin aws:downloadContent is not supported by this version"));
    assert_eq!(ended.status(), "Failed");
}

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
fn a_script_finds_the_agents_environment_the_documents_and_the_runs_in_this_order() {
    let mut run = Run::new();
    run.environment = vec![("LANG", "C.UTF-8"), ("AGENT", "agent"), ("BOTH", "agent")];
    let ended = run.run(&document(&[json!({
        "runCommand": ["env | sort"],
        "environment": {"BOTH": "document", "SSM_COMMAND_ID": "forged", "AWS_SSM_INSTANCE_ID": "forged"},
    })]));
    let expected = [
        "AGENT=agent".to_owned(),
        format!("AWS_SSM_INSTANCE_ID={NODE}"),
        "AWS_SSM_PLATFORM_NAME=Debian GNU/Linux".into(),
        "AWS_SSM_PLATFORM_VERSION=12".into(),
        "AWS_SSM_REGION_NAME=shop".into(),
        "BOTH=document".into(),
        "LANG=C.UTF-8".into(),
        "PATH=/usr/bin:/bin".into(),
        "PWD=/".into(),
        format!("SSM_COMMAND_ID={COMMAND}"),
    ];
    let found: Vec<&str> = ended.stdout(0).lines().filter(|line| !line.starts_with("_=")).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_parameter_that_is_handed_over_as_a_variable_is_not_read_by_the_shell() {
    let mut run = Run::new();
    run.parameters = json!({"word": "$(touch injected); x"});
    let ended = run.run(&json!({
        "schemaVersion": "2.2",
        "parameters": {"word": {"type": "String", "interpolationType": "ENV_VAR"}},
        "mainSteps": [{"name": "a", "action": "aws:runShellScript", "inputs": {
            "runCommand": ["echo \"$SSM_word\""],
            "environment": {"SSM_word": "the parameter wins"},
        }}],
    }));
    assert_eq!(ended.stdout(0), "$(touch injected); x\n", "{}", ended.progress);
}

#[test]
fn a_document_may_change_the_scripts_path_without_losing_its_shell() {
    let ended = run(&document(&[json!({"runCommand": ["echo $PATH"], "environment": {"PATH": "/none"}})]));
    assert_eq!((ended.steps(), ended.stdout(0)), (vec!["Success 0".to_owned()], "/none\n"));
}

#[test]
fn a_script_reads_nothing_has_the_usual_mask_leads_its_group_and_lies_in_a_private_folder() {
    let run = Run::new();
    let ended = run.run(&scripts(&[
        "cat; umask; ls -ld \"$(dirname \"$0\")\" \"$0\" | cut -c1-10; [ $(ps -o pgid= -p $$) = $(ps -o pid= -p $PPID) ] && echo leads",
    ]));
    assert_eq!(ended.stdout(0), "0022\ndrwx------\n-rwx------\nleads\n");
    let script = fs::metadata(run.file("a/_script.sh")).unwrap();
    assert_eq!(script.permissions().mode() & 0o777, 0o700);
}

#[test]
fn working_directories_are_absolute_or_below_downloads_and_a_missing_one_fails_the_step() {
    let run = Run::new();
    let ended = run.run(&document(&[
        json!({"runCommand": ["pwd"], "workingDirectory": "/usr"}),
        json!({"runCommand": ["pwd"], "workingDirectory": "sub"}),
        json!({"runCommand": ["mkdir -p \"$(dirname \"$0\")/../downloads/sub\""]}),
        json!({"runCommand": ["pwd"], "workingDirectory": "sub"}),
        json!({"runCommand": ["pwd"], "workingDirectory": "/no/such/directory"}),
    ]));
    assert_eq!((ended.stdout(0), ended.stdout(1)), ("/usr\n", "/\n"));
    assert_eq!(ended.stdout(3), format!("{}\n", run.file("downloads/sub").display()));
    assert_eq!(ended.step(4)["code"], 1);
    assert_eq!(ended.stderr(4), "failed to run commands: fork/exec /usr/bin/sh: no such file or directory");
}

#[test]
fn a_step_name_that_a_shell_or_a_path_would_misread_is_refused() {
    for name in ["x;touch injected;#", "../out", "a b"] {
        let step =
            json!({"name": name, "action": "aws:runShellScript", "inputs": {"runCommand": ["echo ran"]}});
        let run = Run::new();
        let ended = run.run(&json!({"schemaVersion": "2.2", "mainSteps": [step]}));
        assert_eq!((ended.status(), ended.steps().len()), ("Failed", 0));
        assert!(
            ended.progress["message"].as_str().unwrap().contains("mainSteps[0].name"),
            "{}",
            ended.progress
        );
    }
}

#[test]
fn a_document_that_cannot_be_read_fails_with_the_reason_and_no_steps() {
    let ended = run(&json!({"schemaVersion": "9.9", "mainSteps": []}));
    assert_eq!((ended.status(), ended.steps().len()), ("Failed", 0));
    assert!(ended.progress["message"].as_str().unwrap().contains("9.9"));
    assert!(ended.exit.success() && ended.progress["finished"].as_bool().unwrap());
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
