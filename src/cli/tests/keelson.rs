//! The program as a user runs it: exit codes, output, and the name it goes by.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const KEELSON: &str = env!("CARGO_BIN_EXE_keelson");
const GOOD: &str =
    r#"{"schemaVersion": "2.2", "mainSteps": [{"name": "a", "action": "aws:runShellScript", "inputs": {}}]}"#;
const HARMFUL: &str = r#"{"schemaVersion": "2.2", "mainSteps": [{"name": "a", "action": "acme:none"}]}"#;
const BAD: &str = r#"{"schemaVersion": "2.2"}"#;

/// Runs `keelson lint` with these arguments and this standard input.
fn lint(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(KEELSON)
        .arg("lint")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A program that ends at once does not read its input.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn errors_exit_1_and_warnings_only_where_they_are_denied() {
    for (arguments, input, code) in [
        (&["-"][..], GOOD, 0),
        (&["-"], HARMFUL, 0),
        (&["-", "--deny-warnings"], HARMFUL, 1),
        (&["-", "--deny-warnings", "--allow", "unknown-plugin"], HARMFUL, 0),
        (&["-"], BAD, 1),
        (&["-", "--document-type", "Session"], GOOD, 1),
        (&["-", "--document-type", "Sesion"], GOOD, 2),
        (&[], GOOD, 2),
        (&["/does/not/exist.yaml"], GOOD, 2),
        (&["/does/not/exist.yaml", "-"], BAD, 2),
    ] {
        let output = lint(arguments, input);
        assert_eq!(output.status.code(), Some(code), "{arguments:?} {input} {}", text(&output.stderr));
    }
    let missing = text(&lint(&["/does/not/exist.yaml"], "").stderr);
    assert!(missing.starts_with("error: cannot read \"/does/not/exist.yaml\": No such file"), "{missing}");
}

#[test]
fn findings_go_to_stdout_and_the_summary_to_stderr() {
    let output = lint(&["-"], BAD);
    assert_eq!(
        text(&output.stdout),
        "<stdin>:1:1: error: mainSteps: is missing: write a list of steps, each with name, action and inputs\n"
    );
    assert_eq!(text(&output.stderr), "1 document: 1 error, 0 warnings\n");
}

#[test]
fn json_is_one_array_also_where_nothing_was_found() {
    let output = lint(&["-", "--format", "json"], HARMFUL);
    let findings: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let message = findings[0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("acme:none"), "{message}");
    let expected = serde_json::json!([{"file": "<stdin>", "line": 1, "column": 54, "severity": "warning",
        "code": "unknown-plugin", "path": "mainSteps[0].action", "message": message}]);
    assert_eq!(findings, expected);
    assert_eq!(text(&output.stderr), "");
    assert_eq!(text(&lint(&["-", "--format", "json"], GOOD).stdout), "[]\n");
}

#[test]
fn as_kubectl_keelson_it_calls_itself_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let plugin = folder.path().join("kubectl-keelson");
    std::os::unix::fs::symlink(KEELSON, &plugin).expect("a link");
    let output = Command::new(&plugin).args(["lint", "--help"]).output().expect("it starts");
    assert!(text(&output.stdout).contains("Usage: kubectl keelson lint"), "{}", text(&output.stdout));
}

#[test]
fn the_samples_of_this_project_are_clean() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/samples");
    let output = lint(&["--deny-warnings", &samples.display().to_string()], "");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let steps: Vec<_> = (0..2000).map(|index| serde_json::json!({"name": index})).collect();
    let document = serde_json::json!({"schemaVersion": "2.2", "mainSteps": steps});
    for index in 0..20 {
        fs::write(folder.path().join(format!("{index}.json")), document.to_string()).expect("it is written");
    }
    let mut child = Command::new(KEELSON)
        .arg("lint")
        .arg(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
}
