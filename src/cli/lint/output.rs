//! How findings are written.

use std::io::{self, Write};

use super::Report;
use super::finding::{Finding, Severity};
use crate::args::Format;

/// Writes all findings to stdout, and for people a summary to stderr. That nobody reads on is no error.
pub fn write(report: &Report, format: Format) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = match format {
        Format::Human => human(&report.findings, &mut out),
        Format::Json => json(&report.findings, &mut out),
    };
    if format == Format::Human {
        say(&summary(report));
    }
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes a line to stderr, if anybody listens.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn human(findings: &[Finding], out: &mut impl Write) -> io::Result<()> {
    findings.iter().try_for_each(|finding| writeln!(out, "{finding}"))
}

fn json(findings: &[Finding], out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, findings)?;
    writeln!(out)
}

/// `3 documents: 1 error, 2 warnings`
pub fn summary(report: &Report) -> String {
    let count = |severity| report.findings.iter().filter(|finding| finding.severity == severity).count();
    format!(
        "{}: {}, {}",
        counted(report.documents, "document"),
        counted(count(Severity::Error), "error"),
        counted(count(Severity::Warning), "warning")
    )
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
