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
