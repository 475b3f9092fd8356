//! `aws:runDocument`: documents that are steps of others.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Ended, Run, assert_gone, await_signal, called, run, scripts, step};

/// A document whose step `r` runs the file at `path`, and whose step `z` says that it ran.
fn local(path: &str, parameters: &Value) -> Value {
    json!({"schemaVersion": "2.2", "mainSteps": [
        {"name": "r", "action": "aws:runDocument", "inputs": {
            "documentType": "LocalPath", "documentPath": path, "documentParameters": parameters}},
        {"name": "z", "action": "aws:runShellScript", "inputs": {"runCommand": ["echo z"]}},
    ]})
}

/// Writes a document to a file of the node and returns the path.
fn file(run: &Run, text: &str) -> String {
    let path = run.scratch("child");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn run_local(child: &Value, parameters: &Value) -> Ended {
    let run = Run::new();
    let path = file(&run, &child.to_string());
    run.run(&local(&path, parameters))
}

fn echoing_p(definition: &Value) -> Value {
    json!({"schemaVersion": "2.2", "parameters": {"p": definition}, "mainSteps": [
        {"name": "c", "action": "aws:runShellScript", "inputs": {"runCommand": ["echo '[{{ p }}]'"]}}]})
}

/// A document that runs `name` from the control plane.
fn calling(name: &str) -> Value {
    step("aws:runDocument", &json!({"documentType": "SSMDocument", "documentPath": name}))
}

#[test]
fn the_steps_of_a_called_document_run_in_folders_within_the_steps_own() {
    let run = Run::new();
    let path =
        file(&run, &scripts(&["echo child; echo err >&2; echo \"$0\"; pwd", "printf two"]).to_string());
    let ended = run.run(&local(&path, &json!(null)));
    assert_eq!(
        (ended.status(), ended.steps()),
        ("Success", vec!["Success 0".to_owned(), "Success 0".to_owned()])
    );
    let script = run.file("r/a/_script.sh");
    assert_eq!(ended.stdout(0), format!("child\n{}\n/\ntwo", script.display()));
    assert_eq!(ended.stderr(0), "err\n");
    assert_eq!(ended.step(0)["action"], "aws:runDocument");
}

#[test]
fn a_file_may_be_yaml_and_below_the_downloads() {
    let run = Run::new();
    let document = json!({"schemaVersion": "2.2", "mainSteps": [
        {"name": "w", "action": "aws:runShellScript", "inputs": {"runCommand": [
            "d=\"$(dirname \"$0\")/../downloads\"; mkdir \"$d\"; cat > \"$d/c.yaml\" <<'E'",
            "schemaVersion: '2.2'", "mainSteps:", "- name: c", "  action: aws:runShellScript",
            "  inputs: {runCommand: [echo yaml]}", "E"]}},
        {"name": "r", "action": "aws:runDocument", "inputs": {"documentType": "LocalPath", "documentPath": "c.yaml"}},
    ]});
    let ended = run.run(&document);
    assert_eq!((ended.stderr(1), ended.stdout(1)), ("", "yaml\n"));
}

#[test]
fn a_document_of_the_control_plane_is_found_by_name_and_version_and_lies_in_its_steps_downloads() {
    let mut run = Run::new();
    run.called_documents = json!([
        called("web-child", "$DEFAULT", &scripts(&["echo default; ls; pwd"])),
        called("web-child", "2", &scripts(&["echo two"])),
    ]);
    for (name, expected) in
        [("Web-Child:2", "two\n"), ("arn:aws:ssm:eu-west-1::document/Web-Child:2", "two\n")]
    {
        let mut fresh = Run::new();
        fresh.called_documents = run.called_documents.clone();
        assert_eq!(fresh.run(&calling(name)).stdout(0), expected, "{name}");
    }
    let ended = run.run(&calling("Web-Child"));
    let downloads = run.file("a/downloads");
    assert_eq!(ended.stdout(0), format!("default\nWeb-Child.json\n{}\n", downloads.display()));
}

#[test]
fn documents_that_are_not_there_say_where_they_should_be() {
    let ended = run(&calling("NoSuchDoc:3"));
    assert_eq!(ended.steps(), ["Failed 1"]);
    let text = ended.stderr(0);
    assert!(text.starts_with("There was an error while preparing documents - "), "{text}");
    assert!(text.contains("\"NoSuchDoc\" in version 3") && text.contains("apply it"), "{text}");
    let ended = run(&local("/no/such/doc.json", &json!({})));
    assert_eq!(ended.steps(), ["Failed 1", "Success 0"]);
    assert!(ended.stderr(0).contains("cannot read /no/such/doc.json: No such file"), "{}", ended.stderr(0));
    let ended = run(&local("/dev/null", &json!({})));
    assert!(ended.stderr(0).ends_with("cannot read /dev/null: it is no file"), "{}", ended.stderr(0));
}

#[test]
fn a_file_that_is_no_document_fails_with_everything_that_is_wrong_with_it() {
    let run = Run::new();
    let ended = run.run(&local(&file(&run, ""), &json!({})));
    assert_eq!(ended.stderr(0), "There was an error while preparing documents - File is empty!");
    let ended = run_local(&json!({"schemaVersion": "2.2", "mainSteps": [{"name": "a"}]}), &json!({}));
    assert!(ended.stderr(0).contains("mainSteps[0].action: is missing"), "{}", ended.stderr(0));
}

#[test]
fn aws_noop_succeeds_at_once() {
    let ended = run(&calling("AWS-Noop"));
    assert_eq!((ended.steps(), ended.stdout(0)), (vec!["Success 0".to_owned()], ""));
}

#[test]
fn parameters_are_an_object_or_the_text_of_one_and_are_checked_against_the_called_document() {
    let string = json!({"type": "String", "default": "d"});
    for (parameters, expected) in [
        (json!({"p": "v"}), "[v]\n"),
        (json!("{\"p\": \"v\"}"), "[v]\n"),
        (json!("p: v"), "[v]\n"),
        (json!({"p": null}), "[d]\n"),
        (json!({"other": "x"}), "[d]\n"),
    ] {
        assert_eq!(run_local(&echoing_p(&string), &parameters).stdout(0), expected, "{parameters}");
    }
    assert_eq!(run_local(&echoing_p(&json!({"type": "String"})), &json!({})).stdout(0), "[null]\n");
    let ended =
        run_local(&echoing_p(&json!({"type": "String", "allowedValues": ["a", "b"]})), &json!({"p": "c"}));
    assert_eq!(ended.steps(), ["Failed 1", "Success 0"]);
    assert_eq!(
        ended.stderr(0),
        "There was an error while preparing documents - all errors during param validation errors: error thrown in \
         'AllowedValueParamValidator' while validating parameter /p/: parameter value /c/ is not in the allowed list [a b]"
    );
}

#[test]
fn a_failed_timed_out_or_skipped_step_of_a_called_document_is_the_steps_end() {
    let ended = run_local(&scripts(&["echo o; echo e >&2; exit 7", "echo next"]), &json!({}));
    assert_eq!(
        (ended.status(), ended.steps()),
        ("Failed", vec!["Failed 1".to_owned(), "Success 0".to_owned()])
    );
    assert_eq!(ended.stdout(0), "o\nnext\n");
    assert_eq!(ended.stderr(0), "e\nfailed to run commands: exit status 7");
    let slow = json!({"schemaVersion": "2.2", "mainSteps": [{"name": "c", "action": "aws:runShellScript",
        "inputs": {"runCommand": ["echo a; sleep 20"], "timeoutSeconds": 5}}]});
    assert_eq!(run_local(&slow, &json!({})).steps()[0], "TimedOut 0");
    let windows = json!({"schemaVersion": "2.2", "mainSteps": [{"name": "c", "action": "aws:runShellScript",
        "precondition": {"StringEquals": ["platformType", "Windows"]}, "inputs": {"runCommand": ["echo a"]}}]});
    let ended = run_local(&windows, &json!({}));
    assert_eq!((ended.status(), ended.steps()[0].as_str(), ended.output(0)), ("Success", "Skipped 0", ""));
    let unknown = step("aws:noSuchPlugin", &json!({}));
    let ended = run_local(&unknown, &json!({}));
    assert_eq!(ended.steps()[0], "Failed 1");
    assert!(ended.stderr(0).starts_with("Plugin with name aws:noSuchPlugin is not supported"));
}

#[test]
fn codes_and_modifiers_end_the_called_document_only() {
    let ended = run_local(&scripts(&["echo a; echo err >&2; exit 168", "echo never"]), &json!({}));
    assert_eq!(
        (ended.status(), ended.steps()),
        ("Success", vec!["Success 0".to_owned(), "Success 0".to_owned()])
    );
    let text = "a\n\nStep exited with code 168. Therefore, marking step as succeeded. Further document steps will be skipped.";
    assert_eq!((ended.stdout(0), ended.stderr(0), ended.output(0)), (text, "", text));
    let ended = run_local(&scripts(&["exit 169", "echo never"]), &json!({}));
    assert_eq!(ended.steps(), ["Failed 1", "Success 0"]);
    assert!(!ended.stdout(0).contains("never"));
}

#[test]
fn a_document_runs_others_three_deep_and_no_deeper() {
    let run = Run::new();
    let path = run.scratch("child").display().to_string();
    let mut child = scripts(&["echo level"]);
    child["mainSteps"].as_array_mut().unwrap().push(local(&path, &json!({}))["mainSteps"][0].clone());
    file(&run, &child.to_string());
    let ended = run.run(&local(&path, &json!({})));
    assert_eq!((ended.steps()[0].as_str(), ended.stdout(0)), ("Failed 1", "level\nlevel\nlevel\n"));
    assert_eq!(
        ended.stderr(0),
        "Maximum depth for document execution exceeded. Maximum depth permitted - 3 and current depth - 4"
    );
}

#[test]
fn a_cancel_reaches_the_step_of_a_called_document() {
    let run = Run::new();
    let (begun, child) = (run.signal("begun"), run.scratch("pid"));
    let script =
        format!("echo begin; sleep 600 & echo $! > {}; echo y > {}; wait", child.display(), begun.display());
    let path = file(&run, &scripts(&[&script, "echo never"]).to_string());
    let worker = run.start(&local(&path, &json!({})));
    await_signal(&begun);
    run.cancel();
    let ended = run.wait(worker);
    assert_eq!(
        (ended.status(), ended.steps()),
        ("Cancelled", vec!["Cancelled 137".to_owned(), "Cancelled 1".to_owned()])
    );
    assert_eq!(ended.stdout(0), "begin\n");
    assert_gone(&fs::read_to_string(child).unwrap());
}

#[test]
fn a_step_of_a_called_document_that_asks_for_a_reboot_runs_again_after_it_and_finished_ones_do_not() {
    let run = Run::new();
    let mark = run.scratch("mark");
    let second =
        format!("if [ -e {0} ]; then echo again; else touch {0}; echo first; exit 194; fi", mark.display());
    let path = file(&run, &scripts(&["echo once", &second, "echo third"]).to_string());
    let ended = run.run(&local(&path, &json!({})));
    assert_eq!(
        (ended.status(), ended.steps()),
        ("SuccessAndReboot", vec!["SuccessAndReboot 194".to_owned()])
    );
    // A file in a temporary folder does not outlive the reboot; the run does not need it.
    fs::remove_file(path).unwrap();
    run.reboot();
    let resumed = run.wait(run.spawn());
    assert_eq!(
        (resumed.status(), resumed.steps()),
        ("Success", vec!["Success 0".to_owned(), "Success 0".to_owned()])
    );
    assert_eq!(resumed.stdout(0), "once\nfirst\nagain\nthird\n");
    let left = fs::read_dir(run.directory()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!left.into_iter().any(|name| name.to_string_lossy().starts_with(".keelson-called")));
}

#[test]
fn a_reboot_deep_in_called_documents_goes_on_where_each_of_them_was() {
    let mut run = Run::new();
    let mark = run.scratch("mark");
    let reboot = format!("[ -e {0} ] || {{ touch {0}; exit 194; }}; echo again", mark.display());
    let mut middle = calling("deep");
    let first =
        json!({"name": "m", "action": "aws:runShellScript", "inputs": {"runCommand": ["echo middle"]}});
    middle["mainSteps"].as_array_mut().unwrap().insert(0, first);
    run.called_documents = json!([
        called("middle", "$DEFAULT", &middle),
        called("deep", "$DEFAULT", &scripts(&["echo deep", &reboot, "echo end"])),
    ]);
    assert_eq!(run.run(&calling("Middle")).steps(), ["SuccessAndReboot 194"]);
    run.reboot();
    let resumed = run.wait(run.spawn());
    assert_eq!(
        (resumed.steps(), resumed.stdout(0)),
        (vec!["Success 0".into()], "middle\ndeep\nagain\nend\n")
    );
}

#[test]
fn a_failure_before_the_reboot_of_a_called_document_is_not_forgotten() {
    let run = Run::new();
    let mark = run.scratch("mark");
    let second = format!("[ -e {0} ] || {{ touch {0}; exit 194; }}", mark.display());
    let path = file(&run, &scripts(&["exit 3", &second]).to_string());
    assert_eq!(run.run(&local(&path, &json!({}))).steps(), ["SuccessAndReboot 194"]);
    run.reboot();
    assert_eq!(run.wait(run.spawn()).steps(), ["Failed 1", "Success 0"]);
}

#[test]
fn a_called_document_fails_fast_and_runs_strictly_with_the_run() {
    let mut run = Run::new();
    let path = file(&run, &scripts(&["false; echo on", "echo never"]).to_string());
    (run.fail_fast, run.strict_scripts) = (true, true);
    let ended = run.run(&local(&path, &json!({})));
    assert_eq!((ended.steps(), ended.stdout(0)), (vec!["Failed 1".to_owned(), "Skipped 0".to_owned()], ""));
}

#[test]
fn a_called_document_hands_its_own_variables_to_its_scripts() {
    let mut child = scripts(&["printf '%s' \"$SSM_p\""]);
    child["parameters"] = json!({"p": {"type": "String", "interpolationType": "ENV_VAR"}});
    let value = "$(touch injected); `id`\n'\" *";
    assert_eq!(run_local(&child, &json!({ "p": value })).stdout(0), value);
}

#[test]
fn associations_that_a_called_document_refreshes_are_in_the_steps_record() {
    let ended = run_local(&step("aws:refreshAssociation", &json!({"associationIds": ["motd"]})), &json!({}));
    assert_eq!(ended.step(0)["refreshAssociations"], json!(["motd"]));
}
