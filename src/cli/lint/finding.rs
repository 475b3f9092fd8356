//! One thing that was found, with its place.

use std::fmt;

use keelson_document::lint::Warning;
use keelson_document::{Position, Problem};
use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The document cannot be used.
    Error,
    /// It can, and it does harm.
    Warning,
}

impl Severity {
    fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// An error or a warning. Its fields are those of an object of the JSON output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file as it was named; `<stdin>` for standard input.
    pub file: String,
    /// The line, from 1; null where it is not known.
    pub line: Option<u32>,
    /// The column in characters, from 1.
    pub column: Option<u32>,
    /// How bad it is.
    pub severity: Severity,
    /// The rule of a warning; `invalid` for errors.
    pub code: &'static str,
    /// The path in the document; in a manifest it begins with `spec.content`.
    pub path: String,
    /// What was found and how to mend it.
    pub message: String,
}

impl Finding {
    /// An error.
    pub fn error(file: &str, problem: Problem) -> Self {
        Self::new(file, Severity::Error, "invalid", problem.path, problem.message, problem.position)
    }

    /// A warning, at a place.
    pub fn warning(file: &str, warning: Warning, position: Option<Position>) -> Self {
        Self::new(file, Severity::Warning, warning.code.as_str(), warning.path, warning.message, position)
    }

    fn new(
        file: &str,
        severity: Severity,
        code: &'static str,
        path: String,
        message: String,
        position: Option<Position>,
    ) -> Self {
        let (line, column) = position.map(|position| (position.line, position.column)).unzip();
        Self { file: file.to_owned(), line, column, severity, code, path, message }
    }
}

/// As compilers write it, so that editors find the place.
impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, severity, code, path, message } = self;
        formatter.write_str(file)?;
        if let (Some(line), Some(column)) = (line, column) {
            write!(formatter, ":{line}:{column}")?;
        }
        write!(formatter, ": {}: ", severity.as_str())?;
        if !path.is_empty() {
            write!(formatter, "{path}: ")?;
        }
        formatter.write_str(message)?;
        if *severity == Severity::Warning { write!(formatter, " [{code}]") } else { Ok(()) }
    }
}
