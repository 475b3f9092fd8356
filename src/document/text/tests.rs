//! Behaviour of reading text.

use std::fmt::Write as _;

use super::*;

const STEPS: &str =
    "mainSteps:\n- name: a\n  action: aws:runShellScript\n  inputs: {runCommand: [echo hi]}\n";

fn yaml(rest: &str) -> Result<Document, Errors> {
    parse(&format!("schemaVersion: '2.2'\n{STEPS}{rest}"))
}

fn refusal(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn json_and_yaml_renderings_are_the_same_document() {
    let json = r#"  {"mainSteps": [{"action": "aws:runShellScript", "inputs": {"runCommand": ["echo hi"]}, "name": "a"}],
        "schemaVersion": "2.2"}"#;
    let (json, yaml) = (parse(json).unwrap(), yaml("").unwrap());
    assert_eq!(json.steps, yaml.steps);
    assert_eq!(json.hash(), yaml.hash());
    assert_eq!(parse(&format!("\u{feff}---\nschemaVersion: '2.2'\n{STEPS}")).unwrap().hash(), yaml.hash());
}

#[test]
fn a_key_that_is_given_twice_is_refused() {
    assert!(refusal(r#"{"schemaVersion": "2.2", "a": {"b": 1, "b": 2}}"#).contains("\"b\" is given twice"));
    assert!(yaml("description: x\ndescription: y\n").is_err());
    let both = yaml("Description: x\ndescription: y\n").unwrap_err().to_string();
    assert!(both.contains("in two spellings of \"description\""), "{both}");
}

#[test]
fn words_and_numbers_that_only_look_typed_are_text_in_yaml() {
    let document =
        yaml("parameters:\n  p: {type: String, allowedValues: [yes, no, on, 0755, 1_000], default: yes}\n")
            .unwrap();
    let allowed = document.parameters["p"].allowed_values.clone().unwrap();
    assert_eq!(allowed, ["yes", "no", "on", "0755", "1_000"]);
}

#[test]
fn text_that_is_no_document_is_refused_with_what_it_is() {
    assert!(refusal("").contains("found null"), "{}", refusal(""));
    assert!(refusal("hello").contains("a document is an object, found the string \"hello\""));
    assert!(refusal("- a").contains("found a list"));
    assert!(refusal("{\"schemaVersion\": \"2.2\",}").contains("not valid JSON"));
    assert!(refusal("a: [1\nb: 2").contains("nor valid YAML"));
    assert!(refusal("a: 1\n---\nb: 2\n").contains("nor valid YAML"));
    assert!(refusal("schemaVersion: !Ref x\n").contains("nor valid YAML"));
    assert!(refusal("schemaVersion: .nan\n").contains("nor valid YAML"));
}

#[test]
fn a_huge_document_is_refused_unread() {
    let text = format!("schemaVersion: '2.2'\n{STEPS}description: {}\n", "x".repeat(LARGEST));
    assert!(refusal(&text).contains("at most 262144 are allowed"));
    let value = serde_json::json!({"schemaVersion": "2.2", "description": "x".repeat(LARGEST)});
    assert!(from_value(value).unwrap_err().to_string().contains("at most 262144"));
}

#[test]
fn aliases_and_depth_are_bounded() {
    let anchors = "a: &a {schemaVersion: '2.2'}\nb: *a\n";
    assert!(refusal(anchors).contains("schemaVersion: is missing"), "an alias itself is fine");
    let mut bomb = String::from("l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let items = vec![format!("*l{}", level - 1); 10].join(", ");
        writeln!(bomb, "l{level}: &l{level} [{items}]").unwrap();
    }
    assert!(refusal(&bomb).contains("nor valid YAML"));
    assert!(refusal(&"[".repeat(100_000)).contains("nor valid YAML"));
    assert!(refusal(&format!("{{\"a\": {}", "[".repeat(100_000))).contains("not valid JSON"));
    let nested: String = (0..10_000).map(|depth| " ".repeat(depth % 400) + "a:\n").collect();
    assert!(parse(&nested).is_err());
}

#[test]
fn numbers_of_any_length_are_read() {
    let document = yaml("x: 12345678901234567890123\ny: 123456789012345678901234567890123456789012345\n");
    assert!(document.is_ok(), "{document:?}");
}

#[test]
fn what_is_read_from_text_fits_when_it_is_kept() {
    let controls = format!("{{\"schemaVersion\": \"x\", \"a\": \"{}\"}}", "\\u0001".repeat(30_000));
    assert!(refusal(&controls).contains("version \"x\""), "as long in canonical JSON");
    let quoted = format!("a: '{}'\n", "\"\\".repeat(70_000));
    assert!(
        refusal(&quoted)
            .contains("as JSON, with its aliases replaced, the document has more than 262144 bytes")
    );
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a, ".repeat(900));
    assert!(refusal(&long).contains("with its aliases replaced"));
    for number in
        ["1e300", "12345678901234567890123", "0.1234567890123456789", "8.988465674311579e307", "5e-324"]
    {
        let text = format!(
            "{{\"schemaVersion\": \"2.2\", \"x\": {number}, \"mainSteps\": [{{\"name\": \"a\", \"action\": \"aws:x\"}}]}}"
        );
        let document = parse(&text).unwrap();
        assert_eq!(parse(&document.canonical_json()).unwrap().hash(), document.hash());
    }
}

#[test]
fn a_value_is_measured_as_its_json_is() {
    let value = serde_json::json!({"a\"\u{1}": [null, true, false, -1, 2.5, "é\n\t\u{8}\u{c}\u{7f}/\\"], "b": {}, "c": []});
    let length = value.to_string().len();
    // A comma more for each list and object that is not empty, and a letter for `true`.
    assert_eq!(json_length(&value), length + 2 + 1);
}

#[test]
fn syntax_errors_have_the_place_where_the_parser_stopped() {
    let at = |text: &str| parse(text).unwrap_err().0[0].position.map(|place| (place.line, place.column));
    assert_eq!(at("{\n  \"a\": 1,\n}"), Some((3, 1)));
    assert_eq!(at("a: 1\nb: [\nc: }\n"), Some((2, 4)), "what is not closed");
    assert_eq!(at("a: 1\nb: {c: 1, c: 2}\n"), Some((2, 11)));
    let text = refusal("a: 1\nb: {c: 1, c: 2}\n");
    assert!(text.ends_with("duplicate mapping key `c` is not allowed here (line 2, column 11)"), "{text}");
}
