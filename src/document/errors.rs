//! What is wrong with a document or with a Command's parameters: every problem at once, each with its place.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::locations::{Locations, Position};

/// How many problems are told; nobody reads more at once, and a hostile document could have a great many.
const MOST_PROBLEMS: usize = 100;
/// How many steps of matching patterns a check takes, of which a text of 64 KiB and a usual pattern need a tenth.
const MOST_STEPS: u64 = 100_000_000;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where, such as `mainSteps[2].inputs.runCommand` or `parameters.port[0]`; empty for the document as a whole.
    pub path: String,
    /// What was found, what is allowed and, where it can be told, how to mend it.
    pub message: String,
    /// Where in the text, if the document was read from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(formatter, "{}: ", self.path)?;
        }
        formatter.write_str(&self.message)?;
        self.position.map_or(Ok(()), |position| write!(formatter, " ({position})"))
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
        Self(vec![Problem { path: path.into(), message: message.into(), position: None }])
    }

    /// A single problem whose place is known.
    pub(crate) fn at(path: impl Into<String>, message: impl Into<String>, position: Position) -> Self {
        Self(vec![Problem { path: path.into(), message: message.into(), position: Some(position) }])
    }

    /// The same problems with their places in the text that the document was read from.
    pub(crate) fn located(mut self, text: &str) -> Self {
        let locations = Locations::of(text);
        for problem in
            self.0.iter_mut().filter(|problem| problem.position.is_none() && !problem.path.is_empty())
        {
            problem.position = locations.find(&problem.path);
        }
        self
    }
}

/// Gathers problems while reading goes on.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: Vec<Problem>,
    /// How many there are beside those that are told.
    untold: usize,
    /// How many steps of matching patterns were asked for.
    steps: u64,
}

impl Problems {
    pub(crate) fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        if self.found.len() < MOST_PROBLEMS {
            self.found.push(Problem { path: path.into(), message: message.into(), position: None });
        } else {
            self.untold += 1;
        }
    }

    /// Whether so many problems are told already that one more would only be counted; then it is, and to word it
    /// would be in vain.
    pub(crate) fn is_told_enough(&mut self) -> bool {
        let enough = self.found.len() >= MOST_PROBLEMS;
        self.untold += usize::from(enough);
        enough
    }

    /// Whether so many steps of matching a pattern are within what a check may take.
    pub(crate) fn may_match(&mut self, steps: u64) -> bool {
        self.steps = self.steps.saturating_add(steps);
        self.steps <= MOST_STEPS
    }

    /// The value if it is there and nothing was wrong.
    pub(crate) fn finish<T>(mut self, value: Option<T>) -> Result<T, Errors> {
        if self.untold > 0 {
            let message = format!("and {} more problems", self.untold);
            self.found.push(Problem { path: String::new(), message, position: None });
        }
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            _ => Err(Errors(self.found)),
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
    quoted_up_to(text, LONGEST)
}

/// A user's text in quotes, cut to so many characters.
pub(crate) fn quoted_up_to(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
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
    fn a_place_in_the_text_is_shown_at_the_end() {
        let errors = Errors::one("b.c", "is missing").located("a: 1\nb: {}\n");
        assert_eq!(errors.to_string(), "b.c: is missing (line 2, column 1)");
        assert_eq!(serde_json::to_value(&errors).unwrap()[0]["position"]["line"], 2);
    }

    #[test]
    fn of_a_great_many_problems_the_first_are_told_and_the_rest_counted() {
        let mut problems = Problems::default();
        (0..150).for_each(|number| problems.add(element("a", number), "is wrong"));
        let text = problems.finish(Some(())).unwrap_err().to_string();
        assert_eq!(text.lines().count(), 101);
        assert!(text.starts_with("a[0]: is wrong\n") && text.ends_with("\nand 50 more problems"), "{text}");
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
