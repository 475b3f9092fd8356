//! Behaviour of reading documents of any type.

use super::*;

#[test]
fn each_type_reads_its_own_canonical_text() {
    let session = "{schemaVersion: '1.0'}";
    let errors = parse_as(DocumentType::Session, &format!("# x\n{session}")).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "sessionType: is missing: use one of Standard_Stream, InteractiveCommands, NonInteractiveCommands, Port (line 2, column 1)"
    );
    for (document_type, text) in [
        (DocumentType::Session, "schemaVersion: '1.0'\nsessionType: Port\n"),
        (DocumentType::ApplicationConfiguration, "any = text"),
        (DocumentType::CloudFormation, "Resources:\n  A: !Ref b\n"),
        (DocumentType::ProblemAnalysis, "{\"a\": 1}"),
        (DocumentType::ChangeCalendar, "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"),
        (DocumentType::Package, "{\"schemaVersion\": \"2.0\", \"packages\": {}, \"files\": {}}"),
    ] {
        let content =
            parse_as(document_type, text).unwrap_or_else(|errors| panic!("{document_type}: {errors}"));
        assert_eq!(content.document_type(), document_type);
        let stored = serde_json::from_str(&content.canonical_json()).unwrap();
        let again = from_value_as(document_type, stored).unwrap();
        assert_eq!((again.hash(), &again), (content.hash(), &content));
    }
}

#[test]
fn a_policy_has_steps() {
    let policy = |version: &str, section: &str| {
        parse_as(DocumentType::Policy, &format!("schemaVersion: '{version}'\n{section}\n"))
    };
    let steps = "mainSteps:\n- name: a\n  action: aws:softwareInventory\n  inputs: {applications: Enabled}";
    assert!(policy("2.2", steps).is_ok());
    let plugins = "runtimeConfig:\n  aws:softwareInventory: {properties: {}}";
    let refused = policy("1.2", plugins).unwrap_err().to_string();
    assert!(refused.starts_with("schemaVersion: version \"1.2\" is not supported in this type"), "{refused}");
    assert!(refused.ends_with("(line 1, column 1)"), "{refused}");
}

#[test]
fn content_without_a_known_form_has_the_bounds_of_the_others() {
    for (document_type, text, told) in [
        (DocumentType::ApplicationConfiguration, " \n", "the document is empty"),
        (DocumentType::CloudFormation, "- a", "expected an object, found a list"),
        (DocumentType::QuickSetup, "a: [", "nor valid YAML"),
        (DocumentType::ProblemAnalysis, "a: !Ref b", "unsupported tag `!Ref`"),
        (DocumentType::ChangeCalendar, "a: 1", "an iCalendar begins with BEGIN:VCALENDAR"),
        (DocumentType::Package, "{\"schemaVersion\": \"2.0\"}", "packages: is missing"),
    ] {
        let refused = parse_as(document_type, text).unwrap_err().to_string();
        assert!(refused.contains(told), "{document_type}: {refused}");
    }
    assert!(parse_as(DocumentType::AutoApprovalPolicy, &"x".repeat(300_000)).is_err());
    let calendar = from_value_as(DocumentType::ChangeCalendar, serde_json::json!({"a": 1})).unwrap_err();
    assert!(calendar.to_string().contains("expected an iCalendar as text, found an object"));
}
