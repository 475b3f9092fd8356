//! Behaviour of documents that name others.

#![allow(clippy::needless_pass_by_value, reason = "literals read better without a reference")]

use serde_json::json;

use super::*;
use crate::from_value;

fn document(parameters: Value, steps: Value) -> Document {
    from_value(json!({"schemaVersion": "2.2", "parameters": parameters, "mainSteps": steps}))
        .unwrap_or_else(|errors| panic!("{errors}"))
}

fn child(parameters: Value) -> Document {
    document(parameters, json!([{"name": "a", "action": "aws:runShellScript"}]))
}

fn refused(definition: Value, value: Value) -> String {
    bind_called(&child(json!({ "p": definition })), &json!({ "p": value })).unwrap_err().to_string()
}

fn names(document: &Document, values: Value) -> Vec<String> {
    let calls = called(document, values.as_object().unwrap());
    calls.into_iter().map(|call| format!("{} {}", call.name, call.version)).collect()
}

#[test]
fn documents_that_steps_run_or_download_are_named_once_parameters_are_put_in() {
    let document = document(
        json!({"name": {"type": "String"}, "p": {"type": "String"}}),
        json!([
            {"name": "a", "action": "aws:runDocument", "inputs": {"documentType": "SSMDocument",
                "documentPath": "{{ name }}", "documentParameters": {"x": "{{ p }}"}}},
            {"name": "b", "action": "aws:runDocument", "inputs": {"DocumentType": "SSMDocument",
                "DocumentPath": "arn:aws:ssm:eu-west-1:123456789012:document/Web-Install:7"}},
            {"name": "c", "action": "aws:runDocument", "inputs": {"documentType": "LocalPath", "documentPath": "x.json"}},
            {"name": "d", "action": "aws:downloadContent", "inputs": {"sourceType": "SSMDocument",
                "sourceInfo": "{\"name\": \"Setup:$LATEST\"}"}},
            {"name": "e", "action": "aws:downloadContent", "inputs": {"sourceType": "SSMDocument",
                "sourceInfo": {"name": "Setup:v-one"}}},
            {"name": "f", "action": "aws:downloadContent", "inputs": {"sourceType": "HTTP",
                "sourceInfo": {"url": "http://example.com"}}},
            {"name": "g", "action": "aws:runShellScript", "inputs": {"runCommand": ["aws:runDocument"]}},
        ]),
    );
    let values = json!({"name": "AWS-RunIt", "p": "v"});
    assert_eq!(
        names(&document, values.clone()),
        ["aws-runit $DEFAULT", "web-install 7", "setup $LATEST", "setup v-one"]
    );
    let calls = called(&document, values.as_object().unwrap());
    assert_eq!(calls[0].parameters, Some(json!({"x": "v"})));
    assert_eq!((&calls[1].parameters, &calls[2].parameters), (&Some(Value::Null), &None));
}

#[test]
fn what_cannot_be_a_documents_name_names_nothing() {
    for path in ["", "a b", "{{ name }}", "{{ssm:name}}", "../x:", "ä"] {
        let step = json!([{"name": "a", "action": "aws:runDocument",
            "inputs": {"documentType": "SSMDocument", "documentPath": path}}]);
        let expected: &[&str] = if path == "../x:" { &["x $DEFAULT"] } else { &[] };
        assert_eq!(names(&document(json!({}), step), json!({})), expected, "{path:?}");
    }
    for inputs in [json!({"documentType": "SSMDocument"}), json!({"documentType": 5, "documentPath": "a"})] {
        let step = json!([{"name": "a", "action": "aws:runDocument", "inputs": inputs}]);
        assert!(names(&document(json!({}), step), json!({})).is_empty());
    }
}

#[test]
fn inputs_that_cannot_be_used_are_told_in_the_agents_words() {
    let error = |inputs: Value| RunDocumentInputs::parse(&inputs).unwrap_err().to_string();
    assert_eq!(
        error(json!({})),
        "invalid input: Document Type must be specified to either by SSMDocument or LocalPath."
    );
    assert_eq!(error(json!({"documentType": "Local"})), "invalid input: Document type specified in invalid");
    assert_eq!(
        error(json!({"documentType": "LocalPath", "documentPath": null})),
        "invalid input: Document Path must be provided"
    );
    assert_eq!(
        error(json!({"documentType": ["LocalPath"]})),
        "invalid format in plugin properties map[documentType:[LocalPath]]; \nerror json: cannot unmarshal array \
         into Go struct field RunDocumentPluginInput.documentType of type string"
    );
}

#[test]
fn a_called_document_gets_what_is_given_else_its_defaults_else_null() {
    let child = child(json!({"p": {"type": "String"}, "q": {"type": "String", "default": "dq"}}));
    let bound = |parameters: Value| Value::Object(bind_called(&child, &parameters).unwrap());
    let expected = json!({"p": "v", "q": "dq"});
    assert_eq!(bound(json!({"p": "v", "q": null})), expected);
    assert_eq!(bound(json!(r#"{"p":"v","q":null}"#)), expected);
    assert_eq!(bound(json!("p: v\nq:\n")), expected);
    assert_eq!(bound(json!("{p: v}")), expected);
    assert_eq!(bound(json!({"p": ["a"], "q": 5})), json!({"p": ["a"], "q": 5}));
    for nothing in [json!(null), json!({}), json!(""), json!("null")] {
        assert_eq!(bound(nothing), json!({"p": null, "q": "dq"}));
    }
}

#[test]
fn parameters_that_are_no_object_are_refused() {
    let child = child(json!({"p": {"type": "String"}}));
    let error = |parameters: Value| bind_called(&child, &parameters).unwrap_err().to_string();
    assert_eq!(error(json!(["p"])), "parameter type specified to run document is unknown");
    let unreadable = "Unmarshalling document parameters failed. Please make sure the parameters are specified in the right format";
    for text in ["{{{", "- p", "p", "[1"] {
        assert!(error(json!(text)).starts_with(unreadable), "{}", error(json!(text)));
    }
}

#[test]
fn values_that_the_called_document_does_not_allow_are_told_in_the_agents_words() {
    let begin = "all errors during param validation errors: error thrown in ";
    assert_eq!(
        refused(json!({"type": "String", "allowedValues": ["a", "b"]}), json!("c")),
        format!(
            "{begin}'AllowedValueParamValidator' while validating parameter /p/: parameter value /c/ is not in the \
             allowed list [a b]"
        )
    );
    assert_eq!(
        refused(json!({"type": "StringList", "allowedPattern": "^[a-z]+$"}), json!(["ok", "BAD", "no1"])),
        format!(
            "{begin}'AllowedRegexParamValidator' while validating parameter /p/: parameter value /BAD/ does not match \
             the allowed pattern /^[a-z]+$/"
        )
    );
    assert_eq!(
        refused(json!({"type": "String", "allowedPattern": "a"}), json!(null)),
        format!(
            "{begin}'AllowedRegexParamValidator' while validating parameter /p/: invalid parameter type String with \
             parameter value <nil>"
        )
    );
    let lengths = refused(json!({"type": "String", "minChars": 3, "allowedValues": ["abc"]}), json!("x"));
    assert_eq!(
        lengths,
        format!(
            "{begin}'MinMaxCharParamValidator' while validating parameter /p/: parameter value /x/ is less than the \
             min char limit /3/\nerror thrown in 'AllowedValueParamValidator' while validating parameter /p/: parameter \
             value /x/ is not in the allowed list [abc]"
        )
    );
    let items = refused(json!({"type": "StringList", "maxItems": 1}), json!(["a", "b"]));
    assert!(items.ends_with("parameter value list length /1/ has exceeded the max item count"), "{items}");
}

#[test]
fn what_a_parameter_store_will_fill_in_is_not_checked() {
    let child = child(json!({"p": {"type": "String", "allowedPattern": "^x$", "maxChars": 1}}));
    bind_called(&child, &json!({"p": "{{ssm:name}}"})).unwrap();
}

#[test]
fn a_value_that_may_be_a_secret_is_not_shown() {
    let definition = json!({"type": "String", "interpolationType": "ENV_VAR", "allowedPattern": "^x$"});
    let text = refused(definition, json!("hunter2"));
    assert!(text.contains("/not shown/") && !text.contains("hunter2"), "{text}");
}
