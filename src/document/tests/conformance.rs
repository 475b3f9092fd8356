//! The real agent's recorded answers: whatever is decided without running anything has to agree with them.
//!
//! `KEELSON_CONFORMANCE_DIR` names a folder with `cases/*.yaml` and `golden.json`, or it lies beside the project. A step that the recorded agent ran is
//! taken to have ended as recorded; that leaves decisions, texts, shapes of inputs and the flow to compare.

use std::fs;
use std::path::{Path, PathBuf};

use keelson_core::status::StepStatus;
use keelson_document::{
    Decision, Document, Ended, Flow, Platform, ScriptInputs, Support, from_value, plan, plugins,
};
use serde_json::{Map, Value};

/// The agent has handlers for these on Linux; what they did is part of the record.
const HANDLED: [&str; 11] = [
    "aws:cloudWatch",
    "aws:configureDocker",
    "aws:configurePackage",
    "aws:domainJoin",
    "aws:downloadContent",
    "aws:refreshAssociation",
    "aws:runDockerAction",
    "aws:runDocument",
    "aws:runPowerShellScript",
    "aws:runShellScript",
    "aws:softwareInventory",
];
const ON_FAILURE: &str = "onFailure property. Further document steps will be skipped.";

#[test]
fn decisions_and_texts_are_those_of_the_real_agent() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let folder = std::env::var_os("KEELSON_CONFORMANCE_DIR").map_or(beside, PathBuf::from);
    if !folder.join("golden.json").is_file() {
        println!(
            "skipped: {} has no golden.json, and KEELSON_CONFORMANCE_DIR names no other folder of cases",
            folder.display()
        );
        return;
    }
    let golden = fs::read_to_string(folder.join("golden.json")).expect("golden.json can be read");
    let golden: Value = serde_json::from_str(&golden).expect("golden.json is JSON");
    let mut differences = Vec::new();
    let (mut agreed, mut refused) = (0, 0);
    for name in golden.as_object().expect("golden.json is an object").keys() {
        let case = fs::read_to_string(folder.join(format!("cases/{name}.yaml"))).expect("a case can be read");
        let case: Value = serde_saphyr::from_str(&case).expect("a case is YAML");
        if case.get("ssmParameters").is_some() {
            println!("left out {name}: there is no parameter store");
            continue;
        }
        match from_value(case["document"].clone()) {
            Err(errors) => {
                refused += 1;
                println!("refused {name}: {}", errors.to_string().replace('\n', "\n    "));
            }
            Ok(document) => {
                let answers = variants(&golden[name]);
                let found: Vec<String> =
                    answers.iter().filter_map(|answer| compare(&document, &case, answer).err()).collect();
                if found.len() == answers.len() {
                    differences.push(format!("{name}: {}", found.join("; ")));
                } else {
                    agreed += 1;
                }
            }
        }
    }
    println!("{agreed} agree, {refused} refused");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn variants(golden: &Value) -> Vec<&Value> {
    golden["variants"].as_array().map_or_else(|| vec![golden], |answers| answers.iter().collect())
}

/// Drives the document's flow beside the recorded steps.
fn compare(document: &Document, case: &Value, golden: &Value) -> Result<(), String> {
    let supported = |action: &str| match (HANDLED.contains(&action), plugins::is_known(action)) {
        (true, _) => Support::Handled,
        (false, true) => Support::NoHandler,
        (false, false) => Support::Unknown,
    };
    let steps = plan(document, &values(document, case), Platform::Linux, &supported)
        .map_err(|errors| errors.to_string())?;
    let flow = Flow::new(steps);
    let recorded = golden["steps"].as_array().cloned().unwrap_or_default();
    let mut ended = Vec::new();
    while let Some(turn) = flow.next(&ended) {
        let Some(record) = recorded.get(ended.len()) else { return Ok(()) };
        let recorded_end = Ended {
            status: record["status"]
                .as_str()
                .unwrap_or_default()
                .parse()
                .map_err(|error| format!("{error}"))?,
            code: i32::try_from(record["code"].as_i64().unwrap_or_default()).unwrap_or_default(),
        };
        let end = match (&turn.decision, turn.decision.ended()) {
            (Decision::Skip(text) | Decision::Fail(text), Some(end)) => {
                same("output", text, &record["output"])?;
                end
            }
            (decision, _) => {
                let Decision::Run(inputs) = decision else { continue };
                let sentence = record["standardOutput"].as_str().unwrap_or_default();
                let ran = match recorded_end.code {
                    168 if sentence.ends_with(ON_FAILURE) => Ended { status: StepStatus::Failed, code: 5 },
                    _ => recorded_end,
                };
                let conclusion = flow.conclude(turn.step, ran);
                if sentence.is_empty() != conclusion.sentence.is_empty() && !conclusion.sentence.is_empty()
                    || !sentence.ends_with(conclusion.sentence)
                {
                    return Err(format!("sentence {:?}, recorded {sentence:?}", conclusion.sentence));
                }
                if plugins::is_script(&turn.step.action) {
                    compare_inputs(inputs, &record["standardError"])?;
                }
                conclusion.ended
            }
        };
        if end != recorded_end {
            return Err(format!("step {} ended {end:?}, recorded {recorded_end:?}", turn.step.name));
        }
        // After a reboot the step runs again; the record shows only how that ended.
        ended.push(if end.code == 194 { Ended { status: StepStatus::Success, code: 0 } } else { end });
    }
    same("documentStatus", flow.status(&ended).as_str(), &golden["documentStatus"])
}

/// A script of schema 1.x runs once for each of its properties.
fn compare_inputs(inputs: &Value, recorded: &Value) -> Result<(), String> {
    let runs = inputs.as_array().map_or(std::slice::from_ref(inputs), Vec::as_slice);
    let errors: Vec<String> =
        runs.iter().filter_map(|run| ScriptInputs::parse(run).err()).map(|error| error.to_string()).collect();
    if errors.is_empty() { Ok(()) } else { same("error", &errors.join("\n"), recorded) }
}

fn same(what: &str, found: &str, recorded: &Value) -> Result<(), String> {
    let recorded = recorded.as_str().unwrap_or_default();
    if found == recorded { Ok(()) } else { Err(format!("{what} {found:?}, recorded {recorded:?}")) }
}

/// The values as the recorded agent got them: typed, unchecked, with the defaults beside them.
fn values(document: &Document, case: &Value) -> Map<String, Value> {
    let defaults = document
        .parameters
        .iter()
        .map(|(name, definition)| (name.clone(), definition.default.clone().unwrap_or_default()));
    let mut values: Map<String, Value> = defaults.collect();
    values.extend(case["parameters"].as_object().cloned().unwrap_or_default());
    values
}
