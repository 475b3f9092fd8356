//! What came of all cases: right or wrong, in lines for a person.

use std::fmt::{self, Display};

use super::answer::Answer;
use super::compare;
use super::differences::Differences;
use super::folder::Recorded;

/// What came of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As recorded.
    Same,
    /// Not admitted, as listed.
    Refused {
        /// As the user is told.
        message: String,
        /// Why that is right.
        reason: String,
    },
    /// Another answer, as listed.
    Differs {
        /// Why that is right.
        reason: String,
    },
    /// Wrong: each line says what.
    Wrong(Vec<String>),
}

impl Outcome {
    /// Judges an answer by the recording and by what is listed.
    pub fn of(recorded: &Recorded, answer: &Answer, list: &Differences) -> Self {
        let listed = list.of_case(&recorded.case.name);
        match answer {
            Answer::Lost(reason) => wrong(format!("no answer: {reason}")),
            Answer::Refused(message) if listed.is_some() => {
                wrong(format!("listed as a difference, but it was refused: {message}"))
            }
            Answer::Refused(message) => {
                match list.refusal(message, &recorded.answers).or_else(|| list.of_no_end(&recorded.answers)) {
                    Some(reason) => Self::Refused { message: message.clone(), reason: reason.to_owned() },
                    None => wrong(format!("refused: {message}")),
                }
            }
            Answer::Ran(ran) => {
                let found = compare::differences(&recorded.answers, ran);
                let sort = || list.of_sort(&recorded.case, &recorded.answers);
                match (found.is_empty(), listed) {
                    (true, None) => Self::Same,
                    (true, Some(_)) => wrong("listed, but it agrees: take it off the list".to_owned()),
                    (false, listed) => match listed.or_else(sort).or_else(|| of_texts(&found, list)) {
                        Some(reason) => Self::Differs { reason: reason.to_owned() },
                        None => Self::Wrong(found.into_iter().map(|found| found.shown).collect()),
                    },
                }
            }
        }
    }

    /// Whether it may stay so.
    pub fn is_right(&self) -> bool {
        !matches!(self, Self::Wrong(_))
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Refused { .. } => "refused",
            Self::Differs { .. } => "differs",
            Self::Wrong(_) => "WRONG",
        }
    }
}

/// Why all that differs may: it is texts, and each of them is listed.
fn of_texts<'a>(found: &[compare::Difference], list: &'a Differences) -> Option<&'a str> {
    let mut reasons = found.iter().map(|found| {
        let recorded = found.text.as_ref()?;
        list.of_text(&recorded.plugin, &recorded.text)
    });
    let first = reasons.next()??;
    reasons.all(|reason| reason.is_some()).then_some(first)
}

fn wrong(line: String) -> Outcome {
    Outcome::Wrong(vec![line])
}

/// All cases in order.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    case: String,
    /// How the document ended on the real agent, and here.
    recorded: String,
    ours: String,
    outcome: Outcome,
}

impl Report {
    /// Adds a case.
    pub fn add(&mut self, recorded: &Recorded, answer: &Answer, list: &Differences) {
        let first = recorded.answers.first().and_then(|answer| answer.document_status.clone());
        let ours = match answer {
            Answer::Ran(ran) => ran.status.clone(),
            Answer::Refused(_) => "refused".to_owned(),
            Answer::Lost(_) => "none".to_owned(),
        };
        self.rows.push(Row {
            case: recorded.case.name.clone(),
            recorded: first.unwrap_or_else(|| "none".to_owned()),
            ours,
            outcome: Outcome::of(recorded, answer, list),
        });
    }

    /// Whether every case is right, and there was one.
    pub fn is_right(&self) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|row| row.outcome.is_right())
    }

    fn count(&self, word: &str) -> usize {
        self.rows.iter().filter(|row| row.outcome.word() == word).count()
    }
}

impl Display for Report {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "{:<36} {:<12} {:<12}", "case", "SSM agent", "Keelson")?;
        for Row { case, recorded, ours, outcome } in &self.rows {
            write!(to, "{case:<36} {recorded:<12} {ours:<12} {:<8}", outcome.word())?;
            match outcome {
                Outcome::Same | Outcome::Wrong(_) => writeln!(to)?,
                Outcome::Differs { reason } => writeln!(to, " {reason}")?,
                Outcome::Refused { message, reason } => {
                    writeln!(to, " {reason}\n    it says: {}", one_line(message))?;
                }
            }
        }
        for row in &self.rows {
            let Outcome::Wrong(lines) = &row.outcome else { continue };
            writeln!(to, "\nWRONG  {}", row.case)?;
            lines.iter().try_for_each(|line| writeln!(to, "  {line}"))?;
        }
        write!(
            to,
            "\n{} cases: {} the same, {} refused as listed, {} differ as listed, {} wrong",
            self.rows.len(),
            self.count("same"),
            self.count("refused"),
            self.count("differs"),
            self.count("WRONG"),
        )
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::answer::{Golden, Ran, Step};
    use super::super::case::Case;
    use super::*;

    const LIST: &str = "
        [[refusal]]\nsays = 'typing error'\nreason = 'r'\nalso_what_ran_well = true
        [[difference]]\nof = { case = 'listed' }\nreason = 'd'
        [[difference]]\nof = { plugin = 'aws:other' }\nreason = 'p'";

    fn recorded(name: &str) -> Recorded {
        let step = |name: &str, output: &str| json!({ "id": name, "name": name, "status": "Success", "output": output });
        let steps = [step("aws:other", "recorded"), step("aws:runShellScript", "one\n")];
        let answer = json!({ "documentStatus": "Success", "steps": steps });
        let case = Case { name: name.into(), ..Case::default() };
        Recorded { case, answers: vec![Golden::read(&answer).unwrap()], unreadable: None }
    }

    fn ran(other: &str, script: &str) -> Answer {
        let step = |name: &str, output: &str| Step {
            name: name.into(),
            action: name.into(),
            status: "Success".into(),
            output: output.into(),
            ..Step::default()
        };
        let steps = vec![step("aws:other", other), step("aws:runShellScript", script)];
        Answer::Ran(Ran { status: "Success".into(), message: String::new(), steps })
    }

    fn judge(case: &str, answer: &Answer) -> Outcome {
        Outcome::of(&recorded(case), answer, &Differences::parse(LIST).unwrap())
    }

    #[test]
    fn an_unlisted_case_is_right_only_when_it_is_the_same() {
        assert_eq!(judge("any", &ran("recorded", "one\n")), Outcome::Same);
        assert!(!judge("any", &ran("recorded", "two\n")).is_right());
        assert!(!judge("any", &Answer::Lost("it did not end".into())).is_right());
    }

    #[test]
    fn a_refusal_is_right_by_what_it_says() {
        assert!(judge("any", &Answer::Refused("it is a typing error".into())).is_right());
        assert!(!judge("any", &Answer::Refused("no".into())).is_right());
        assert!(!judge("listed", &Answer::Refused("it is a typing error".into())).is_right());
    }

    #[test]
    fn a_listed_case_that_agrees_is_wrong() {
        assert!(judge("listed", &ran("recorded", "two\n")).is_right());
        assert!(!judge("listed", &ran("recorded", "one\n")).is_right());
    }

    #[test]
    fn texts_of_a_listed_plugin_may_differ_and_no_others() {
        assert_eq!(judge("any", &ran("ours", "one\n")), Outcome::Differs { reason: "p".into() });
        assert!(!judge("any", &ran("ours", "two\n")).is_right());
    }

    #[test]
    fn the_last_line_counts_by_outcome_and_nothing_run_is_not_right() {
        let list = Differences::parse(LIST).unwrap();
        let mut report = Report::default();
        assert!(!report.is_right());
        report.add(&recorded("listed"), &ran("recorded", "two\n"), &list);
        assert!(report.is_right());
        report.add(&recorded("other"), &Answer::Refused("no such thing".into()), &list);
        let text = report.to_string();
        assert!(text.contains("WRONG  other\n  refused: no such thing"), "{text}");
        assert!(
            text.ends_with("2 cases: 0 the same, 0 refused as listed, 1 differ as listed, 1 wrong"),
            "{text}"
        );
    }
}
