//! Real documents: those of the corpus folder that `KEELSON_CORPUS_DIR` names, or that lies beside the project, each
//! read as its type.
//!
//! The folder has an `INDEX.tsv` whose header names the columns `path`, `schemaVersion`, `documentType` and `format`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use keelson_document::{
    Content, Document, DocumentType, Errors, Platform, Support, from_value_as, parse_as, parse_value, plan,
    plugins,
};
use serde_json::Value;

#[path = "corpus/refused.rs"]
mod refused;

use refused::REFUSED;

/// How many documents of a schema version and type were accepted when these numbers were last raised.
const ACCEPTED: &[(&str, &str, usize)] = &[
    ("0.3", "Automation", 328),
    ("1.0", "Session", 27),
    ("1.2", "Command", 15),
    ("2.0", "Command", 6),
    ("2.0", "Package", 4),
    ("2.0", "SendCommand message (Command)", 1),
    ("2.0.1", "Command", 5),
    ("2.2", "Command", 79),
    ("2.2", "Policy", 2),
    ("2.2", "SendCommand message (Command)", 1),
];
/// How many documents in YAML are known to have a JSON rendering of equal content.
const SAME_IN_YAML_AND_JSON: usize = 20;

/// A row of the index.
struct Row {
    path: String,
    schema_version: String,
    document_type: String,
    format: String,
}

impl Row {
    /// The document itself. A message to an agent has it inside.
    fn read(&self, folder: &Path) -> (DocumentType, String) {
        let text = fs::read_to_string(folder.join(&self.path)).expect("a listed document can be read");
        if !self.document_type.starts_with("SendCommand message") {
            return (self.document_type.parse().expect("the index names types"), text);
        }
        let message: Value = serde_json::from_str(&text).expect("a message is JSON");
        (DocumentType::Command, message["DocumentContent"].to_string())
    }
}

#[test]
fn real_documents_are_accepted_or_refused_for_a_reason_that_was_looked_at() {
    let Some(folder) = folder() else { return };
    let mut accepted: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut total: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut formats: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows(&folder) {
        let (document_type, text) = row.read(&folder);
        let key = (row.schema_version.clone(), row.document_type.clone());
        *total.entry(key.clone()).or_default() += 1;
        match parse_as(document_type, &text) {
            Ok(content) => {
                *accepted.entry(key).or_default() += 1;
                wrong.extend(check_accepted(&row, document_type, &content));
                formats.entry(content.hash()).or_default().push(row.format.clone());
            }
            Err(errors) => wrong.extend(check_refused(&row.path, &errors)),
        }
    }
    for (key @ (version, kind), count) in &total {
        println!("{version} {kind}: {count}, accepted {}", accepted.get(key).unwrap_or(&0));
    }
    let same = formats
        .values()
        .filter(|formats| formats.iter().any(|f| f == "YAML"))
        .filter(|formats| formats.iter().any(|f| f == "JSON"));
    let same = same.count();
    println!("{same} documents are the same in YAML and in JSON");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        same >= SAME_IN_YAML_AND_JSON,
        "{same} documents are the same in YAML and in JSON, {SAME_IN_YAML_AND_JSON} used to be"
    );
    for (version, kind, count) in ACCEPTED {
        let now = accepted.get(&((*version).to_owned(), (*kind).to_owned())).copied().unwrap_or_default();
        assert!(now >= *count, "{now} documents of {version} {kind} were accepted, {count} used to be");
    }
}

/// What of an accepted document is not as it has to be.
fn check_accepted(row: &Row, document_type: DocumentType, content: &Content) -> Vec<String> {
    let mut wrong = Vec::new();
    if is_listed(&row.path).is_some() {
        wrong.push(format!("{}: is accepted, but listed among those that are refused", row.path));
    }
    let stored = serde_json::from_str(&content.canonical_json()).expect("canonical JSON is JSON");
    match from_value_as(document_type, stored) {
        Ok(again) if again == *content && again.hash() == content.hash() => {}
        Ok(_) => wrong.push(format!("{}: reads otherwise once it was written", row.path)),
        Err(errors) => wrong.push(format!("{}: is refused once it was written: {errors}", row.path)),
    }
    if let Content::Command(document) = content {
        wrong.extend(check_command(document).err().map(|reason| format!("{}: {reason}", row.path)));
    }
    wrong
}

fn check_command(document: &Document) -> Result<(), String> {
    let supported =
        |action: &str| if plugins::is_known(action) { Support::Handled } else { Support::Unknown };
    let bound = document.bind(&BTreeMap::new()).unwrap_or_default();
    plan(document, bound.values(), Platform::Linux, &supported).map_err(|errors| errors.to_string())?;
    if document.platforms().is_empty() { Err("runs nowhere".to_owned()) } else { Ok(()) }
}

fn is_listed(path: &str) -> Option<&'static refused::Refused> {
    REFUSED.iter().find(|refused| refused.paths.iter().any(|end| path.ends_with(end)))
}

/// Whether a document is refused as listed, with a place in its text.
fn check_refused(path: &str, errors: &Errors) -> Option<String> {
    let first = errors.0.first().expect("errors hold at least one problem");
    if first.position.is_none() {
        return Some(format!("{path}: a problem has no position: {first}"));
    }
    match is_listed(path) {
        Some(refused) if first.to_string().contains(refused.says) => {
            println!("refused {path}: {}", refused.because);
            None
        }
        Some(refused) => {
            Some(format!("{path}: is refused for another reason than {:?}: {first}", refused.says))
        }
        None => Some(format!("{path}: is refused, and nobody has looked why: {errors}")),
    }
}

/// The corpus, if there is one.
fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let folder = std::env::var_os("KEELSON_CORPUS_DIR").map_or(beside, PathBuf::from);
    if folder.join("INDEX.tsv").is_file() {
        return Some(folder);
    }
    println!(
        "skipped: {} has no INDEX.tsv, and KEELSON_CORPUS_DIR names no other folder of documents",
        folder.display()
    );
    None
}

fn rows(folder: &Path) -> Vec<Row> {
    let index = fs::read_to_string(folder.join("INDEX.tsv")).expect("INDEX.tsv can be read");
    let mut lines = index.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    let column = |name: &str| header.iter().position(|title| *title == name).expect("a column of INDEX.tsv");
    let columns = ["path", "schemaVersion", "documentType", "format"].map(column);
    lines
        .map(|line| {
            let row: Vec<&str> = line.split('\t').collect();
            let [path, schema_version, document_type, format] = columns.map(|column| row[column].to_owned());
            Row { path, schema_version, document_type, format }
        })
        .collect()
}

#[test]
fn yaml_of_the_corpus_is_read_as_another_reader_reads_it() {
    let Some(folder) = folder() else { return };
    let mut compared = 0;
    for row in rows(&folder).into_iter().filter(|row| row.format == "YAML") {
        let text = fs::read_to_string(folder.join(&row.path)).expect("a listed document can be read");
        // The other reader gives the last line of a block an end that the text does not have.
        let text = format!("{text}\n");
        let Ok(value) = parse_value(&text) else { continue };
        let other: Value = serde_saphyr::from_str(&text).expect("another reader reads it too");
        assert_eq!(value, other, "{}", row.path);
        compared += 1;
    }
    println!("{compared} documents in YAML are read as another reader reads them");
    assert!(compared > 0);
}
