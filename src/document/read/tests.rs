//! Behaviour of checking a document.

#![allow(clippy::needless_pass_by_value, reason = "literals read better without a reference")]

use serde_json::json;

use super::*;

mod runtime_config;

fn refused(document: Value) -> Vec<String> {
    let errors = super::document(document).unwrap_err();
    errors.to_string().lines().map(str::to_owned).collect()
}

fn accepted(document: Value) -> Document {
    super::document(document).unwrap_or_else(|errors| panic!("{errors}"))
}

fn step() -> Value {
    json!({"name": "a", "action": "aws:runShellScript", "inputs": {"runCommand": ["echo hi"]}})
}

/// A valid document with one step whose `key` is `value`.
fn with_step(key: &str, value: Value) -> Value {
    let mut step = step();
    step[key] = value;
    json!({"schemaVersion": "2.2", "mainSteps": [step]})
}

fn with_inputs(inputs: Value) -> Value {
    with_step("inputs", inputs)
}

fn with_parameter(definition: Value) -> Value {
    json!({"schemaVersion": "2.2", "parameters": {"p": definition}, "mainSteps": [step()]})
}

#[test]
fn only_versions_of_command_documents_are_understood() {
    for version in ["2.0", "2.0.1", "2.0.2", "2.0.3", "2.2"] {
        let document = accepted(json!({"schemaVersion": version, "mainSteps": [step()]}));
        assert_eq!(document.schema_version.as_str(), version);
    }
    for version in ["1.1", "2.1", "2.3", "9999.0", ""] {
        let lines = refused(json!({"schemaVersion": version, "mainSteps": 5}));
        assert_eq!(
            lines,
            [format!(
                "schemaVersion: version {version:?} is not supported: use one of 1.0, 1.2, 2.0, 2.0.1, 2.0.2, 2.0.3, 2.2"
            )]
        );
    }
    let runbook = refused(json!({"schemaVersion": "0.3", "mainSteps": 5}));
    assert!(runbook[0].contains("set documentType: Automation, or use one of 1.0"), "{runbook:?}");
    let session = refused(json!({"schemaVersion": "1.0", "sessionType": "Port"}));
    assert!(session[0].ends_with("set documentType: Session"), "{session:?}");
    assert_eq!(
        refused(json!({"schemaVersion": 2.2})),
        [
            "schemaVersion: expected a string, found the number 2.2: write it in quotes, schemaVersion: \"2.2\""
        ]
    );
    assert!(refused(json!({"schemaVersion": "2.2 "}))[0].contains("(did you mean \"2.2\"?)"));
    assert!(refused(json!({"schemaVersion": null}))[0].contains("is missing"));
}

#[test]
fn every_problem_is_told_at_once_with_its_place() {
    let lines = refused(json!({
        "schemaVersion": "2.2",
        "description": 5,
        "parameters": {"port": {"type": "Strng"}, "x": null},
        "mainSteps": [step(), null, {"name": "b", "inputs": {"runCommand": 5}}, step()],
    }));
    let paths: Vec<&str> = lines.iter().map(|line| line.split(": ").next().unwrap_or_default()).collect();
    assert_eq!(
        paths,
        [
            "description",
            "parameters.port.type",
            "parameters.x",
            "mainSteps[1]",
            "mainSteps[2].action",
            "mainSteps[3].name"
        ]
    );
    assert!(lines[1].contains("(did you mean \"String\"?)"), "{lines:?}");
}

#[test]
fn a_document_needs_steps() {
    assert!(refused(json!({"schemaVersion": "2.2"}))[0].starts_with("mainSteps: is missing"));
    assert!(refused(json!({"schemaVersion": "2.2", "mainSteps": []}))[0].starts_with("mainSteps: is empty"));
    assert!(
        refused(json!({"schemaVersion": "2.2", "mainSteps": {}}))[0].contains("expected a list of steps")
    );
    assert!(refused(json!({"schemaVersion": "2.2", "runtimeConfig": {}}))[0].contains("schema version 1.2"));
}

#[test]
fn extra_keys_are_harmless_and_slips_are_not() {
    let mut document = with_step("outputs", json!([{"Name": "x"}]));
    document["assumeRole"] = json!("x");
    document["files"] = json!({});
    document["mainSteps"][0]["isEnd"] = json!(true);
    document["mainSteps"][0]["inputs"]["whatever"] = json!({"x": 1});
    accepted(document);
    for (document, line) in [
        (
            json!({"schemaVersion": "2.2", "mainStep": []}),
            "mainStep: unknown key \"mainStep\" (did you mean \"mainSteps\"?)",
        ),
        (
            with_step("preconditions", json!({})),
            "mainSteps[0].preconditions: unknown key \"preconditions\" (did you mean \"precondition\"?)",
        ),
        (
            with_inputs(json!({"runCommands": []})),
            "mainSteps[0].inputs.runCommands: unknown input \"runCommands\" (did you mean \"runCommand\"?)",
        ),
        (
            with_parameter(json!({"type": "String", "allowedValue": ["x"]})),
            "parameters.p.allowedValue: unknown key \"allowedValue\" (did you mean \"allowedValues\"?)",
        ),
        (
            with_step("action", json!("runShellScript")),
            "mainSteps[0].action: unknown plugin \"runShellScript\" (did you mean \"aws:runShellScript\"?)",
        ),
    ] {
        assert_eq!(refused(document)[0], line);
    }
    accepted(with_step("action", json!("aws:noSuchPlugin")));
}

#[test]
fn keys_are_found_without_regard_to_case() {
    let document = accepted(json!({"SchemaVersion": "2.2", "MAINSTEPS": [
        {"NAME": "a", "Action": "aws:runShellScript", "INPUTS": {"RUNCOMMAND": ["echo a"]}}]}));
    assert_eq!(document.steps[0].name, "a");
    assert_eq!(document.steps[0].inputs["RUNCOMMAND"][0], "echo a");
}

#[test]
fn keys_without_effect_need_their_type() {
    let mut document = with_step("timeoutSeconds", json!(5));
    for (key, value) in [("maxAttempts", json!(3)), ("onFailure", json!("Abort")), ("settings", json!(null))]
    {
        document["mainSteps"][0][key] = value;
    }
    accepted(document);
    for (key, value) in [
        ("timeoutSeconds", json!("60")),
        ("timeoutSeconds", json!("{{ t }}")),
        ("timeoutSeconds", json!(5.5)),
        ("maxAttempts", json!("3")),
        ("onFailure", json!({})),
    ] {
        let lines = refused(with_step(key, value));
        assert!(lines[0].starts_with(&format!("mainSteps[0].{key}: expected a")), "{lines:?}");
    }
}

#[test]
fn step_names_are_safe_and_unique() {
    for name in ["a", "Install_Agent-1.2", "aws:runShellScript", "ünï", &"n".repeat(128)] {
        accepted(with_step("name", json!(name)));
    }
    for name in [
        "",
        "a b",
        "x;echo injected;#",
        "../x",
        ".hidden",
        "..",
        "-x",
        "{{ p }}",
        "a/b",
        "downloads",
        "a\n",
        &"n".repeat(129),
    ] {
        let lines = refused(with_step("name", json!(name)));
        assert!(lines.len() == 1 && lines[0].starts_with("mainSteps[0].name: "), "{name:?}: {lines:?}");
    }
    for value in [json!(null), json!(5)] {
        assert!(refused(with_step("name", value))[0].starts_with("mainSteps[0].name: "));
    }
    let twice = refused(json!({"schemaVersion": "2.2", "mainSteps": [step(), step()]}));
    assert_eq!(
        twice,
        ["mainSteps[1].name: \"a\" names an earlier step too: give each step a name of its own"]
    );
    assert!(refused(with_step("action", json!(null)))[0].starts_with("mainSteps[0].action: is missing"));
    assert!(refused(with_step("action", json!("")))[0].starts_with("mainSteps[0].action: is empty"));
}

#[test]
fn preconditions_are_lists_of_two_texts() {
    let precondition = |value: Value| with_step("precondition", value);
    accepted(precondition(json!({"StringEquals": ["platformType", "Linux"], "Foo": ["a"]})));
    accepted(precondition(json!(null)));
    for (value, line) in [
        (json!("Linux"), "mainSteps[0].precondition: expected an object"),
        (
            json!({"StringEquals": "platformType"}),
            "mainSteps[0].precondition.StringEquals: expected a list of two",
        ),
        (
            json!({"StringEquals": ["platformType"]}),
            "mainSteps[0].precondition.StringEquals: expected a list of two",
        ),
        (
            json!({"StringEquals": ["platformType", 1]}),
            "mainSteps[0].precondition.StringEquals[1]: expected a string",
        ),
        (
            json!({"stringEquals": ["platformType", "Linux"]}),
            "mainSteps[0].precondition.stringEquals: unknown operator",
        ),
    ] {
        let lines = refused(precondition(value));
        assert!(lines[0].starts_with(line), "{lines:?}");
    }
}

#[test]
fn only_a_text_can_be_a_whole_argument_of_a_precondition() {
    let mut document = with_step("precondition", json!({"StringEquals": ["{{ l }}", "x"]}));
    document["parameters"] = json!({"l": {"type": "StringList"}});
    let lines = refused(document.clone());
    assert_eq!(
        lines,
        [
            "mainSteps[0].precondition.StringEquals[0]: parameter \"l\" is a StringList: only a String can be compared"
        ]
    );
    document["parameters"]["l"]["type"] = json!("String");
    accepted(document);
}

#[test]
fn scripts_that_cannot_but_fail_are_refused() {
    for inputs in [
        json!({"runCommand": ["a", null], "environment": {"A": null}, "workingDirectory": null}),
        json!({"runCommand": "{{ commands }}", "environment": "{{ variables }}", "timeoutSeconds": ["x"]}),
        json!({"OnFailure": "exit"}),
        json!(null),
    ] {
        accepted(with_inputs(inputs));
    }
    for (inputs, path) in [
        (json!("echo hi"), "inputs"),
        (json!({"runCommand": "echo hi"}), "inputs.runCommand"),
        (json!({"RunCommand": ["a", 5]}), "inputs.RunCommand[1]"),
        (json!({"environment": ["A=1"]}), "inputs.environment"),
        (json!({"environment": {"A": 5}}), "inputs.environment.A"),
        (json!({"workingDirectory": ["x"]}), "inputs.workingDirectory"),
    ] {
        let lines = refused(with_inputs(inputs));
        assert!(lines[0].starts_with(&format!("mainSteps[0].{path}: expected")), "{lines:?}");
    }
}

#[test]
fn parameter_definitions_are_checked() {
    for (definition, line) in [
        (json!({}), "parameters.p.type: is missing: use one of String, StringList"),
        (json!({"type": "string"}), "parameters.p.type: \"string\" is not a type (did you mean \"String\"?)"),
        (
            json!({"type": "String", "default": 8080}),
            "parameters.p.default: a String needs a string as its default, found the number 8080: write it in quotes, \"8080\"",
        ),
        (
            json!({"type": "StringList", "default": "a"}),
            "parameters.p.default: a StringList needs a list of strings as its default, found the string \"a\"",
        ),
        (
            json!({"type": "StringList", "default": ["a", 1]}),
            "parameters.p.default: a StringList needs a list of strings as its default, found a list with the number 1",
        ),
        (
            json!({"type": "String", "allowedValues": "a"}),
            "parameters.p.allowedValues: expected a list of strings, found the string \"a\"",
        ),
        (
            json!({"type": "String", "default": "BAD", "allowedPattern": "^[a-z]+$"}),
            "parameters.p.default: \"BAD\" does not match",
        ),
        (
            json!({"type": "String", "default": "c", "allowedValues": ["a", "b"]}),
            "parameters.p.default: \"c\" is not one of \"a\", \"b\"",
        ),
        (
            json!({"type": "Integer", "allowedValues": [1]}),
            "parameters.p.allowedValues[0]: expected a string, found the number 1",
        ),
        (json!({"type": "String", "maxChars": "five"}), "parameters.p.maxChars: expected a whole number"),
        (json!({"type": "String", "minChars": -1}), "parameters.p.minChars: expected a whole number"),
        (
            json!({"type": "String", "minChars": 5, "maxChars": 4}),
            "parameters.p: minChars 5 is above maxChars 4",
        ),
        (
            json!({"type": "String", "allowedPattern": "("}),
            "parameters.p.allowedPattern: \"(\" cannot be used: ",
        ),
        (
            json!({"type": "StringList", "interpolationType": "ENV_VAR"}),
            "parameters.p.interpolationType: ENV_VAR is for",
        ),
        (
            json!({"type": "String", "interpolationType": "ENVVAR"}),
            "parameters.p.interpolationType: expected STRING or ENV_VAR, found \"ENVVAR\" (did you mean \"ENV_VAR\"?)",
        ),
        (json!(null), "parameters.p: expected an object with a type, found null"),
    ] {
        let lines = refused(with_parameter(definition));
        assert!(lines[0].starts_with(line), "{lines:?}");
    }
    for default in [json!("{{ ssm:commands }}"), json!(["a"]), json!(null)] {
        accepted(with_parameter(json!({"type": "StringList", "default": default})));
    }
}

#[test]
fn parameter_names_are_plain() {
    let named = |name: &str| json!({"schemaVersion": "2.2", "parameters": {name: {"type": "String"}}, "mainSteps": [step()]});
    accepted(named("a_b-1"));
    for name in ["", "a b", "a.b", "x+y", "(", "ä"] {
        assert!(refused(named(name))[0].contains("is not allowed: use letters, digits"), "{name:?}");
    }
}

#[test]
fn the_number_of_parameters_is_bounded() {
    let parameters: serde_json::Map<String, Value> =
        (0..201).map(|number| (format!("p{number}"), json!({"type": "String"}))).collect();
    let lines = refused(json!({"schemaVersion": "2.2", "parameters": parameters, "mainSteps": [step()]}));
    assert_eq!(lines, ["parameters: has 201 parameters: at most 200 are allowed"]);
}
