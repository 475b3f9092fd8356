//! Documents before schema 2.0, whose plugins may get a list of properties.

use serde_json::{Value, json};

use crate::harness::{Ended, Run, await_signal, run, scripts};

fn properties(properties: &Value) -> Value {
    json!({"schemaVersion": "1.2", "description": "d", "runtimeConfig": {
        "aws:runShellScript": {"properties": properties}}})
}

fn script(id: &str, line: &str) -> Value {
    json!({"id": id, "runCommand": [line]})
}

fn run_list(elements: &[Value]) -> Ended {
    run(&properties(&json!(elements)))
}

#[test]
fn a_plugin_runs_once_for_each_element_and_their_output_is_joined() {
    let ended = run_list(&[
        script("0.aws:runShellScript", "echo one; echo e1 >&2; dirname \"$0\" | grep -o 'aws:.*'"),
        script("1.aws:runShellScript", "echo two; echo e2 >&2"),
    ]);
    assert_eq!((ended.status(), ended.steps()), ("Success", vec!["Success 0".to_owned()]));
    assert_eq!(ended.step(0)["name"], "aws:runShellScript");
    assert_eq!(ended.stdout(0), "one\naws:runShellScript/0.aws:runShellScript\n\ntwo\n");
    assert_eq!(ended.stderr(0), "e1\n\ne2\n");
}

#[test]
fn all_elements_run_and_the_first_failure_gives_the_code() {
    let ended = run_list(&[
        script("a", "echo one; exit 3"),
        script("b", "echo two; exit 4"),
        script("c", "echo three"),
    ]);
    assert_eq!((ended.status(), ended.steps()), ("Failed", vec!["Failed 3".to_owned()]));
    assert_eq!(ended.stdout(0), "one\n\ntwo\n\nthree\n");
    assert_eq!(
        ended.stderr(0),
        "failed to run commands: exit status 3\nfailed to run commands: exit status 4\n"
    );
}

#[test]
fn the_step_has_the_worst_status_of_its_elements() {
    let ended = run_list(&[
        json!({"id": "a", "runCommand": ["sleep 30"], "timeoutSeconds": 5}),
        script("b", "exit 3"),
        script("c", "echo three"),
    ]);
    assert_eq!((ended.steps(), ended.stdout(0)), (vec!["TimedOut 137".to_owned()], "three\n"));
}

#[test]
fn code_168_in_one_element_does_not_stop_the_next() {
    let ended = run_list(&[script("a", "echo err >&2; exit 168"), script("b", "echo two")]);
    assert_eq!((ended.status(), ended.steps()), ("Success", vec!["Success 168".to_owned()]));
    assert!(ended.stdout(0).starts_with("two\n\nStep exited with code 168."), "{}", ended.stdout(0));
    assert_eq!((ended.stderr(0), ended.output(0)), ("", "two\n"));
}

#[test]
fn elements_of_one_id_share_a_folder_and_not_their_output() {
    let ended = run_list(&[script("a", "echo one"), script("a", "echo two")]);
    assert_eq!(ended.stdout(0), "one\n\ntwo\n");
}

#[test]
fn an_id_that_is_no_plain_name_stays_in_the_steps_folder() {
    for id in ["../x", "~/x", "x;touch injected;#", "a/../../x"] {
        let mut run = Run::new();
        run.parameters = json!({ "id": id });
        let mut document = properties(&json!([script("{{ id }}", "basename \"$(dirname \"$0\")\"")]));
        document["parameters"] = json!({"id": {"type": "String"}});
        let ended = run.run(&document);
        assert_eq!(ended.stdout(0), "aws:runShellScript\n", "{id:?}");
    }
}

#[test]
fn a_cancel_ends_the_running_element_and_every_later_one() {
    let run = Run::new();
    let begun = run.signal("begun");
    let worker = run.start(&properties(&json!([
        script("a", "echo one"),
        script("b", &format!("echo two; echo yes > {}; sleep 600", begun.display())),
        script("c", "echo never"),
    ])));
    await_signal(&begun);
    run.cancel();
    let ended = run.wait(worker);
    assert_eq!((ended.steps(), ended.stdout(0)), (vec!["Cancelled 137".to_owned()], "one\n\ntwo\n\n"));
}

#[test]
fn properties_may_be_one_object_or_absent() {
    let ended = run(&properties(&script("a", "echo one")));
    assert_eq!((ended.steps(), ended.stdout(0)), (vec!["Success 0".to_owned()], "one\n"));
    let ended = run(&json!({"schemaVersion": "1.2", "runtimeConfig": {"aws:runShellScript": {}}}));
    assert_eq!(ended.steps(), ["Success 0"]);
}

#[test]
fn a_later_schema_has_no_lists() {
    let mut document = scripts(&["echo one"]);
    document["mainSteps"][0]["inputs"] = json!([{"runCommand": ["echo one"]}]);
    let ended = run(&document);
    assert_eq!((ended.status(), ended.steps().len()), ("Failed", 0));
    assert!(ended.progress["message"].as_str().unwrap().contains("mainSteps[0].inputs"));
}

#[test]
fn a_step_whose_element_asks_for_a_reboot_runs_all_of_them_again() {
    let run = Run::new();
    let mark = run.scratch("mark");
    let second = format!("if [ -e {0} ]; then echo again; else touch {0}; exit 194; fi", mark.display());
    let ended = run.run(&properties(&json!([
        script("a", "echo one"),
        script("b", &second),
        script("c", "echo three")
    ])));
    assert_eq!(
        (ended.steps(), ended.stdout(0)),
        (vec!["SuccessAndReboot 194".to_owned()], "one\n\n\nthree\n")
    );
    run.reboot();
    let resumed = run.wait(run.spawn());
    assert_eq!((resumed.status(), resumed.steps()), ("Success", vec!["Success 0".to_owned()]));
    assert_eq!(resumed.stdout(0), "one\n\n\nthree\none\n\nagain\n\nthree\n");
}
