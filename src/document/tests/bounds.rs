//! Documents that were written to do harm: each is refused for its reason, or read, and none takes long.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use keelson_document::{DocumentType, parse_as};

/// What no document may take. Optimised code needs a tenth of a second; this is for a busy machine and code that is not.
const LONGEST: Duration = Duration::from_secs(20);
/// Just under the largest text.
const SIZE: usize = 255 * 1024;

/// `unit` repeated up to the largest size, between `head` and `tail`.
fn filled(head: &str, unit: impl Fn(usize) -> String, tail: &str) -> String {
    let mut text = head.to_owned();
    for number in 0.. {
        if text.len() + tail.len() > SIZE {
            break;
        }
        text.push_str(&unit(number));
    }
    text + tail
}

/// What is told of a document, in the time that is allowed.
fn told(document_type: DocumentType, text: &str) -> String {
    let start = Instant::now();
    let told =
        parse_as(document_type, text).map_or_else(|errors| errors.to_string(), |_| "is fine".to_owned());
    let taken = start.elapsed();
    assert!(taken < LONGEST, "{taken:?} for {}...", &text[..60.min(text.len())]);
    told
}

fn command(text: &str) -> String {
    told(DocumentType::Command, text)
}

fn with_parameters(parameters: &str) -> String {
    format!(
        r#"{{"schemaVersion": "2.2", "parameters": {{{parameters}}}, "mainSteps": [{{"name": "a", "action": "aws:x"}}]}}"#
    )
}

#[test]
fn text_of_a_megabyte_is_refused_unread() {
    let text = format!("schemaVersion: '2.2'\ndescription: {}\n", "x".repeat(1_000_000));
    assert!(command(&text).starts_with("the document has 1000035 bytes: at most 262144 are allowed"));
}

#[test]
fn aliases_multiply_nothing() {
    let mut bomb = String::from("l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let items = vec![format!("*l{}", level - 1); 10].join(", ");
        writeln!(bomb, "l{level}: &l{level} [{items}]").unwrap();
    }
    assert!(command(&bomb).contains("the document has more than 262144 bytes"));
    assert!(command(&filled("a: &a x\n", |n| format!("k{n}: *a\n"), "")).contains("more than 1000 aliases"));
    let nested = filled("a: ", |n| if n < 60 { format!("&a{n} [") } else { "1,".into() }, &"]".repeat(60));
    assert!(command(&nested).contains("the document has more than 262144 bytes"));
    let own = "a: &a {b: *a}\n";
    assert!(command(own).contains("an alias stands for what it is in"));
}

#[test]
fn nesting_is_bounded_in_every_form() {
    for unit in ["[", "{\"a\":", "{a: ", "- ", "? "] {
        let text = filled(if unit.starts_with('{') { "" } else { "a: " }, |_| unit.to_owned(), "");
        assert_ne!(command(&text), "is fine");
    }
    let deep = |depth: usize| format!("{{\"a\": {}1{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(command(&deep(64)).contains("schemaVersion: is missing"));
    assert!(command(&deep(65)).contains("lists and objects are nested more than 64 deep"));
}

#[test]
fn a_great_many_problems_are_counted_and_not_told() {
    for (text, last) in [
        (filled(r#"{"schemaVersion":"2.2","mainSteps":["#, |_| "5,".into(), "5]}"), "more problems"),
        (filled(r#"{"schemaVersion":"2.2","mainSteps":["#, |_| "{},".into(), "{}]}"), "more problems"),
        (
            filled(
                r#"{"schemaVersion":"1.2","runtimeConfig":{"aws:runShellScript":{"properties":["#,
                |_| "1,".into(),
                "1]}}}",
            ),
            "more problems",
        ),
    ] {
        let told = command(&text);
        assert_eq!(told.lines().count(), 101);
        assert!(told.ends_with(last), "{}", told.lines().last().unwrap_or_default());
    }
    let runbook = filled(
        r#"{"schemaVersion":"0.3","mainSteps":["#,
        |n| format!(r#"{{"name":"step{n:05}","nextStep":"stpe{n:05}"}},"#),
        r#"{"name":"x"}]}"#,
    );
    assert_eq!(told(DocumentType::Automation, &runbook).lines().count(), 101);
}

#[test]
fn values_are_not_compared_each_with_each() {
    let list =
        |letter: char| (0..9000).map(|n| format!("\"abcde{letter}{n:04}\"")).collect::<Vec<_>>().join(",");
    let parameter = |default: &str, allowed: &str| {
        with_parameters(&format!(
            r#""p": {{"type": "StringList", "default": [{default}], "allowedValues": [{allowed}]}}"#
        ))
    };
    assert_eq!(command(&parameter(&list('x'), &list('x'))), "is fine");
    assert!(command(&parameter(&list('x'), &list('y'))).ends_with("and 8900 more problems"));
}

#[test]
fn patterns_take_neither_time_nor_memory() {
    for pattern in [
        r"((a{0,1000}){0,1000}){0,1000}",
        r"^(\\w{1,1000}){1,20}$",
        r"^\\p{L}{1,900}$",
        "^.{1,1000}$",
        "(x+x+)+y",
    ] {
        let parameters: Vec<String> = (0..199)
            .map(|n| {
                format!(
                    r#""p{n}": {{"type": "String", "default": "{}", "allowedPattern": "{pattern}"}}"#,
                    "x".repeat(900)
                )
            })
            .collect();
        let told = command(&with_parameters(&parameters.join(",")));
        assert!(
            told == "is fine"
                || told.contains("it is too large")
                || told.contains("too long for patterns")
                || told.contains("does not match"),
            "{pattern}: {told}"
        );
    }
    for pattern in ["(a|".repeat(60_000), "[[:".repeat(60_000), "{1,".repeat(60_000), "a|".repeat(90_000)] {
        command(&with_parameters(&format!(r#""p": {{"type": "String", "allowedPattern": "{pattern}"}}"#)));
    }
}

#[test]
fn other_forms_are_bounded_too() {
    told(DocumentType::ChangeCalendar, &filled("", |_| "BEGIN:VCALENDAR\n".into(), ""));
    told(DocumentType::CloudFormation, &filled("a: ", |_| "!x [".into(), ""));
    told(DocumentType::CloudFormation, &filled("", |n| format!("k{n}: !Ref x\n"), ""));
    command(&filled("", |_| "---\n".into(), ""));
    command(&filled("", |_| "%Y x\n".into(), "---\na: 1\n"));
    command(&filled("", |_| "k".into(), ": 1\n"));
    command(&filled("a: \"", |_| "\\x01".into(), "\"\n"));
}
