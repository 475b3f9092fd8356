//! What holds for `{{ name }}` and for the flow of a document whatever is in it, tried on documents made at random.

use keelson_core::status::{StepStatus, document_status};
use keelson_document::{Ended, Flow, Platform, Support, from_value, interpolate, plan};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Text in which no reference begins.
fn literal() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[ $}p\n'\"`\\\\é-]{0,12}"].prop_map(|text| text.replace('{', "("))
}

/// The text of a parameter's value: often one that would matter if it were looked at a second time.
fn value_text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[{} $pq]{0,16}", Just("{{ p }}".to_owned()), Just("$$".to_owned())]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => value_text().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => (-1000..1000).prop_map(Value::from),
        1 => Just(Value::Null),
        1 => vec("[a-z]{0,3}", 0..3).prop_map(Value::from),
    ]
}

/// The parameters `p` and `q`.
fn values() -> impl Strategy<Value = Map<String, Value>> {
    (value(), value()).prop_map(|(p, q)| Map::from_iter([("p".to_owned(), p), ("q".to_owned(), q)]))
}

/// A part of a text: as it is written, and the name if it is a reference.
fn part() -> impl Strategy<Value = (String, Option<String>)> {
    let reference = ("[ \t\n]{0,2}", "[pqr]", "[ \t\n]{0,2}")
        .prop_map(|(before, name, after)| (format!("{{{{{before}{name}{after}}}}}"), Some(name)));
    prop_oneof![literal().prop_map(|text| (text, None)), reference]
}

/// How a value stands inside a longer text. `$$` of a text becomes `$`; what is no text is JSON, in which there is none.
fn embedded(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| text.replace("$$", "$"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn each_reference_is_replaced_once_and_all_else_stays(parts in vec(part(), 0..6), values in values()) {
        let text: String = parts.iter().map(|(written, _)| written.as_str()).collect();
        let expected = match parts.iter().filter(|(written, _)| !written.is_empty()).collect::<Vec<_>>().as_slice() {
            [(_, Some(name))] if values.contains_key(name) => values[name].clone(),
            _ => parts
                .iter()
                .map(|(written, name)| {
                    name.as_ref().and_then(|name| values.get(name)).map_or_else(|| written.clone(), embedded)
                })
                .collect::<String>()
                .into(),
        };
        prop_assert_eq!(interpolate(&Value::from(text), &values), expected);
    }

    #[test]
    fn any_text_stays_as_it_is_without_values(text in prop_oneof![any::<String>(), "[{}p \t\n$é]{0,40}"]) {
        prop_assert_eq!(interpolate(&Value::from(text.as_str()), &Map::new()), text);
    }

    #[test]
    fn lists_and_objects_keep_their_shape(
        texts in vec("[{}pq $]{0,20}", 0..5), values in values(),
    ) {
        let object: Map<String, Value> =
            texts.iter().enumerate().map(|(index, text)| (format!("{{{{ p }}}}{index}"), text.as_str().into())).collect();
        let inputs = json!({"list": texts, "object": object, "number": 5});
        let result = interpolate(&inputs, &values);
        prop_assert_eq!(result["list"].as_array().map(Vec::len), Some(texts.len()));
        prop_assert!(result["object"].as_object().is_some_and(|found| found.keys().eq(object.keys())));
        prop_assert_eq!(&result["number"], 5);
    }
}

/// How a step is written, and how its script would end if it ran.
#[derive(Debug, Clone)]
struct Script {
    inputs: Value,
    platform: &'static str,
    ended: Ended,
}

fn script() -> impl Strategy<Value = Script> {
    let on_failure = prop_oneof![3 => Just("none"), 1 => Just("exit"), 1 => Just("successAndExit")];
    let on_success = prop_oneof![4 => Just("none"), 1 => Just("exit")];
    let platform = prop_oneof![4 => Just("Linux"), 1 => Just("Windows")];
    let status = prop_oneof![
        4 => Just((StepStatus::Success, 0)),
        2 => Just((StepStatus::Failed, 1)),
        1 => Just((StepStatus::Failed, 168)),
        1 => Just((StepStatus::Failed, 169)),
        1 => Just((StepStatus::TimedOut, 137)),
        1 => Just((StepStatus::Cancelled, 137)),
    ];
    (on_failure, on_success, any::<bool>(), platform, status).prop_map(
        |(on_failure, on_success, finally_step, platform, (status, code))| Script {
            inputs: json!({"onFailure": on_failure, "onSuccess": on_success, "finallyStep": finally_step}),
            platform,
            ended: Ended { status, code },
        },
    )
}

fn flow(scripts: &[Script]) -> Flow {
    let steps: Vec<Value> = scripts
        .iter()
        .enumerate()
        .map(|(index, script)| {
            json!({"name": format!("s{index}"), "action": "aws:runShellScript", "inputs": script.inputs,
                "precondition": {"StringEquals": ["platformType", script.platform]}})
        })
        .collect();
    let document = from_value(json!({"schemaVersion": "2.2", "mainSteps": steps})).expect("it is valid");
    let steps = plan(&document, &Map::new(), Platform::Linux, &|_| Support::Handled);
    Flow::new(steps.expect("it can be planned"))
}

/// Whether nothing runs after this step but a last one that asks for it.
fn exits(script: &Script, ran: bool) -> bool {
    let Ended { status, code } = script.ended;
    ran && (matches!(code, 168 | 169)
        || (status == StepStatus::Failed && script.inputs["onFailure"] != "none")
        || (status == StepStatus::Success && script.inputs["onSuccess"] == "exit"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn each_step_gets_one_record_in_the_order_of_the_document(
        scripts in vec(script(), 1..8), fails_fast in any::<bool>(),
    ) {
        let flow = flow(&scripts).failing_fast(fails_fast);
        let mut ended = Vec::new();
        let mut has_exited = false;
        for (index, script) in scripts.iter().enumerate() {
            prop_assert_eq!(flow.status(&ended), document_status(ended.iter().map(|step: &Ended| step.status)
                .chain(scripts[index..].iter().map(|_| StepStatus::NotStarted))));
            let turn = flow.next(&ended).expect("the document has not ended");
            prop_assert_eq!(turn.step.index, index);
            let record = turn.decision.ended().unwrap_or_else(|| flow.conclude(turn.step, script.ended).ended);
            let is_kept = index + 1 == scripts.len() && script.inputs["finallyStep"] == true;
            let runs = script.platform == "Linux" && (!has_exited || is_kept);
            prop_assert_eq!(turn.decision.ended().is_none(), runs);
            let has_failed = matches!(record.status, StepStatus::Failed | StepStatus::TimedOut);
            has_exited |= exits(script, runs) || (fails_fast && has_failed);
            ended.push(record);
        }
        prop_assert!(flow.next(&ended).is_none());
        prop_assert!(flow.status(&ended).is_terminal());
    }

    #[test]
    fn a_step_that_asks_for_a_reboot_is_the_last_until_it_runs_again(scripts in vec(script(), 1..8), at in any::<prop::sample::Index>()) {
        let flow = flow(&scripts);
        let skipped = Ended { status: StepStatus::Skipped, code: 0 };
        let before = vec![skipped; at.index(scripts.len())];
        let reboot = Ended { status: StepStatus::SuccessAndReboot, code: 194 };
        let waiting: Vec<Ended> = before.iter().copied().chain([reboot]).collect();
        prop_assert!(flow.next(&waiting).is_none());
        prop_assert_eq!(flow.status(&waiting), StepStatus::SuccessAndReboot);
        prop_assert_eq!(flow.next(&before).map(|turn| turn.step.index), Some(before.len()));
    }
}
