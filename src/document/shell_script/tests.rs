//! Behaviour of script inputs, held against recorded answers of the agent.

use serde_json::json;

use super::*;

fn timeout_of(value: &Value) -> u64 {
    script_timeout(&json!({"timeoutSeconds": value})).as_secs()
}

#[test]
fn inputs_are_found_without_regard_to_case() {
    let script = ScriptInputs::parse(&json!({
        "RunCommand": ["echo a", "echo b"], "WORKINGDIRECTORY": "/tmp", "Environment": {"A": "1", "B": null},
        "ID": "0", "TimeoutSeconds": "60", "other": [1],
    }))
    .unwrap();
    assert_eq!(script.script_text(), "echo a\necho b\n");
    assert_eq!(script.working_directory.as_deref(), Some("/tmp"));
    assert_eq!(script.timeout, Duration::from_secs(60));
    assert_eq!(
        script.environment,
        [("A".to_owned(), "1".to_owned()), ("B".to_owned(), String::new())].into()
    );
    assert_eq!(script.id, "0");
}

#[test]
fn of_two_spellings_the_last_in_sorted_order_counts() {
    let script = ScriptInputs::parse(&json!({"RunCommand": ["upper"], "runCommand": ["lower"]})).unwrap();
    assert_eq!(script.run_command, ["lower"]);
}

#[test]
fn a_step_without_inputs_is_an_empty_script() {
    for inputs in
        [json!({}), json!(null), json!({"runCommand": null, "workingDirectory": "", "environment": null})]
    {
        let script = ScriptInputs::parse(&inputs).unwrap();
        assert_eq!(script.script_text(), "\n");
        assert_eq!(script.working_directory, None);
        assert_eq!(script.timeout, Duration::from_secs(3600));
    }
}

#[test]
fn a_wrong_shape_is_reported_in_the_agents_words() {
    let cases = [
        (
            json!({"runCommand": "echo hi"}),
            "Invalid format in plugin properties map[runCommand:echo hi];\nerror json: cannot unmarshal string into Go \
             struct field RunScriptPluginInput.RunCommand of type []string",
        ),
        (
            json!({"runCommand": [["echo 1 <&0", "echo \"2\"", "echo 3 & wait"]]}),
            "Invalid format in plugin properties map[runCommand:[[echo 1 <&0 echo \"2\" echo 3 & wait]]];\n\
             error json: cannot unmarshal array into Go struct field RunScriptPluginInput.RunCommand of type string",
        ),
        (
            json!({"runCommand": ["pwd"], "workingDirectory": 5}),
            "Invalid format in plugin properties map[runCommand:[pwd] workingDirectory:5];\nerror json: cannot \
             unmarshal number into Go struct field RunScriptPluginInput.WorkingDirectory of type string",
        ),
        (
            json!({"runCommand": ["echo \"$A\""], "environment": {"A": 5}}),
            "Invalid format in plugin properties map[environment:map[A:5] runCommand:[echo \"$A\"]];\nerror json: \
             cannot unmarshal number into Go struct field RunScriptPluginInput.Environment of type string",
        ),
        (
            json!({"runCommand": ["x"], "environment": ["A=1"]}),
            "Invalid format in plugin properties map[environment:[A=1] runCommand:[x]];\nerror json: cannot \
             unmarshal array into Go struct field RunScriptPluginInput.Environment of type map[string]string",
        ),
        (
            json!("echo hi"),
            "Invalid format in plugin properties echo hi;\nerror json: cannot unmarshal string into Go value of type \
             runscript.RunScriptPluginInput",
        ),
    ];
    for (inputs, text) in cases {
        assert_eq!(ScriptInputs::parse(&inputs).unwrap_err().to_string(), text);
    }
}

#[test]
fn timeouts_may_be_numbers_or_text_and_lose_their_fraction() {
    for value in [json!("5.9"), json!(5.9), json!("5e0"), json!("+5"), json!("05"), json!(5), json!("5")] {
        assert_eq!(timeout_of(&value), 5, "{value}");
    }
    assert_eq!(timeout_of(&json!(172_800)), 172_800);
}

#[test]
fn a_timeout_that_is_no_number_in_range_means_an_hour() {
    for value in [
        json!("5s"),
        json!(" 5 "),
        json!("0x5"),
        json!(""),
        json!("abc"),
        json!("inf"),
        json!("NaN"),
        json!("1e400"),
        json!(true),
        json!(null),
        json!(["5"]),
        json!(4),
        json!(-1),
        json!("-5"),
        json!(172_801),
        json!(1e300),
        json!("{{ t }}"),
    ] {
        assert_eq!(timeout_of(&value), 3600, "{value}");
    }
    assert_eq!(script_timeout(&json!("text")).as_secs(), 3600);
}

#[test]
fn a_strict_run_has_bash_read_the_scripts_of_sh_and_bash() {
    let arguments = |script: &str| strict_arguments(script).map(|arguments| arguments.join(" "));
    for script in
        ["echo a\n", "", "# !/usr/bin/python\n", "#!/bin/sh\necho", "#! /bin/bash", "#!/usr/bin/env bash\n"]
    {
        assert_eq!(arguments(script).as_deref(), Some("-e -u -o pipefail"), "{script:?}");
    }
    for (script, expected) in [
        ("#!/bin/bash -x\n", "-e -u -o pipefail -x"),
        ("#!/usr/bin/env -S bash -x\n", "-e -u -o pipefail -x"),
        ("#!/bin/sh -\n", "-e -u -o pipefail -"),
        ("#!/bin/bash --\n", "-e -u -o pipefail --"),
        ("#!/bin/bash -x --posix\n", "--posix -e -u -o pipefail -x"),
    ] {
        assert_eq!(arguments(script).as_deref(), Some(expected), "{script:?}");
    }
    for script in
        ["#!/usr/bin/python3\n", "#!/usr/bin/env perl\n", "#!/bin/zsh\n", "#!\n", "#!/usr/bin/env\n"]
    {
        assert_eq!(arguments(script), None, "{script:?}");
    }
}
