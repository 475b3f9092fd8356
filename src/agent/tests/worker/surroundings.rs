//! What a script finds around itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::harness::{COMMAND, NODE, Run, document, run, scripts};

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
