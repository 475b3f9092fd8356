//! Behaviour of `{{ name }}`, held against recorded answers of the agent.

#![allow(clippy::needless_pass_by_value, reason = "literals read better without a reference")]

use serde_json::json;

use super::*;

fn values(json: Value) -> Map<String, Value> {
    match json {
        Value::Object(object) => object,
        other => panic!("{other}"),
    }
}

fn text(input: &str, value: Value) -> Value {
    interpolate(&Value::from(input), &values(json!({ "p": value })))
}

#[test]
fn a_reference_may_be_spaced_in_any_way() {
    for reference in ["{{p}}", "{{ p }}", "{{   p}}", "{{\tp\t}}", "{{\np\n}}"] {
        assert_eq!(text(&format!("<{reference}>"), json!("v")), "<v>", "{reference:?}");
    }
    assert_eq!(text("{{{p}}}", json!("v")), "{v}");
    assert_eq!(text("{{p}}{{p}}", json!("v")), "vv");
    assert_eq!(text("{{ {{ p }} }}", json!("v")), "{{ v }}");
    assert_eq!(text("{{ é {{p}}", json!("v")), "{{ é v");
}

#[test]
fn what_is_no_reference_stays() {
    for input in
        ["{ { p } }", "{{ P }}", "{{p.x}}", "{{ p q }}", "{{", "{{ p", "{{ p }", "{{}}", "}}{{", "{{.Names}}"]
    {
        assert_eq!(text(input, json!("v")), input);
    }
}

#[test]
fn a_whole_text_becomes_the_value_with_its_type() {
    assert_eq!(text("{{ p }}", json!(["a", "b"])), json!(["a", "b"]));
    assert_eq!(text("{{p}}", json!({"k": 1})), json!({"k": 1}));
    assert_eq!(text("{{ p }}", json!(null)), json!(null));
    assert_eq!(text("{{ p }}", json!("$$ $1")), "$$ $1");
    assert_eq!(interpolate(&json!(["{{ p }}"]), &values(json!({"p": ["x"]}))), json!([["x"]]));
}

#[test]
fn an_embedded_value_is_text_or_json() {
    assert_eq!(text(" {{ p }}", json!(["<a>"])), " [\"\\u003ca\\u003e\"]");
    assert_eq!(text("x{{ p }}", json!(null)), "xnull");
    assert_eq!(text("x{{ p }}", json!(7)), "x7");
    assert_eq!(text("x{{ p }}", json!("")), "x");
}

#[test]
fn embedded_double_dollars_become_single_ones() {
    assert_eq!(text("[{{ p }}] $$", json!("$$ $$$$ $$$ $1 ${1} $0")), "[$ $$ $$ $1 ${1} $0] $$");
}

#[test]
fn values_are_not_searched_again() {
    let values = values(json!({"p": "{{ q }}", "q": "v"}));
    assert_eq!(interpolate(&json!("{{ p }} {{ q }}"), &values), "{{ q }} v");
}

#[test]
fn values_of_maps_are_replaced_and_keys_are_not() {
    let inputs = json!({"environment": {"K1": "{{ p }}", "{{ p }}": "key"}, "list": ["{{ p }}-", 5, true]});
    assert_eq!(
        interpolate(&inputs, &values(json!({"p": "v"}))),
        json!({"environment": {"K1": "v", "{{ p }}": "key"}, "list": ["v-", 5, true]})
    );
}

#[test]
fn long_texts_of_braces_take_linear_time() {
    let text = "{".repeat(300_000) + &"{{ ".repeat(100_000) + &" ".repeat(300_000);
    assert_eq!(interpolate(&Value::from(text.as_str()), &values(json!({"p": "v"}))), text.as_str());
}
