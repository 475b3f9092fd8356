//! Which documents go along with a Command's.

use keelson_document::DocumentType;
use serde_json::json;

use super::*;

/// Documents by name, each of one version, which `$DEFAULT` and `1` mean.
struct Shelf(BTreeMap<String, Content>);

impl Library for Shelf {
    async fn find(&self, name: &str, version: &str) -> Result<Option<(DocumentReference, Content)>, Error> {
        let content = self.0.get(name).filter(|_| ["$DEFAULT", "1"].contains(&version));
        Ok(content.map(|content| {
            let reference = DocumentReference {
                name: name.into(),
                version: "1".into(),
                hash: content.hash(),
                revision: format!("{name}-v1"),
                namespace: "shop".into(),
            };
            (reference, content.clone())
        }))
    }
}

fn shelf(documents: &[(&str, Value)]) -> Shelf {
    let read =
        |content: &Value| keelson_document::from_value_as(DocumentType::Command, content.clone()).unwrap();
    Shelf(documents.iter().map(|(name, content)| ((*name).to_owned(), read(content))).collect())
}

fn script(seconds: u32) -> Value {
    json!({ "name": "say", "action": "aws:runShellScript", "inputs": { "timeoutSeconds": seconds.to_string(), "runCommand": ["true"] } })
}

fn run(step: &str, path: &str, parameters: &Value) -> Value {
    json!({ "name": step, "action": "aws:runDocument", "inputs": {
        "documentType": "SSMDocument", "documentPath": path, "documentParameters": parameters,
    } })
}

fn document(steps: &[Value]) -> Value {
    json!({ "schemaVersion": "2.2", "parameters": { "next": { "type": "String", "default": "leaf" } }, "mainSteps": steps })
}

fn freeze(shelf: &Shelf, content: Value) -> Result<Called, Refusal> {
    let Ok(Content::Command(document)) = keelson_document::from_value_as(DocumentType::Command, content)
    else {
        panic!("this is no Command document")
    };
    let values = document.bind(&BTreeMap::new()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(super::freeze(shelf, &document, values.values())).unwrap()
}

fn names(called: &Called) -> Vec<String> {
    called.documents.iter().map(|called| format!("{}:{}", called.name, called.version)).collect()
}

#[test]
fn documents_that_are_called_by_called_documents_go_along() {
    let shelf = shelf(&[
        ("middle", document(&[run("a", "{{ next }}", &json!({}))])),
        ("leaf", document(&[script(30)])),
        ("unused", document(&[script(30)])),
    ]);
    let called = freeze(&shelf, document(&[run("a", "Middle:1", &json!({}))])).unwrap();
    assert_eq!(names(&called), ["leaf:$DEFAULT", "middle:1"]);
    assert_eq!(called.documents[0].document.revision, "leaf-v1");
}

#[test]
fn what_a_called_document_calls_depends_on_the_parameters_it_is_given() {
    let shelf = shelf(&[
        ("middle", document(&[run("a", "{{ next }}", &json!({}))])),
        ("leaf", document(&[script(30)])),
        ("other", document(&[script(30)])),
    ]);
    let called = freeze(&shelf, document(&[run("a", "middle", &json!({ "next": "other" }))])).unwrap();
    assert_eq!(names(&called), ["middle:$DEFAULT", "other:$DEFAULT"]);
}

#[test]
fn a_document_that_is_not_there_is_left_out_and_told() {
    let called = freeze(&shelf(&[]), document(&[run("a", "absent", &json!({}))]));
    assert_eq!(called, Ok(Called { lacking: true, ..Called::default() }));
    assert_eq!(freeze(&shelf(&[]), document(&[script(30)])), Ok(Called::default()));
}

#[test]
fn a_run_may_take_as_long_as_what_it_calls_each_time_that_it_does() {
    let shelf = shelf(&[("leaf", document(&[script(30), script_named("again", 12)]))]);
    let twice = document(&[run("a", "leaf", &json!({})), run("b", "leaf", &json!({}))]);
    assert_eq!(freeze(&shelf, twice).unwrap().timeout, Duration::from_secs(84));
}

fn script_named(name: &str, seconds: u32) -> Value {
    let mut step = script(seconds);
    step["name"] = name.into();
    step
}

#[test]
fn documents_that_call_themselves_come_to_an_end() {
    let shelf = shelf(&[("loop", document(&[run("a", "loop", &json!({})), run("b", "loop", &json!({}))]))]);
    let called = freeze(&shelf, document(&[run("a", "loop", &json!({}))])).unwrap();
    assert_eq!(names(&called), ["loop:$DEFAULT"]);
}

#[test]
fn too_many_documents_are_refused_with_the_mend() {
    let leaves: Vec<_> = (0..40).map(|number| format!("leaf-{number}")).collect();
    let documents: Vec<_> = leaves.iter().map(|name| (name.as_str(), document(&[script(30)]))).collect();
    let steps: Vec<_> = leaves.iter().map(|name| run(&name.replace('-', "_"), name, &json!({}))).collect();
    let refusal = freeze(&shelf(&documents), document(&steps)).unwrap_err();
    assert_eq!(refusal.reason, "TooManyCalledDocuments");
    assert!(
        refusal.message.starts_with("spec.documentName: ") && refusal.message.contains("32"),
        "{}",
        refusal.message
    );
}

#[test]
fn too_many_bytes_are_refused_with_the_mend() {
    let mut large = script(30);
    large["inputs"]["runCommand"] = json!(["x".repeat(220_000)]);
    let large = document(&[large]);
    let names = ["one", "two", "three", "four", "five"];
    let shelf = shelf(&names.map(|name| (name, large.clone())));
    let all = document(&names.map(|name| run(name, name, &json!({}))));
    let refusal = freeze(&shelf, all).unwrap_err();
    assert!(refusal.message.contains("1048576 bytes"), "{}", refusal.message);
}
