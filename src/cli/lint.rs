//! `keelson lint`: errors and warnings of documents, wherever they are kept.

mod check;
mod files;
mod finding;
mod manifest;
mod nested;
mod output;
mod pieces;

use std::process::ExitCode;

use crate::args::LintArguments;
use check::Settings;
use finding::{Finding, Severity};

/// Something is wrong with a document.
const FOUND: u8 = 1;
/// A file could not be read, or the results not be written.
const UNUSABLE: u8 = 2;

/// What was looked at and what was found.
#[derive(Debug, Default)]
struct Report {
    documents: usize,
    findings: Vec<Finding>,
    /// Files that could not be read, with the reason.
    unreadable: Vec<String>,
}

/// Checks what the arguments name, prints it, and gives the exit code of the process.
pub fn run(arguments: &LintArguments) -> ExitCode {
    let report = look(arguments);
    for reason in &report.unreadable {
        output::say(&format!("error: {reason}"));
    }
    let written = output::write(&report, arguments.format);
    if let Err(reason) = &written {
        output::say(&format!("error: cannot write the results: {reason}"));
    }
    let is_denied = |finding: &Finding| finding.severity == Severity::Error || arguments.deny_warnings;
    if !report.unreadable.is_empty() || written.is_err() {
        ExitCode::from(UNUSABLE)
    } else if report.findings.iter().any(is_denied) {
        ExitCode::from(FOUND)
    } else {
        ExitCode::SUCCESS
    }
}

fn look(arguments: &LintArguments) -> Report {
    let mut report = Report::default();
    for file in files::find(&arguments.files, &mut report.unreadable) {
        match file.read() {
            Ok(text) => {
                let settings = Settings {
                    document_type: arguments.document_type,
                    allowed: &arguments.allow,
                    is_named: file.is_named,
                };
                let checked = check::text(&file.name, &text, &settings);
                report.documents += checked.documents;
                report.findings.extend(checked.findings);
            }
            Err(reason) => report.unreadable.push(reason.to_string()),
        }
    }
    report
}

#[cfg(test)]
mod tests;
