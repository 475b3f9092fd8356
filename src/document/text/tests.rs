//! Behaviour of reading text.

use std::fmt::Write as _;

use serde_json::json;

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
fn syntax_errors_have_the_place_where_the_parser_stopped() {
    let at = |text: &str| parse(text).unwrap_err().0[0].position.map(|place| (place.line, place.column));
    assert_eq!(at("{\n  \"a\": 1,\n}"), Some((3, 1)));
    assert_eq!(at("{\n\"é\": \"日本\",}"), Some((2, 11)), "characters, not bytes");
    assert_eq!(at("a: 1\nb: [\nc: }\n"), Some((2, 4)), "what is not closed");
    assert_eq!(at("a: 1\nb: {c: 1, c: 2}\n"), Some((2, 11)));
    let text = refusal("a: 1\nb: {c: 1, c: 2}\n");
    assert!(text.ends_with("key \"c\" is given twice (line 2, column 11)"), "{text}");
}

/// Reads YAML with another reader of the same rules.
fn with_another_reader(text: &str) -> Result<Value, serde_saphyr::Error> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options)
}

#[test]
fn yaml_is_read_as_another_reader_reads_it() {
    for text in [
        "a: |\n  x\n   y\n\nb: >-\n  folded\n  text\nc: \"\\u00e9\\n\"\nd: 'it''s'\ne: plain text # comment\n",
        "a: &a {x: 1, y: [2]}\nb: {<<: *a, x: 5}\nc: {z: 1, <<: [*a, {w: 2}]}\nd: *a\n",
        "- [a, b: c]\n- !!str 5\n- ! 5\n- !!int 7\n- ? k\n  : v\n- -\n",
        "a:\nb: ~\nc: []\nd: {}\ne: ''\n1: one\ntrue: yes\n",
        "a: 1e3\nb: 0x1f\nc: 0o17\nd: .5\ne: +12\nf: 0755\ng: 1_000\nh: 2.2.1\ni: -0.0\nj: 12:30\nk: 2020-01-01\n",
        "%YAML 1.2\n---\na: 1\n...\n",
    ] {
        assert_eq!(
            yaml::read(text, Dialect::Document).map_err(|fault| fault.reason),
            Ok(with_another_reader(text).unwrap()),
            "{text}"
        );
    }
}

#[test]
fn a_block_that_the_text_ends_in_has_the_end_of_a_line_only_where_the_text_has() {
    for (text, value) in [
        ("- |\n  x\n  é", "x\né"),
        ("- >\n  x\n  y", "x y"),
        ("- |+\n  x", "x"),
        ("- |-\n  x", "x"),
        ("- |\n  x\n", "x\n"),
        ("- |\n  x\n  ", "x\n"),
        ("- |\n  x\n# c", "x\n"),
        ("- |\r\n  x\r\n", "x\n"),
        ("- |\n    x\n- y", "x\n"),
    ] {
        assert_eq!(parse_value(text).unwrap()[0], value, "{text:?}");
    }
    assert_eq!(parse_value("a:\n  - b: |\n      x\n    c: 1").unwrap(), json!({"a": [{"b": "x\n", "c": 1}]}));
}

#[test]
fn yaml_that_says_what_json_cannot_is_refused_where_it_does() {
    for (text, reason) in [
        ("a: !Ref b\n", "unsupported tag `!Ref` (line 1, column 9)"),
        ("a: !!binary aGk=\n", "unsupported tag `!!binary`"),
        ("? [a]\n: b\n", "a key has to be a string (line 1, column 3)"),
        (
            "a: {{ b }}\n",
            "a key has to be a string: write a reference in quotes, \"{{ name }}\" (line 1, column 5)",
        ),
        ("a: &a [*a]\n", "an alias stands for what it is in (line 1, column 8)"),
        ("a: *b\n", "unknown anchor"),
        ("<<: 5\n", "what is merged has to be an object or a list of objects (line 1, column 1)"),
        ("a: 1\n---\nb: 2\n", "a second document begins here: keep one (line 2, column 1)"),
        ("a: .inf\n", ".inf is a number that JSON cannot hold (line 1, column 4)"),
        ("a: 1\nA: {b: 1, 'b': 2}\n", "key \"b\" is given twice (line 2, column 11)"),
    ] {
        let refused = refusal(text);
        assert!(refused.starts_with(NEITHER) && refused.contains(reason), "{refused}");
    }
    assert!(check_template("a: !Ref b\nc: !Sub [x, {d: !GetAtt e.f}]\n").is_ok());
}

#[test]
fn a_manifest_is_read_as_kubectl_reads_it() {
    for (word, value) in [
        ("yes", json!(true)),
        ("Off", json!(false)),
        ("n", json!(false)),
        ("true", json!(true)),
        ("0755", json!(493)),
        ("-010", json!(-8)),
        ("0b11", json!(3)),
        ("0x1F", json!(31)),
        ("0899", json!(899.0)),
        ("1_000", json!(1000)),
        ("12", json!(12)),
        ("0", json!(0)),
        ("1_a", json!("1_a")),
        ("2020-01-01", json!("2020-01-01")),
        ("12:30", json!("12:30")),
        ("'yes'", json!("yes")),
        ("yesterday", json!("yesterday")),
    ] {
        assert_eq!(parse_manifest(&format!("a: {word}")).unwrap()["a"], value, "{word}");
    }
}

#[test]
fn manifests_may_be_larger_than_a_document() {
    let list = format!("items: [{}]", "x, ".repeat(LARGEST));
    assert!(parse_manifest(&list).is_ok());
    assert!(parse_value(&list).is_err());
}
