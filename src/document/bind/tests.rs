//! Behaviour of a Command's parameters at admission.

#![allow(clippy::needless_pass_by_value, reason = "literals read better without a reference")]

use serde_json::json;

use super::*;
use crate::from_value;

fn document(parameters: Value) -> Document {
    let steps = json!([{"name": "a", "action": "aws:runShellScript"}]);
    from_value(json!({"schemaVersion": "2.2", "parameters": parameters, "mainSteps": steps}))
        .unwrap_or_else(|errors| panic!("{errors}"))
}

fn given(parameters: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
    let texts = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    parameters.iter().map(|(name, values)| ((*name).to_owned(), texts(values))).collect()
}

fn bind(definition: Value, values: &[&str]) -> Result<Value, String> {
    let bound = document(json!({ "p": definition })).bind(&given(&[("p", values)]));
    bound.map(|bound| bound.values()["p"].clone()).map_err(|errors| errors.to_string())
}

#[test]
fn values_get_the_type_of_their_parameter() {
    let typed = |kind: &str, values: &[&str]| bind(json!({ "type": kind }), values).unwrap();
    assert_eq!(typed("String", &["5"]), json!("5"));
    assert_eq!(typed("StringList", &["a", ""]), json!(["a", ""]));
    assert_eq!(typed("StringList", &[]), json!([]));
    assert_eq!(typed("StringMap", &[r#"{"k": ["v"]}"#]), json!({"k": ["v"]}));
    assert_eq!(typed("Integer", &["-5"]), json!(-5));
    assert_eq!(typed("Boolean", &["True"]), json!(true));
    assert_eq!(typed("MapList", &[r#"{"a": 1}"#, "{}"]), json!([{"a": 1}, {}]));
}

#[test]
fn a_value_of_another_type_is_refused() {
    for (kind, values, problem) in [
        ("Integer", vec!["5.5"], "parameters.p[0]: expected a whole number"),
        ("Boolean", vec!["yes"], "parameters.p[0]: expected true or false"),
        ("StringMap", vec!["[]"], "parameters.p[0]: expected a JSON object, found a list"),
        (
            "MapList",
            vec!["{}", "x"],
            "parameters.p[1]: expected a JSON object: expected value at line 1 column 1",
        ),
        ("String", vec!["a", "b"], "parameters.p: a String takes exactly one value, found 2"),
        ("String", vec![], "parameters.p: a String takes exactly one value, found 0"),
    ] {
        assert_eq!(bind(json!({ "type": kind }), &values).unwrap_err(), problem);
    }
}

#[test]
fn defaults_fill_what_is_not_given() {
    let document = document(json!({
        "a": {"type": "String", "default": "d"}, "b": {"type": "StringList", "default": ["x"]},
        "c": {"type": "Boolean", "default": "True"}, "e": {"type": "StringMap", "default": "{}"},
    }));
    let bound = document.bind(&given(&[("a", &[""])])).unwrap();
    assert_eq!(Value::Object(bound.values().clone()), json!({"a": "", "b": ["x"], "c": true, "e": {}}));
}

#[test]
fn unknown_and_missing_names_are_all_told_at_once() {
    let document =
        document(json!({"port": {"type": "String"}, "hosts": {"type": "StringList", "default": null}}));
    let errors = document.bind(&given(&[("prot", &["1"])])).unwrap_err().to_string();
    assert_eq!(
        errors,
        "parameters.prot: is not a parameter of the document (did you mean \"port\"?): it has hosts, port\n\
         parameters.hosts: is missing: the document gives it no default, so the Command has to set it\n\
         parameters.port: is missing: the document gives it no default, so the Command has to set it"
    );
}

#[test]
fn limits_are_checked_for_each_value() {
    let refused = |definition: Value, values: &[&str]| bind(definition, values).unwrap_err();
    assert_eq!(
        refused(json!({"type": "String", "allowedValues": ["Install", "Uninstall"]}), &["install"]),
        "parameters.p[0]: \"install\" is not one of \"Install\", \"Uninstall\" (did you mean \"Install\"?)"
    );
    assert_eq!(
        refused(json!({"type": "StringList", "allowedPattern": "^[a-z]+$"}), &["ok", "BAD", "no1"]),
        "parameters.p[1]: \"BAD\" does not match the allowedPattern \"^[a-z]+$\"\n\
         parameters.p[2]: \"no1\" does not match the allowedPattern \"^[a-z]+$\""
    );
    assert_eq!(
        refused(json!({"type": "String", "minChars": 3, "maxChars": "5"}), &["é"]),
        "parameters.p[0]: \"é\" has 1 characters, at least 3 are needed (minChars)"
    );
    assert_eq!(
        refused(json!({"type": "StringList", "minItems": 2, "maxItems": 3}), &["a"]),
        "parameters.p: has 1 items, at least 2 are needed (minItems)"
    );
    assert!(
        refused(json!({"type": "StringMap", "maxItems": 1}), &[r#"{"a": 1, "b": 2}"#]).contains("maxItems")
    );
    assert!(bind(json!({"type": "Integer", "allowedPattern": "^[0-9]+$", "maxChars": 1}), &["55"]).is_ok());
}

#[test]
fn references_to_a_parameter_store_are_checked_on_the_node() {
    let definition = json!({"type": "String", "allowedPattern": "^[0-9]+$", "maxChars": 2});
    assert!(bind(definition.clone(), &["{{ssm:/web/port:3}}"]).is_ok());
    assert!(bind(definition, &["{{ssm: x}}"]).is_err());
    assert!(bind(json!({"type": "StringMap"}), &["{{ ssm:map }}"]).is_ok());
}

#[test]
fn the_value_of_an_environment_parameter_is_in_no_message() {
    let definition = json!({"type": "String", "interpolationType": "ENV_VAR", "allowedPattern": "^[0-9]+$",
        "allowedValues": ["1", "2"], "maxChars": 3});
    let message = bind(definition, &["hunter2"]).unwrap_err();
    assert_eq!(message.lines().count(), 3);
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn bound_values_survive_json() {
    let bound = document(json!({"m": {"type": "MapList"}}))
        .bind(&given(&[("m", &[r#"{"a": [1.5, null, "é"]}"#])]))
        .unwrap();
    assert_eq!(Bound::from_json(&bound.to_json()).unwrap(), bound);
    assert!(Bound::from_json("[]").unwrap_err().to_string().contains("found a list"));
    assert!(Bound::from_json("{").is_err());
}
