use super::*;
use keelson_core::fleet::NodeIdentity;

fn result(status: &str) -> v1::RunResult {
    v1::RunResult {
        command_uid: "c1".into(),
        invocation: "i1".into(),
        status: status.into(),
        steps: vec![v1::StepResult {
            name: "first".into(),
            action: "aws:runShellScript".into(),
            status: "Success".into(),
            output: "short".into(),
            standard_output: "a longer text".into(),
            stdout: Some(v1::StreamDigest { bytes: 13, sha256: vec![0xab; 32], capped: false }),
            ..v1::StepResult::default()
        }],
        duration_ms: 34,
        ..v1::RunResult::default()
    }
}

#[test]
fn a_document_status_becomes_awss_exact_status() {
    for (word, details) in [
        ("Success", StatusDetails::Success),
        ("Failed", StatusDetails::Failed),
        ("TimedOut", StatusDetails::ExecutionTimedOut),
        ("Cancelled", StatusDetails::Cancelled),
    ] {
        let report = run_report(&result(word), "key".into());
        assert_eq!((report.details, report.message.as_str()), (details, ""));
    }
}

#[test]
fn a_word_that_is_no_end_is_a_failure_that_says_so() {
    for word in ["InProgress", "Exploded", ""] {
        let report = run_report(&result(word), "key".into());
        assert_eq!(report.details, StatusDetails::Failed);
        assert_eq!(report.message, format!("the agent says that the run ended as {word:?}"));
    }
}

#[test]
fn the_status_has_the_digest_and_only_the_merged_output() {
    let report = run_report(&result("Success"), "key".into());
    let step = &report.steps[0];
    assert_eq!((step.output.as_str(), step.stdout_bytes, step.stderr_bytes), ("short", 13, 0));
    assert_eq!((step.stdout_sha256.clone(), step.stderr_sha256.as_str()), ("ab".repeat(32), ""));
    assert_eq!((report.duration, report.output_key.as_str()), (Duration::from_millis(34), "key"));
    assert_eq!(step.output_key, "key/0");
}

#[test]
fn the_archive_gets_the_longer_texts() {
    let node = NodeIdentity {
        namespace: "shop".into(),
        name: "mi-1".into(),
        uid: "u".into(),
        fingerprint: "f".into(),
    };
    let file: serde_json::Value =
        serde_json::from_slice(&result_file(&node, Ok(&result("TimedOut")))).unwrap();
    assert_eq!(file["statusDetails"], "ExecutionTimedOut");
    assert_eq!(file["steps"][0]["standardOutputContent"], "a longer text");
    assert_eq!(file["steps"][0]["stdout"]["sha256"], "ab".repeat(32));
    let refused = v1::Refused { message: "no such plugin".into(), reason: 2, ..v1::Refused::default() };
    let file: serde_json::Value = serde_json::from_slice(&result_file(&node, Err(&refused))).unwrap();
    assert_eq!((&file["statusDetails"], &file["message"]), (&"Failed".into(), &"no such plugin".into()));
}

#[test]
fn a_refusal_because_it_came_too_late_is_no_failure() {
    let refused = |reason| refusal(&v1::Refused { reason, ..v1::Refused::default() });
    let details = |report| match report {
        Report::Refused { details, .. } => details,
        other => panic!("{other:?}"),
    };
    assert_eq!(details(refused(1)), StatusDetails::DeliveryTimedOut);
    assert_eq!(details(refused(2)), StatusDetails::Failed);
    assert_eq!(details(refused(99)), StatusDetails::Failed);
}

#[test]
fn what_a_node_says_of_itself_is_kept_short() {
    let long = v1::NodeFacts { hostname: "é".repeat(10_000), ..v1::NodeFacts::default() };
    assert_eq!(facts(Some(long)).hostname, "é".repeat(MAX_NAME));
    assert_eq!(facts(None), NodeFacts::default());
}

/// What a run asks for whose steps name these Associations.
fn refreshed_by(steps: &[Option<&[&str]>]) -> Option<Vec<String>> {
    let step = |names: Option<&[&str]>| v1::StepResult {
        refresh_associations: names
            .map(|names| v1::RefreshAssociations { names: names.iter().map(ToString::to_string).collect() }),
        ..v1::StepResult::default()
    };
    let steps = steps.iter().copied().map(step).collect();
    run_report(&v1::RunResult { steps, ..result("Success") }, "key".into()).refresh_associations
}

#[test]
fn a_run_asks_for_the_associations_of_all_its_steps_together() {
    assert_eq!(refreshed_by(&[None, None]), None);
    let both = refreshed_by(&[Some(&["b", "a"]), None, Some(&["a", "c"])]);
    assert_eq!(both, Some(vec!["a".into(), "b".into(), "c".into()]));
    assert_eq!(refreshed_by(&[Some(&["a"]), Some(&[])]), Some(Vec::new()), "no name means all");
    let many: Vec<_> = (0..=MAX_ASSOCIATIONS).map(|index| index.to_string()).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    assert_eq!(refreshed_by(&[Some(&many)]), Some(Vec::new()), "too many mean all");
}

#[test]
fn what_steps_ask_for_is_kept_although_they_are_left_out() {
    let mut steps = vec![Some(&["a"][..])];
    steps.resize(1000, None);
    assert_eq!(refreshed_by(&steps), Some(vec!["a".into()]));
}
