//! What is found in files of every kind, and where.

use std::fs;

use keelson_document::DocumentType;
use keelson_document::lint::Rule;

use super::check::{self, Settings};
use super::finding::Finding;
use super::{Report, files, output};

const NAMED: Settings<'_> = Settings { document_type: None, allowed: &[], is_named: true };

fn findings(text: &str) -> Vec<String> {
    shown(check::text("a.yaml", text, &NAMED).findings)
}

fn shown(findings: Vec<Finding>) -> Vec<String> {
    findings.into_iter().map(|finding| finding.to_string()).collect()
}

/// The place and path of each finding.
fn places(text: &str) -> Vec<String> {
    let cut = |line: String| line.splitn(6, ": ").take(3).collect::<Vec<_>>().join(": ");
    findings(text).into_iter().map(cut).collect()
}

const BAD: &str =
    "schemaVersion: \"2.2\"\nmainSteps:\n  - action: aws:runShellScript\n    inputs: {timeoutSeconds: 1}\n";
const HARMFUL: &str = "schemaVersion: \"2.2\"\nmainSteps:\n  - name: a\n    action: aws:runShellScript\n    inputs:\n      runCommand:\n        - one\n        - two\n";

/// A Document with this content and more of its spec.
fn manifest(content: &str, more: &str) -> String {
    let content = indented(content);
    format!("apiVersion: keelson.dev/v1alpha1\nkind: Document\nspec:\n{more}  content:\n{content}")
}

fn indented(text: &str) -> String {
    text.lines().flat_map(|line| ["    ", line, "\n"]).collect()
}

#[test]
fn an_error_is_written_with_its_line_and_path() {
    assert_eq!(
        findings(BAD),
        ["a.yaml:3:5: error: mainSteps[0].name: is missing: give a name that is unique in the document"]
    );
}

#[test]
fn a_warning_is_written_with_its_rule() {
    let found = findings(HARMFUL);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("a.yaml:7:11: warning: mainSteps[0].inputs.runCommand[0]: "), "{found:?}");
    assert!(found[0].ends_with(" [no-set-e]"), "{found:?}");
}

#[test]
fn the_type_is_told_from_the_form_or_by_the_user() {
    assert_eq!(
        findings(
            "schemaVersion: '0.3'\nmainSteps: [{name: a, action: 'aws:sleep', inputs: {Duration: PT1S}}]\n"
        ),
        [""; 0]
    );
    assert_eq!(findings("schemaVersion: '1.0'\nsessionType: Standard_Stream\n"), [""; 0]);
    let command = Settings { document_type: Some(DocumentType::Session), ..NAMED };
    assert!(!check::text("a.yaml", HARMFUL, &command).findings.is_empty());
    let calendar = Settings { document_type: Some(DocumentType::ChangeCalendar), ..NAMED };
    assert!(!check::text("a.ics", "BEGIN: x: y", &calendar).findings.is_empty());
}

#[test]
fn each_document_of_a_text_is_checked_at_its_lines() {
    let service = "apiVersion: v1\nkind: Service\nspec: {content: 5}\n";
    let text = format!("{service}---\n{BAD}---\n{}---\n{HARMFUL}", manifest(BAD, ""));
    assert_eq!(
        places(&text),
        [
            "a.yaml:7:5: error: mainSteps[0].name",
            "a.yaml:16:9: error: spec.content.mainSteps[0].name",
            "a.yaml:25:11: warning: mainSteps[0].inputs.runCommand[0]",
        ]
    );
    assert_eq!(check::text("a.yaml", &text, &NAMED).documents, 3);
}

#[test]
fn a_document_in_a_manifest_may_be_text() {
    let block = indented(HARMFUL);
    let text = format!("kind: Document\napiVersion: keelson.dev/v1alpha1\nspec:\n  content: |\n{block}");
    assert_eq!(places(&text), ["a.yaml:11:15: warning: spec.content.mainSteps[0].inputs.runCommand[0]"]);
    let quoted = serde_json::json!({"kind": "Document", "apiVersion": "keelson.dev/v1alpha1", "spec": {"content": BAD}});
    assert_eq!(places(&quoted.to_string()).len(), 1);
}

#[test]
fn a_manifest_says_its_type_and_what_becomes_of_failures() {
    let session = "schemaVersion: \"1.0\"\nsessionType: Standard_Stream\n";
    assert_eq!(findings(&manifest(session, "  documentType: Session\n")), [""; 0]);
    assert_eq!(places(&manifest(session, "")), ["a.yaml:5:5: error: spec.content.schemaVersion"]);
    assert_eq!(
        places(&manifest(session, "  documentType: Sesion\n")),
        ["a.yaml:4:3: error: spec.documentType"]
    );
    assert_eq!(findings(&manifest(HARMFUL, "  strictScripts: true\n")), [""; 0]);
    assert_eq!(findings(&manifest(HARMFUL, "  strictScripts: false\n")).len(), 1);
    let two = format!("{HARMFUL}  - {{name: b, action: aws:runDocument}}\n");
    assert_eq!(findings(&manifest(&two, "  strictScripts: true\n")).len(), 1);
    assert_eq!(findings(&manifest(&two, "  strictScripts: true\n  failFast: true\n")), [""; 0]);
}

#[test]
fn documents_are_found_in_lists() {
    let item = serde_json::json!({"kind": "Document", "apiVersion": "keelson.dev/v1alpha1", "spec": {}});
    let list = serde_json::json!({"kind": "List", "apiVersion": "v1", "items": [{"kind": "Secret"}, item]});
    assert_eq!(places(&list.to_string()).len(), 1);
    assert!(places(&list.to_string())[0].ends_with(" error: items[1].spec.content"));
    let outer = serde_json::json!({"kind": "List", "apiVersion": "v1", "items": [list]});
    assert!(places(&outer.to_string())[0].ends_with(" error: items[0].items[1].spec.content"));
}

#[test]
fn words_of_a_manifest_are_what_kubectl_makes_of_them() {
    let step = "mainSteps: [{name: a, action: 'aws:runDocument'}]\n";
    let content = format!("schemaVersion: '2.2'\n{step}parameters:\n  p: {{type: String, default: yes}}\n");
    assert_eq!(places(&content), ["a.yaml:4:3: warning: parameters.p"], "of a plain document they are texts");
    let found = findings(&manifest(&content, ""));
    assert!(found[0].contains(".default: a String needs a string as its default, found the boolean true"));
    let text = format!(
        "kind: Document\napiVersion: keelson.dev/v1alpha1\nspec:\n  content: |\n{}",
        indented(&content)
    );
    assert_eq!(places(&text), ["a.yaml:8:7: warning: spec.content.parameters.p"]);
}

#[test]
fn a_list_may_be_larger_than_a_document() {
    let content = serde_json::json!({"schemaVersion": "2.2", "description": "x".repeat(100_000)});
    let item = serde_json::json!({"kind": "Document", "apiVersion": "keelson.dev/v1alpha1", "spec": {"content": content}});
    let list = serde_json::json!({"kind": "List", "apiVersion": "v1", "items": [item, item, item]});
    let found = places(&list.to_string());
    assert_eq!(found.len(), 3);
    assert!(found[2].ends_with("error: items[2].spec.content.mainSteps"), "{found:?}");
}

#[test]
fn a_template_is_no_document_yet() {
    let template = "apiVersion: keelson.dev/v1alpha1\nkind: Document\nmetadata: {name: {{ .Values.name }}}\n";
    let found = findings(template);
    assert!(found[0].ends_with("helm template ... | keelson lint -"), "{found:?}");
    let in_folder = Settings { is_named: false, ..NAMED };
    let embedded =
        format!("AWSTemplateFormatVersion: '2010-09-09'\nResources: {{a: !Ref b}}\nx:\n{}", indented(BAD));
    assert!(check::text("a.yaml", &embedded, &in_folder).findings.is_empty());
    let message = serde_json::json!({"content": {"schemaVersion": "2.2", "mainSteps": []}});
    assert!(check::text("a.json", &message.to_string(), &in_folder).findings.is_empty());
}

#[test]
fn a_rule_can_be_left_out() {
    let settings = Settings { allowed: &[Rule::NoSetE], ..NAMED };
    assert_eq!(shown(check::text("a.yaml", HARMFUL, &settings).findings), [""; 0]);
}

#[test]
fn a_named_file_has_to_hold_a_document_and_one_in_a_folder_need_not() {
    let in_folder = Settings { is_named: false, ..NAMED };
    for text in ["name: chart\n", "", "{{ template }}\n"] {
        assert!(!findings(text).is_empty(), "{text:?}");
        assert!(check::text("a.yaml", text, &in_folder).findings.is_empty(), "{text:?}");
    }
    assert_eq!(check::text("a.yaml", BAD, &in_folder).findings.len(), 1);
}

#[test]
fn a_folder_stands_for_the_files_in_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("sub/.git")).unwrap();
    for name in ["b.yml", "a.JSON", "c.txt", "sub/d.yaml", "sub/.git/e.yaml"] {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    let missing = folder.path().join("missing.yaml");
    let mut unreadable = Vec::new();
    let found = files::find(&[folder.path().into(), missing.clone().into(), "-".into()], &mut unreadable);
    let names: Vec<_> =
        found.iter().map(|file| file.name.trim_start_matches(&folder.path().display().to_string())).collect();
    assert_eq!(names, ["/a.JSON", "/b.yml", "/sub/d.yaml", "/missing.yaml", "<stdin>"]);
    let error = found[3].read().unwrap_err().to_string();
    assert!(error.contains("missing.yaml") && error.contains("No such file"), "{error}");
    assert_eq!(unreadable, [""; 0]);
    fs::write(&missing, b"\xff").unwrap();
    assert!(found[3].read().unwrap_err().to_string().contains("UTF-8"));
}

#[test]
fn the_summary_counts() {
    let checked = check::text("a.yaml", &format!("{HARMFUL}---\n{BAD}"), &NAMED);
    let report = Report { documents: checked.documents, findings: checked.findings, unreadable: Vec::new() };
    assert_eq!(output::summary(&report), "2 documents: 1 error, 1 warning");
}

#[test]
fn the_page_on_lint_has_an_example_that_is_warned_of_and_one_that_is_not_for_each_rule() {
    let page = include_str!("../../../docs/lint.md");
    let sections: Vec<&str> = page.split("\n## ").skip(1).collect();
    let names: Vec<&str> = sections.iter().filter_map(|section| section.lines().next()).collect();
    assert_eq!(names, Rule::ALL.map(Rule::as_str));
    for section in sections {
        let name = section.lines().next().unwrap();
        let examples: Vec<&str> =
            section.split("```yaml\n").skip(1).filter_map(|example| example.split("```").next()).collect();
        assert_eq!(examples.len(), 2, "{name}");
        let codes =
            |text| check::text("a.yaml", text, &NAMED).findings.into_iter().map(|finding| finding.code);
        let bad: Vec<&str> = codes(examples[0]).collect();
        assert!(bad.contains(&name), "{name}: {bad:?}");
        assert_eq!(codes(examples[1]).collect::<Vec<_>>(), [""; 0], "{name}");
    }
}
