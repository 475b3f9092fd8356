//! Holds our answer against a recorded one and says, for a person, what differs.

use sha2::{Digest as _, Sha256};

use super::answer::{Golden, GoldenStep, Ran, Step, Text};

/// What a bound of whole seconds leaves to the clocks.
const SLACK_MILLISECONDS: i64 = 1000;

/// One thing that differs from a recorded answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The text that differs; none where it is something else that does.
    pub text: Option<RecordedText>,
    /// For a person.
    pub shown: String,
}

/// A text of a recorded step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedText {
    /// The step's plugin.
    pub plugin: String,
    /// The text; the beginning of a long one.
    pub text: String,
}

/// What differs from the recorded answer that is nearest; nothing if one is the same.
pub fn differences(answers: &[Golden], ran: &Ran) -> Vec<Difference> {
    let all = answers.iter().map(|golden| against(golden, ran));
    all.min_by_key(Vec::len).unwrap_or_else(|| vec![other("there is no recorded answer".to_owned())])
}

fn other(shown: String) -> Difference {
    Difference { text: None, shown }
}

fn against(golden: &Golden, ran: &Ran) -> Vec<Difference> {
    let mut found = Vec::new();
    let recorded = golden.document_status.as_deref().unwrap_or("nothing");
    if recorded != ran.status {
        let reason = if ran.message.is_empty() { String::new() } else { format!(" ({})", ran.message) };
        found.push(other(format!("document status: recorded {recorded}, ours {}{reason}", ran.status)));
    }
    if golden.steps.len() != ran.steps.len() {
        found.push(other(format!("steps: recorded {}, ours {}", golden.steps.len(), ran.steps.len())));
    }
    for (recorded, ours) in golden.steps.iter().zip(&ran.steps) {
        found.extend(step(recorded, ours));
    }
    found
}

fn step(recorded: &GoldenStep, ours: &Step) -> Vec<Difference> {
    let words = [
        ("id", recorded.id.clone(), ours.name.clone()),
        ("name", recorded.name.clone(), ours.action.clone()),
        ("status", recorded.status.clone(), ours.status.clone()),
        ("code", recorded.code.to_string(), ours.response_code.to_string()),
    ];
    let words = words
        .into_iter()
        .filter(|(_, recorded, ours)| recorded != ours)
        .map(|(what, recorded, ours)| format!("{what}: recorded {recorded}, ours {ours}"));
    let texts = [
        ("standardOutput", &recorded.standard_output, &ours.standard_output_content),
        ("standardError", &recorded.standard_error, &ours.standard_error_content),
        ("output", &recorded.output, &ours.output),
    ];
    let at = format!("step {:?} ", recorded.id);
    let texts = texts.into_iter().filter(|(_, text, ours)| !text.is(ours)).map(|(what, text, ours)| {
        let (was, is) = (text.shown(), text.beside(ours));
        let shown = format!("{at}{what}:\n    recorded {was}\n    ours     {is}");
        let plugin = recorded.name.clone();
        Difference { text: Some(RecordedText { plugin, text: text.beginning().to_owned() }), shown }
    });
    let words = words.chain(too_slow(recorded, ours)).map(|shown| other(at.clone() + &shown));
    words.chain(texts).collect()
}

fn too_slow(recorded: &GoldenStep, ours: &Step) -> Option<String> {
    let bound = recorded.took.as_deref()?.strip_prefix("<=")?.strip_suffix(" s")?.trim();
    let bound = bound.parse::<i64>().ok()? * 1000;
    let took = ours.ended_unix_ms - ours.started_unix_ms;
    (took > bound + SLACK_MILLISECONDS).then(|| format!("took {took} ms, recorded at most {bound} ms"))
}

impl Text {
    /// Whether the text is the recorded one.
    fn is(&self, ours: &str) -> bool {
        match self {
            Self::Whole(text) => text == ours,
            Self::Long { sha256, .. } => *sha256 == Text::long(ours).0,
        }
    }

    fn beginning(&self) -> &str {
        match self {
            Self::Whole(text) => text,
            Self::Long { head, .. } => head,
        }
    }

    fn long(text: &str) -> (String, String) {
        let digest = Sha256::digest(text);
        (format!("{digest:x}"), format!("{} characters, {} bytes", text.chars().count(), text.len()))
    }

    fn shown(&self) -> String {
        match self {
            Self::Whole(text) => format!("{text:?}"),
            Self::Long { length, bytes, sha256, head, tail } => {
                format!("{length} characters, {bytes} bytes, sha256 {sha256:.12}, {head:?} … {tail:?}")
            }
        }
    }

    /// Our text in the recorded one's form.
    fn beside(&self, ours: &str) -> String {
        let Self::Long { head, tail, .. } = self else { return format!("{ours:?}") };
        let (sha256, size) = Text::long(ours);
        let characters = |text: &str| text.chars().count();
        let beginning: String = ours.chars().take(characters(head)).collect();
        let end: String = ours.chars().skip(characters(ours).saturating_sub(characters(tail))).collect();
        format!("{size}, sha256 {sha256:.12}, {beginning:?} … {end:?}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn recorded(status: &str, output: &str) -> Golden {
        let step = json!({
            "id": "a", "name": "aws:runShellScript", "status": status, "code": 0,
            "standardOutput": output, "standardError": "", "output": output, "took": "<=2 s",
        });
        Golden::read(&json!({ "documentStatus": status, "steps": [step] })).unwrap()
    }

    fn ran(output: &str, milliseconds: i64) -> Ran {
        let step = Step {
            name: "a".into(),
            action: "aws:runShellScript".into(),
            status: "Success".into(),
            output: output.into(),
            standard_output_content: output.into(),
            ended_unix_ms: milliseconds,
            ..Step::default()
        };
        Ran { status: "Success".into(), message: String::new(), steps: vec![step] }
    }

    #[test]
    fn any_of_several_recorded_answers_is_right() {
        let answers = [recorded("Success", "one\n"), recorded("Success", "two\n")];
        assert_eq!(differences(&answers, &ran("two\n", 10)), []);
        assert_eq!(differences(&answers, &ran("three\n", 10)).len(), 2);
    }

    #[test]
    fn a_step_that_takes_longer_than_recorded_differs() {
        let found = differences(&[recorded("Success", "")], &ran("", 3500));
        assert_eq!(found, [other(r#"step "a" took 3500 ms, recorded at most 2000 ms"#.to_owned())]);
    }

    #[test]
    fn a_difference_of_texts_names_the_plugin() {
        let found = differences(&[recorded("Success", "one\n")], &ran("two\n", 10));
        assert_eq!(found.len(), 2);
        let text = RecordedText { plugin: "aws:runShellScript".into(), text: "one\n".into() };
        assert!(found.iter().all(|found| found.text.as_ref() == Some(&text)), "{found:?}");
    }

    #[test]
    fn a_long_text_is_compared_by_its_digest() {
        let text = "x".repeat(2000);
        let long = Text::Long {
            length: 2000,
            bytes: 2000,
            sha256: Text::long(&text).0,
            head: "x".repeat(10),
            tail: "x".repeat(10),
        };
        assert!(long.is(&text));
        assert!(!long.is(&"x".repeat(1999)));
        assert!(long.beside(&"y".repeat(1999)).starts_with("1999 characters, 1999 bytes"));
    }

    #[test]
    fn a_step_reported_before_and_after_a_reboot_is_compared_as_it_ended() {
        let step = |status| {
            json!({ "id": "a", "name": "p", "status": status, "code": 0, "standardOutput": "",
                    "standardError": "", "output": "" })
        };
        let golden =
            json!({ "documentStatus": "Success", "steps": [step("SuccessAndReboot"), step("Success")] });
        assert_eq!(Golden::read(&golden).unwrap().steps.len(), 1);
    }
}
