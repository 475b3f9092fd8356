//! Behaviour of `allowedPattern`.

use super::*;

fn matches(pattern: &str, text: &str) -> bool {
    Pattern::new(pattern).unwrap_or_else(|reason| panic!("{pattern}: {reason}")).is_match(text)
}

#[test]
fn a_pattern_matches_anywhere_unless_it_is_anchored() {
    assert!(matches("b+", "abbc"));
    assert!(!matches("^[a-z]+$", "abc1"));
    assert!(!matches("^[a-z]+$", "abc\n"), "$ is the very end");
    assert!(!matches("^a.c$", "a\nc"));
}

#[test]
fn letter_classes_are_ascii() {
    assert!(matches(r"^\w\d\s$", "a1 ") && !matches(r"^\w$", "é") && !matches(r"^\d$", "٣"));
    assert!(!matches(r"^\s$", "\u{a0}") && !matches(r"^\s$", "\u{b}"));
    assert!(matches(r"^\W\D\S$", "éé٣") && matches(r"^[^\w]$", "é") && matches(r"^[\W]$", "é"));
    assert!(matches(r"\bword\b", "a word."));
    assert!(matches(r"\bé", "aé"), "no letter beyond ASCII is part of a word");
}

#[test]
fn a_dash_after_a_class_is_itself() {
    for text in ["a", "-", "."] {
        assert!(matches(r"^[\w-.]$", text), "{text}");
    }
    assert!(!matches(r"^[\w-.]$", "/"));
    assert!(matches("^[a-]+$", "a-") && matches("^[-a]+$", "-a") && matches("^[+--]$", ","));
}

#[test]
fn signs_that_rust_reads_differently_stand_for_themselves() {
    assert!(matches("^[[]$", "[") && matches("^[]a]+$", "]a") && matches("^[a&&b]+$", "&ab"));
    assert!(matches("^[a~~b]+$", "~") && matches(r"^\<x\>$", "<x>"));
    assert!(matches("^a{$", "a{") && matches("^{{x}}$", "{{x}}") && matches("^a{,2}$", "a{,2}"));
    assert!(matches(r"^x\b{start}$", "x{start}") && !matches(r"^\b{start}$", ""));
    assert!(matches(r"^\Qa.b\E+$", "a.bbb") && !matches(r"^\Qa.b\E$", "axb"));
}

#[test]
fn usual_patterns_of_documents_work() {
    assert!(matches("^(100|[1-9]?[0-9])$", "100") && !matches("^(100|[1-9]?[0-9])$", "101"));
    assert!(matches(r"^(?i)https?:\/\/[^\s\/$.?#]+$", "HTTPS://example"));
    assert!(matches("^[[:alpha:]]{2,3}$", "abc") && matches(r"^\p{Greek}\x41\x{42}\101$", "αABA"));
    assert!(matches(r"^\w{0,1000}$", &"a".repeat(1000)) && !matches(r"^\w{0,1000}$", &"a".repeat(1001)));
    assert!(matches(r"^[a-zA-Z0-9/_\-.\\]+$", r"a\b-c"));
    assert!(matches(r"(?P<name>x)y", "xy"));
}

#[test]
fn what_the_agent_cannot_use_is_refused_with_a_reason() {
    for (pattern, reason) in [
        ("(?=x)", "look-around"),
        ("(?<!x)y", "look-around"),
        (r"(a)\1", "back-references"),
        ("[a", "closing bracket"),
        (r"a\", "backslash"),
        (r"\q", "unknown escape"),
        ("a{1001}", "1001"),
        ("(a", "unclosed group"),
        ("*a", "repetition"),
    ] {
        let error = Pattern::new(pattern).unwrap_err();
        assert!(error.contains(reason), "{pattern}: {error}");
        assert!(!error.contains('\n'), "{pattern}: {error}");
    }
}

#[test]
fn a_pattern_that_would_take_too_much_memory_is_refused() {
    assert_eq!(Pattern::new(r"((\pL{1000}){1000}){1000}").unwrap_err(), "it is too large");
}

#[test]
fn the_patterns_of_a_document_share_what_they_may_take() {
    let mut left = MOST_STATES;
    let large = r"^.{1,1000}$";
    let compiled =
        std::iter::repeat_with(|| Pattern::within(large, &mut left)).take_while(Result::is_ok).count();
    assert!((5..50).contains(&compiled), "{compiled}");
    assert!(Pattern::within("^[a-z]{1,20}$", &mut left).is_ok(), "a small one still fits");
    assert_eq!(Pattern::within(large, &mut left).unwrap_err(), "it is too large");
}
