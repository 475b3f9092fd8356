//! Reads any text as a document of any type, and does with it all that can be done without a node: nothing may panic,
//! hang, or be told otherwise the second time.
//!
//! The first byte of the input says which type: `A` is the first of `DocumentType::ALL`.

#![no_main]

use std::collections::BTreeMap;

use keelson_document::lint::warnings;
use keelson_document::{
    Bound, Content, Document, DocumentType, Errors, Flow, Locations, Platform, Support, from_value_as,
    parse_as, plan, plugins,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((kind, text)) = data.split_first()
        && let Ok(text) = std::str::from_utf8(text)
    {
        let kind = usize::from(kind.wrapping_sub(b'A')) % DocumentType::ALL.len();
        read(DocumentType::ALL[kind], text);
    }
});

fn read(document_type: DocumentType, text: &str) {
    match parse_as(document_type, text) {
        Ok(content) => {
            assert_eq!(content.document_type(), document_type);
            reads_back(&content);
            let locations = Locations::of(text);
            for warning in warnings(&content) {
                assert!(!warning.message.is_empty());
                locations.find(&warning.path);
            }
            if let Content::Command(document) = &content {
                run(document);
            }
        }
        Err(errors) => is_useful(&errors, text),
    }
}

/// The canonical form is the same content, with the same hash.
fn reads_back(content: &Content) {
    let json = content.canonical_json();
    let value = serde_json::from_str(&json).expect("canonical JSON is JSON");
    let again = from_value_as(content.document_type(), value).expect("canonical JSON is valid");
    assert_eq!(&again, content);
    assert_eq!(again.canonical_json(), json);
    assert_eq!(again.hash(), content.hash());
}

fn is_useful(errors: &Errors, text: &str) {
    // A carriage return alone is a line's end too.
    let lines = text.matches(['\n', '\r']).count() + 1;
    assert!(!errors.0.is_empty());
    for problem in &errors.0 {
        assert!(!problem.message.is_empty());
        assert!(
            problem.position.is_none_or(|place| (1..=lines).contains(&(place.line as usize))),
            "{problem}"
        );
        assert!(!problem.to_string().contains(char::is_control), "{problem:?}");
    }
}

/// What happens to a Command document on its way to a node and there, short of running a plugin.
fn run(document: &Document) {
    document.platforms();
    document.execution_timeout();
    let bound = document.bind(&BTreeMap::new()).unwrap_or_default();
    assert_eq!(Bound::from_json(&bound.to_json()).as_ref(), Ok(&bound));
    document.environment(bound.values());
    let supported =
        |action: &str| if plugins::is_known(action) { Support::Handled } else { Support::Unknown };
    for platform in Platform::ALL {
        if let Ok(steps) = plan(document, bound.values(), platform, &supported) {
            assert_eq!(steps.len(), document.steps.len());
            assert!(Flow::new(steps).next(&[]).is_some());
        }
    }
}
