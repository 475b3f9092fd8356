//! Behaviour of checking `runtimeConfig`, schema 1.x.

use serde_json::json;

use super::*;

fn with_plugins(plugins: Value) -> Value {
    json!({"schemaVersion": "1.2", "runtimeConfig": plugins})
}

fn with_properties(properties: Value) -> Value {
    with_plugins(json!({"aws:runShellScript": {"properties": properties}}))
}

#[test]
fn each_plugin_is_a_step_in_the_order_of_names() {
    for version in ["1.0", "1.2"] {
        let document = accepted(json!({"schemaVersion": version, "runtimeConfig": {
            "aws:runShellScript": {"Properties": [{"id": "0", "runCommand": ["a"]}, {"timeoutSeconds": 10}]},
            "aws:applications": {"properties": {"action": "{{ a }}"}, "settings": {"x": 1}, "description": "d"},
            "aws:cloudWatch": {}}}));
        let names: Vec<_> = document.steps.iter().map(|step| (&*step.name, &*step.action)).collect();
        let plugin = |name| (name, name);
        assert_eq!(names, ["aws:applications", "aws:cloudWatch", "aws:runShellScript"].map(plugin));
        assert_eq!(document.steps[0].settings, json!({"x": 1}));
        assert_eq!(document.steps[1].inputs, json!(null));
        assert_eq!(document.steps[2].inputs[0]["id"], "0");
        assert_eq!(document.inputs_path(2), "runtimeConfig.aws:runShellScript.properties");
        assert_eq!(document.execution_timeout().as_secs(), 3600 + 3600 + 3600 + 10);
    }
}

#[test]
fn properties_are_an_object_a_list_or_a_text() {
    for properties in [
        json!({"runCommand": ["a"]}),
        json!([{"runCommand": ["a"]}, {"id": "../{{ p }}", "runCommand": "{{ commands }}"}]),
        json!([]),
        json!(["{{ p }}", null]),
        json!("{{ p }}"),
        json!(null),
    ] {
        accepted(with_properties(properties));
    }
    accepted(with_plugins(json!({"aws:cloudWatch": {"properties": "{\"a\": 1}"}})));
    let path = "runtimeConfig.aws:runShellScript.properties";
    for (properties, line) in [
        (json!("nonsense"), ": expected an object or a list of objects, found the string \"nonsense\""),
        (json!([{}, 5]), "[1]: expected an object, found the number 5"),
        (
            json!([{"runCommands": ["a"]}]),
            "[0].runCommands: unknown input \"runCommands\" (did you mean \"runCommand\"?)",
        ),
        (json!([{"id": "../../x"}]), "[0].id: \"../../x\" is not allowed: use letters"),
        (json!({"id": 5}), ".id: expected a string, found the number 5: write it in quotes, \"5\""),
    ] {
        let lines = refused(with_properties(properties));
        assert!(lines[0].starts_with(&format!("{path}{line}")), "{lines:?}");
    }
}

#[test]
fn plugins_are_objects_with_safe_names() {
    for (plugins, line) in [
        (json!({}), "runtimeConfig: is empty: a document needs at least one plugin"),
        (json!([]), "runtimeConfig: expected an object of plugins, found a list"),
        (
            json!({"aws:runShellScript": null}),
            "runtimeConfig.aws:runShellScript: expected an object with properties, found null",
        ),
        (
            json!({"aws:runshellscript": {}}),
            "runtimeConfig.aws:runshellscript: unknown plugin \"aws:runshellscript\" (did you mean \"aws:runShellScript\"?)",
        ),
        (json!({"plugin 1": {}}), "runtimeConfig[\"plugin 1\"]: \"plugin 1\" is not allowed"),
        (json!({"": {}}), "runtimeConfig[\"\"]: a plugin without a name"),
        (json!({"aws:x": {"propertys": 1}}), "runtimeConfig.aws:x.propertys: unknown key \"propertys\""),
        (json!({"aws:x": {"description": 1}}), "runtimeConfig.aws:x.description: expected a string"),
    ] {
        let lines = refused(with_plugins(plugins));
        assert!(lines.len() == 1 && lines[0].starts_with(line), "{lines:?}");
    }
    accepted(with_plugins(json!({"aws:noSuchPlugin": {}})));
}

#[test]
fn each_version_has_its_own_section() {
    let steps = refused(json!({"schemaVersion": "1.2", "mainSteps": [step()]}));
    assert_eq!(steps, ["runtimeConfig: is missing: mainSteps belong to the schema versions 2.0 to 2.2"]);
    let mut both = json!({"schemaVersion": "2.2", "mainSteps": [step()], "runtimeConfig": {"aws:x": {}}});
    assert_eq!(accepted(both.clone()).steps[0].name, "a");
    both["runtimeConfig"] = json!([]);
    assert!(refused(both)[0].starts_with("runtimeConfig: expected an object, found a list"));
}

#[test]
fn references_are_found_in_properties_and_settings() {
    let mut document =
        with_plugins(json!({"aws:x": {"properties": ["{{ p }}"], "settings": {"a": "{{ p }}"}}}));
    document["parameters"] = json!({"p": {"type": "String"}});
    assert_eq!(
        accepted(document).references_to("p"),
        ["runtimeConfig.aws:x.properties[0]", "runtimeConfig.aws:x.settings.a"]
    );
}
