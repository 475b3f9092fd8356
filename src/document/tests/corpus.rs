//! Real documents: those of the corpus folder that `KEELSON_CORPUS_DIR` names, each through the parser.
//!
//! The folder has an `INDEX.tsv` whose header names the columns `path`, `schemaVersion` and `documentType`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use keelson_document::{Platform, Support, parse, plan, plugins};

/// How many documents of the corpus were accepted when this number was last raised.
const ACCEPTED: usize = 90;

#[test]
fn real_command_documents_are_accepted_or_refused_with_a_reason() {
    let Some(folder) = std::env::var_os("KEELSON_CORPUS_DIR") else {
        println!("skipped: KEELSON_CORPUS_DIR does not name a folder of documents");
        return;
    };
    let folder = Path::new(&folder);
    let index = fs::read_to_string(folder.join("INDEX.tsv")).expect("INDEX.tsv can be read");
    let paths = command_documents(&index);
    assert!(!paths.is_empty(), "INDEX.tsv lists no Command document of schema version 2");
    let (mut accepted, mut refused) = (0, 0);
    for path in &paths {
        let text = fs::read_to_string(folder.join(path)).expect("a listed document can be read");
        match parse(&text) {
            Ok(document) => {
                accepted += 1;
                let again = parse(&document.canonical_json()).expect("a canonical document is valid");
                assert_eq!(again.hash(), document.hash(), "{path}");
                assert_eq!(
                    (&again.steps, &again.parameters),
                    (&document.steps, &document.parameters),
                    "{path}"
                );
                assert!(!document.platforms().is_empty(), "{path}");
                let supported = |action: &str| {
                    if plugins::is_known(action) { Support::Handled } else { Support::Unknown }
                };
                let bound = document.bind(&BTreeMap::new()).unwrap_or_default();
                plan(&document, bound.values(), Platform::Linux, &supported)
                    .expect("defaults can be planned");
            }
            Err(errors) => {
                refused += 1;
                println!("refused {path}");
                for line in errors.to_string().lines() {
                    println!("    {line}");
                }
            }
        }
    }
    println!("{} documents: {accepted} accepted, {refused} refused", paths.len());
    assert!(accepted >= ACCEPTED, "only {accepted} documents were accepted, {ACCEPTED} used to be");
}

/// The paths of all Command documents with `mainSteps`.
fn command_documents(index: &str) -> Vec<&str> {
    let mut lines = index.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    let column = |name: &str| header.iter().position(|title| *title == name).expect("a column of INDEX.tsv");
    let (path, version, kind) = (column("path"), column("schemaVersion"), column("documentType"));
    lines
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .filter(|row| row[kind] == "Command" && row[version].starts_with("2."))
        .map(|row| row[path])
        .collect()
}
