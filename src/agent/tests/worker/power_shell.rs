//! `aws:runPowerShellScript`, with a stand-in for PowerShell that tells how it is called.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::harness::{Run, run, step};

/// A `pwsh` that prints its arguments and environment, and runs what it is given after the byte order mark as `sh` would.
const PWSH: &str = "#!/bin/sh\n[ \"$1\" = -f ] || exit 99\necho \"$(basename \"$2\") $# HOME=$HOME [$TERM] [$OTHER]\"\n\
                    head -c 3 \"$2\" | od -An -tx1\ntail -c +4 \"$2\" | sh\n";

fn node_with_pwsh() -> Run {
    let mut run = Run::new();
    let programs = run.scratch("bin");
    fs::create_dir(&programs).unwrap();
    fs::write(programs.join("pwsh"), PWSH).unwrap();
    fs::set_permissions(programs.join("pwsh"), fs::Permissions::from_mode(0o755)).unwrap();
    run.path = format!("{}:{}", programs.display(), run.path);
    run
}

#[test]
fn a_script_is_run_by_the_nodes_pwsh_without_its_terminal() {
    let mut run = node_with_pwsh();
    run.environment = vec![("TERM", "xterm"), ("HOME", "/root"), ("OTHER", "kept")];
    let ended = run.run(&step("aws:runPowerShellScript", &json!({"runCommand": ["echo one", "exit 194"]})));
    assert_eq!(ended.steps(), ["SuccessAndReboot 194"]);
    assert_eq!(ended.stdout(0), "_script.ps1 2 HOME=/ [] [kept]\n ef bb bf\none\n");
    let script = fs::read_to_string(run.file("a/_script.ps1")).unwrap();
    assert_eq!(script, "\u{feff}echo one\nexit 194\n");
}

#[test]
fn a_strict_run_leaves_power_shell_alone() {
    let mut run = node_with_pwsh();
    run.strict_scripts = true;
    let ended = run.run(&step("aws:runPowerShellScript", &json!({"runCommand": ["false", "echo on"]})));
    assert!(ended.stdout(0).ends_with("\non\n"), "{}", ended.progress);
}

#[test]
fn without_power_shell_the_step_says_what_is_missing() {
    let ended = run(&step("aws:runPowerShellScript", &json!({"runCommand": ["Write-Host hi"]})));
    assert_eq!(ended.steps(), ["Failed 1"]);
    assert_eq!(ended.stderr(0), "failed to run commands: fork/exec /usr/bin/pwsh: no such file or directory");
}
