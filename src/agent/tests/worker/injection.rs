//! Values and names that are no part of any script, however they look.

use serde_json::json;

use crate::harness::{Ended, Run};

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

/// Values that a shell, a file system or a parser of options might take for something else.
const HOSTILE: [&str; 14] = [
    "$(touch injected)",
    "`touch injected`",
    "'; touch injected; '",
    "\"; touch injected; \"",
    "a\ntouch injected\n",
    "x;touch injected",
    "x && touch injected",
    "| touch injected",
    "> injected",
    "* ? [a-z] ~ $HOME ${PATH} $$ \\ \\n",
    "-rf / --help -n",
    "{{ other }} {{word}}",
    "a\r\n\tb\u{1}\u{7f}",
    "ä€😀",
];

fn handed_over(script: &str, value: &str) -> (Run, Ended) {
    let mut run = Run::new();
    run.parameters = json!({"word": value});
    let ended = run.run(&json!({
        "schemaVersion": "2.2",
        "parameters": {"word": {"type": "String", "interpolationType": "ENV_VAR"}},
        "mainSteps": [{"name": "a", "action": "aws:runShellScript", "inputs": {"runCommand": [script]}}],
    }));
    (run, ended)
}

#[test]
fn whatever_is_handed_over_as_a_variable_arrives_byte_for_byte_and_never_runs() {
    for value in HOSTILE {
        let (run, ended) = handed_over("printf '%s' \"$SSM_word\"; ls -a", value);
        let listing =
            ended.stdout(0).strip_prefix(value).unwrap_or_else(|| panic!("{value:?}: {}", ended.progress));
        assert!(!listing.contains("injected"), "{value:?}");
        assert!(!run.file("a/injected").exists() && !run.file("injected").exists(), "{value:?}");
        assert_eq!((ended.steps(), ended.stderr(0)), (vec!["Success 0".to_owned()], ""), "{value:?}");
    }
}

#[test]
fn a_variable_that_a_script_does_not_quote_is_split_and_still_never_runs() {
    for value in HOSTILE {
        let (run, ended) = handed_over("cd \"$(dirname \"$0\")\"; set -f; printf '%s\\n' $SSM_word", value);
        assert_eq!(ended.steps(), ["Success 0"], "{value:?}");
        assert!(!run.file("a/injected").exists(), "{value:?}");
    }
}

#[test]
fn a_variable_with_a_nul_cannot_be_handed_over_and_the_step_says_so() {
    let (_, ended) = handed_over("echo never", "a\0b");
    assert_eq!(ended.steps(), ["Failed 1"]);
    assert!(ended.stderr(0).contains("invalid argument"), "{}", ended.stderr(0));
}
