//! What a node answered: the real agent, as recorded, and ours, as the archive has it.

use serde::Deserialize;
use serde_json::Value;

use super::case::repeated;

/// A recorded answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Golden {
    /// `Success`, `Failed`, `TimedOut` or `Cancelled`.
    pub document_status: String,
    /// In the order they were reported.
    pub steps: Vec<GoldenStep>,
}

/// A recorded step.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
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

impl Golden {
    /// Reads an answer of `golden.json`.
    pub fn read(answer: &Value) -> anyhow::Result<Self> {
        let mut golden: Self = serde_json::from_value(answer.clone())?;
        for step in &mut golden.steps {
            for text in [&mut step.standard_output, &mut step.standard_error, &mut step.output] {
                if let Text::Whole(text) = text {
                    *text = repeated(text)?;
                }
            }
        }
        golden.forget_reports_before_a_reboot();
        Ok(golden)
    }

    /// A step that asks for a reboot is reported twice; the archive has how it ended after all.
    fn forget_reports_before_a_reboot(&mut self) {
        let steps = std::mem::take(&mut self.steps);
        let ended_later = |index: usize, step: &GoldenStep| {
            let later = steps.get(index + 1..).unwrap_or_default();
            step.status == "SuccessAndReboot" && later.iter().any(|other| other.id == step.id)
        };
        let keep: Vec<bool> =
            steps.iter().enumerate().map(|(index, step)| !ended_later(index, step)).collect();
        self.steps = steps.into_iter().zip(keep).filter_map(|(step, keep)| keep.then_some(step)).collect();
    }
}

/// What came of a case in the flow.
#[derive(Debug, Clone)]
pub enum Answer {
    /// It ran.
    Ran(Ran),
    /// It was not admitted, for this reason.
    Refused(String),
    /// It did not come to an end that could be read.
    Lost(String),
    /// It could not be tried: it needs this.
    NotRun(String),
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
