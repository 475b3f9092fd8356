//! What is wrong with the documents of one text.

use keelson_document::lint::{Rule, Warning, warnings};
use keelson_document::{
    Content, DocumentType, Errors, Locations, Position, Problem, from_value_as, parse_as, parse_manifest,
};
use serde_json::Value;

use super::finding::Finding;
use super::manifest::{self, Manifest};
use super::nested;
use super::pieces::{Piece, pieces};

/// What the user wants to know.
pub struct Settings<'a> {
    /// The type of all documents, if the user says it.
    pub document_type: Option<DocumentType>,
    /// The rules not to warn by.
    pub allowed: &'a [Rule],
    /// Whether the user named the file, so that it has to hold a document.
    pub is_named: bool,
}

/// What was found in a text.
#[derive(Debug, Default)]
pub struct Checked {
    /// How many documents there were.
    pub documents: usize,
    /// What is wrong with them, in the order of the text.
    pub findings: Vec<Finding>,
}

/// Checks a text: SSM documents, or manifests of Documents among which other kinds are passed over.
pub fn text(file: &str, text: &str, settings: &Settings<'_>) -> Checked {
    let mut checked = Checked::default();
    if !settings.is_named && !may_hold_a_document(text) {
        return checked;
    }
    let pieces = pieces(text);
    if pieces.is_empty() {
        let problem =
            Problem { path: String::new(), message: "there is no document in it".to_owned(), position: None };
        checked.findings.push(Finding::error(file, problem));
    }
    for piece in &pieces {
        Checker { file, piece, settings, checked: &mut checked }.check();
    }
    checked
}

/// Whether a file of a folder is one that anybody would want to be checked. Documents in a template of `CloudFormation`
/// are whole only once it is put to use.
fn may_hold_a_document(text: &str) -> bool {
    let has = |word| text.contains(word);
    (has("schemaVersion") && (has("mainSteps") || has("runtimeConfig"))
        || has("sessionType")
        || has("keelson.dev/"))
        && !text.lines().any(|line| line.starts_with("AWSTemplateFormatVersion"))
}

/// Whether a value of a file of a folder is meant to be a document, and not something that has one in it.
fn is_document(value: &Value) -> bool {
    ["schemaVersion", "mainSteps", "runtimeConfig", "sessionType"].iter().any(|key| has_key(value, key))
}

fn has_key(value: &Value, key: &str) -> bool {
    value.as_object().is_some_and(|object| object.keys().any(|name| name.eq_ignore_ascii_case(key)))
}

/// What to do about a text that is no YAML because it is a template of Helm.
fn with_mend(problem: Problem, text: &str) -> Problem {
    let is_template =
        ["{{-", "-}}", "{{ .", "{{.", "{{ include", "{{ if"].iter().any(|mark| text.contains(mark));
    if !is_template {
        return problem;
    }
    let message =
        format!("{}; check a template of Helm by helm template ... | keelson lint -", problem.message);
    Problem { message, ..problem }
}

/// Checks one YAML or JSON document.
struct Checker<'a> {
    file: &'a str,
    piece: &'a Piece,
    settings: &'a Settings<'a>,
    checked: &'a mut Checked,
}

impl Checker<'_> {
    fn check(&mut self) {
        let text = &self.piece.text;
        match (parse_manifest(text), self.settings.document_type) {
            (Ok(value), _) if manifest::is_object(&value) => {
                let locations = Locations::of(text);
                for (prefix, manifest) in manifest::documents(&value) {
                    self.manifest(&prefix, manifest, &locations);
                }
            }
            (Ok(value), None) if !self.settings.is_named && !is_document(&value) => {}
            (Ok(value), document_type) => self.document(document_type.unwrap_or_else(|| guessed(&value))),
            // Such as a template with tags, or a calendar.
            (Err(_), Some(document_type)) => self.document(document_type),
            (Err(errors), None) => {
                self.checked.documents += 1;
                let errors = errors.0.into_iter().map(|problem| with_mend(problem, text)).collect();
                self.report(Outcome { errors, warnings: Vec::new() });
            }
        }
    }

    fn document(&mut self, document_type: DocumentType) {
        self.checked.documents += 1;
        let text = &self.piece.text;
        let outcome = Outcome::of(parse_as(document_type, text));
        let locations = Locations::of(text);
        self.report(outcome.moved(|path, known| (path.to_owned(), known.or_else(|| locations.find(path)))));
    }

    fn manifest(&mut self, prefix: &str, manifest: Manifest<'_>, locations: &Locations) {
        self.checked.documents += 1;
        let text = &self.piece.text;
        let at = format!("{prefix}spec.content");
        let document_type = match self.settings.document_type.map_or_else(|| manifest.document_type(), Ok) {
            Ok(document_type) => document_type,
            Err(message) => return self.problem(locations, format!("{prefix}spec.documentType"), message),
        };
        let inner = match manifest.content() {
            Some(Value::String(inner)) => Some(inner.as_str()),
            Some(_) => None,
            None => return self.problem(locations, at, "is missing: it holds the document".to_owned()),
        };
        let mut outcome = match inner {
            Some(inner) => Outcome::of(parse_as(document_type, inner)),
            None => {
                Outcome::of(from_value_as(document_type, manifest.content().cloned().unwrap_or_default()))
            }
        };
        outcome.warnings.retain(|(warning, _)| match warning.code {
            Rule::NoFailFast => !manifest.fails_fast(),
            Rule::NoSetE => !manifest.has_strict_scripts(),
            _ => true,
        });
        let inner_locations = inner.map(Locations::of);
        let moved = outcome.moved(|path, known| {
            let outer = join(&at, path);
            let place = match (inner, known.or_else(|| inner_locations.as_ref()?.find(path))) {
                (Some(inner), Some(place)) => {
                    locations.find(&at).map(|start| nested::position(text, start, inner, place))
                }
                _ => locations.find(&outer),
            };
            (outer, place)
        });
        self.report(moved);
    }

    fn problem(&mut self, locations: &Locations, path: String, message: String) {
        let position = locations.find(&path);
        self.report(Outcome { errors: vec![Problem { path, message, position }], warnings: Vec::new() });
    }

    /// Adds what was found in the piece, with its lines counted from the beginning of the file.
    fn report(&mut self, outcome: Outcome) {
        let lines_before = self.piece.lines_before;
        let moved = |position: Option<Position>| {
            position.map(|place| Position { line: place.line.saturating_add(lines_before), ..place })
        };
        let errors = outcome.errors.into_iter().map(|problem| {
            let position = moved(problem.position);
            Finding::error(self.file, Problem { position, ..problem })
        });
        let warnings = outcome
            .warnings
            .into_iter()
            .filter(|(warning, _)| !self.settings.allowed.contains(&warning.code));
        let warnings =
            warnings.map(|(warning, position)| Finding::warning(self.file, warning, moved(position)));
        let mut findings: Vec<Finding> = errors.chain(warnings).collect();
        findings.sort_by_key(|finding| (finding.line, finding.column));
        self.checked.findings.extend(findings);
    }
}

/// What became of one document.
struct Outcome {
    errors: Vec<Problem>,
    warnings: Vec<(Warning, Option<Position>)>,
}

impl Outcome {
    fn of(read: Result<Content, Errors>) -> Self {
        match read {
            Ok(content) => {
                let warnings = warnings(&content).into_iter().map(|warning| (warning, None)).collect();
                Self { errors: Vec::new(), warnings }
            }
            Err(errors) => Self { errors: errors.0, warnings: Vec::new() },
        }
    }

    /// The same with other paths and places, which `to` gives for the path and the place as far as it is known.
    fn moved(self, to: impl Fn(&str, Option<Position>) -> (String, Option<Position>)) -> Self {
        let errors = self.errors.into_iter().map(|problem| {
            let (path, position) = to(&problem.path, problem.position);
            Problem { path, position, ..problem }
        });
        let warnings = self.warnings.into_iter().map(|(warning, position)| {
            let (path, position) = to(&warning.path, position);
            (Warning { path, ..warning }, position)
        });
        Self { errors: errors.collect(), warnings: warnings.collect() }
    }
}

/// The type that a document's form makes one think of.
fn guessed(value: &Value) -> DocumentType {
    match value.get("schemaVersion").and_then(Value::as_str) {
        Some("0.3") => DocumentType::Automation,
        _ if has_key(value, "sessionType") => DocumentType::Session,
        _ if has_key(value, "packages") && has_key(value, "files") => DocumentType::Package,
        _ => DocumentType::Command,
    }
}

fn join(prefix: &str, path: &str) -> String {
    match path {
        "" => prefix.to_owned(),
        path if path.starts_with('[') => format!("{prefix}{path}"),
        path => format!("{prefix}.{path}"),
    }
}
