//! Behaviour of finding places.

use super::*;

const YAML: &str = "schemaVersion: '2.2'
mainSteps:
- name: a
  inputs:
    runCommand:
    - echo a
    - |
      echo b
- name: b
  \"odd key\": {x: [1, {y: 2}]}
";

fn at(text: &str, path: &str) -> Option<(u32, u32)> {
    Locations::of(text).find(path).map(|position| (position.line, position.column))
}

#[test]
fn keys_and_elements_of_yaml_have_their_line_and_column() {
    assert_eq!(at(YAML, "schemaVersion"), Some((1, 1)));
    assert_eq!(at(YAML, "mainSteps[0].inputs.runCommand[0]"), Some((6, 7)));
    assert_eq!(at(YAML, "mainSteps[0].inputs.runCommand[1]"), Some((8, 7)), "where its text begins");
    assert_eq!(at(YAML, "mainSteps[1]"), Some((9, 3)));
    assert_eq!(at(YAML, "mainSteps[1][\"odd key\"].x[1].y"), Some((10, 23)));
}

#[test]
fn json_with_tabs_and_escapes_has_places_too() {
    let long = "k".repeat(3000);
    let json = format!(
        "{{\n\t\"a\" :\n\t[\n\t\t1,\n\t\t{{\"b\\/c\": \"\\ud83d\\ude00\", \"é\": null}}\n\t],\n\t\"{long}\": 1,\n\t\"d\": 2\n}}"
    );
    assert_eq!(at(&json, "a[0]"), Some((4, 3)));
    assert_eq!(at(&json, "a[1][\"b/c\"]"), Some((5, 4)));
    assert_eq!(at(&json, "d"), Some((8, 2)));
}

#[test]
fn what_is_not_there_has_the_place_of_what_it_would_be_in() {
    assert_eq!(at(YAML, "mainSteps[1].action"), Some((9, 3)));
    assert_eq!(at(YAML, "mainSteps[7].action"), Some((2, 1)));
    assert_eq!(at(YAML, ""), Some((1, 1)));
    assert_eq!(at("a: &x {b: 1}\nc: *x\n", "c.b"), Some((2, 1)));
    assert_eq!(at("", "a"), None);
}

#[test]
fn keys_are_found_without_regard_to_case() {
    assert_eq!(at("MAINSTEPS:\n- NAME: 5\n", "mainSteps[0].name"), Some((2, 3)));
}

#[test]
fn a_text_that_breaks_off_has_the_places_before_that() {
    assert_eq!(at("a: 1\nb: {c: 2, d: [", "b.c"), Some((2, 5)));
    assert_eq!(at("a: 1\n\tb: 2\n", "a"), Some((1, 1)));
}

#[test]
fn nesting_is_followed_as_far_as_it_is_allowed() {
    let nested = format!("{}x{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(at(&nested, &"[0]".repeat(300)), Some((1, 129)));
    for text in ["[".repeat(100_000), "{a: ".repeat(60_000), "- ".repeat(100_000), "a:\n".repeat(80_000)] {
        let _ = at(&text, "[0].a");
    }
}
