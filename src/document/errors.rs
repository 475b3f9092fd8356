//! What is wrong with a document or with a Command's parameters: every problem at once, each with its place.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where, such as `mainSteps[2].inputs.runCommand` or `parameters.port[0]`; empty for the document as a whole.
    pub path: String,
    /// What was found, what is allowed and, where it can be told, how to mend it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            formatter.write_str(&self.message)
        } else {
            write!(formatter, "{}: {}", self.path, self.message)
        }
    }
}

/// All problems that were found, at least one, in the order of the document. Displayed one a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(transparent)]
pub struct Errors(pub Vec<Problem>);

impl fmt::Display for Errors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            problem.fmt(formatter)?;
        }
        Ok(())
    }
}

impl Errors {
    /// A single problem.
    pub(crate) fn one(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self(vec![Problem { path: path.into(), message: message.into() }])
    }
}

/// Gathers problems while reading goes on.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    pub(crate) fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem { path: path.into(), message: message.into() });
    }

    /// The value if it is there and nothing was wrong.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Errors> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Errors(self.0)),
        }
    }
}

/// The path of `key` in the object at `path`.
pub(crate) fn member(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-:$".contains(c));
    match (plain, path.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{path}.{key}"),
        (false, _) => format!("{path}[{}]", quoted(key)),
    }
}

/// The path of an element of the list at `path`.
pub(crate) fn element(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// A user's text in quotes, cut where it would make the message hard to read.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// A value in words, with the value itself where it is short.
pub(crate) fn described(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("the boolean {value}"),
        Value::Number(value) => format!("the number {value}"),
        Value::String(value) => format!("the string {}", quoted(value)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_shown_one_a_line_with_their_place() {
        let mut problems = Problems::default();
        problems.add("mainSteps[0].name", "is missing");
        problems.add("", "the text is empty");
        let errors = problems.finish(Some(())).unwrap_err();
        assert_eq!(errors.to_string(), "mainSteps[0].name: is missing\nthe text is empty");
        let json = serde_json::to_value(&errors).unwrap();
        assert_eq!(json[0]["path"], "mainSteps[0].name");
    }

    #[test]
    fn keys_that_are_no_plain_words_are_quoted_in_paths() {
        assert_eq!(member("parameters", "port"), "parameters.port");
        assert_eq!(member("parameters", "a b"), "parameters[\"a b\"]");
        assert_eq!(member("", "mainSteps"), "mainSteps");
    }

    #[test]
    fn long_texts_are_cut_in_messages() {
        let message = described(&Value::String("é".repeat(500)));
        assert!(message.chars().count() < 120, "{message}");
    }
}
