//! What a node answered: the real agent, as recorded, and ours, as the archive has it.

use serde::Deserialize;
use serde_json::Value;

use super::case::repeated;

/// A recorded answer. Whatever the recording leaves out is empty.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Golden {
    /// `Success`, `Failed`, `TimedOut` or `Cancelled`; `InProgress` or nothing where no end was recorded.
    pub document_status: Option<String>,
    /// In the order they were reported.
    pub steps: Vec<GoldenStep>,
}

/// A recorded step.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GoldenStep {
    /// The step's name.
    pub id: String,
    /// Its plugin.
    pub name: String,
    /// How it ended.
    pub status: String,
    /// Its exit code.
    pub code: i64,
    /// At most 24,000 characters.
    pub standard_output: Text,
    /// The same of the other stream.
    pub standard_error: Text,
    /// Both, at most 2,500 characters.
    pub output: Text,
    /// `<=7 s`: at most so long.
    pub took: Option<String>,
}

/// A text, or what identifies a long one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// All of it.
    Whole(String),
    /// A long one.
    Long {
        /// In characters.
        length: usize,
        /// In bytes.
        bytes: usize,
        /// Lower-case hex.
        sha256: String,
        /// How it begins.
        head: String,
        /// How it ends.
        tail: String,
    },
}

impl Default for Text {
    fn default() -> Self {
        Self::Whole(String::new())
    }
}

impl Golden {
    /// Reads an answer of `golden.json`.
    pub fn read(answer: &Value) -> anyhow::Result<Self> {
        let mut golden: Self = serde_json::from_value(without_nulls(answer))?;
        for step in &mut golden.steps {
            for text in [&mut step.standard_output, &mut step.standard_error, &mut step.output] {
                if let Text::Whole(text) = text {
                    *text = repeated(text)?;
                }
            }
        }
        golden.keep_last_reports();
        Ok(golden)
    }

    /// Whether the run ended while it was recorded.
    pub fn has_end(&self) -> bool {
        self.document_status.as_deref().is_some_and(|status| !matches!(status, "" | "InProgress" | "Pending"))
    }

    /// A step may be reported twice, as before and after a reboot; the archive has how it ended after all.
    fn keep_last_reports(&mut self) {
        let mut last: Vec<GoldenStep> = Vec::new();
        for step in std::mem::take(&mut self.steps) {
            match last.iter_mut().find(|earlier| earlier.id == step.id && earlier.name == step.name) {
                Some(earlier) => *earlier = step,
                None => last.push(step),
            }
        }
        self.steps = last;
    }
}

/// What is null was not recorded.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter().filter(|(_, value)| !value.is_null());
            members.map(|(key, value)| (key.clone(), without_nulls(value))).collect()
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

/// What came of a case in the flow.
#[derive(Debug, Clone)]
pub enum Answer {
    /// It ran.
    Ran(Ran),
    /// It was not admitted, for this reason.
    Refused(String),
    /// It could not be tried, or did not come to an end that could be read.
    Lost(String),
}

/// Our answer, with names and paths as the recording has them.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The Invocation's status.
    pub status: String,
    /// Why, where no step says it.
    pub message: String,
    /// As `result.json` has them.
    pub steps: Vec<Step>,
}

/// One step of `result.json`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Its plugin.
    pub action: String,
    /// How it ended.
    pub status: String,
    /// Its exit code.
    pub response_code: i64,
    /// Both streams merged.
    pub output: String,
    /// The longer text.
    pub standard_output_content: String,
    /// The same of the other stream.
    pub standard_error_content: String,
    /// By the node's clock.
    pub started_unix_ms: i64,
    /// By the node's clock.
    pub ended_unix_ms: i64,
}

/// What is read of `result.json`.
#[derive(Debug, Deserialize)]
pub struct ResultFile {
    /// Why, where no step says it.
    pub message: String,
    /// In order.
    pub steps: Vec<Step>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_that_never_came_can_be_read() {
        for answer in
            [json!({}), json!({ "documentStatus": null, "steps": null }), json!({ "documentStatus": "" })]
        {
            assert!(!Golden::read(&answer).unwrap().has_end(), "{answer}");
        }
        let step = json!({ "id": "a", "code": null, "output": null, "more": 1 });
        let golden = Golden::read(&json!({ "documentStatus": "Failed", "steps": [step] })).unwrap();
        assert!(golden.has_end() && golden.steps[0].output == Text::default());
    }
}
