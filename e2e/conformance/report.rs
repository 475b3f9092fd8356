//! What came of all cases: right or wrong, in lines for a person.

use std::fmt::{self, Display};

use super::answer::{Answer, Golden};
use super::compare;
use super::differences::{Difference, Differences, Sort};

/// What came of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As recorded.
    Same,
    /// Not admitted, as listed.
    Refused {
        /// As the user is told.
        message: String,
    },
    /// Another answer, as listed.
    Differs,
    /// Wrong: each line says what.
    Wrong(Vec<String>),
    /// It asks for what the flow does not have.
    NotRun(String),
}

impl Outcome {
    /// Judges an answer by the recording and by what is listed.
    pub fn of(recorded: &[Golden], answer: &Answer, listed: Option<&Difference>) -> Self {
        match (answer, listed) {
            (Answer::NotRun(needs), _) => Self::NotRun(needs.clone()),
            (Answer::Lost(reason), _) => wrong(format!("no answer: {reason}")),
            (Answer::Refused(message), Some(Difference { sort: Sort::Refused, .. })) => {
                Self::Refused { message: message.clone() }
            }
            (Answer::Refused(message), Some(_)) => {
                wrong(format!("listed as a difference, but it was refused: {message}"))
            }
            (Answer::Refused(message), None) => wrong(format!("refused: {message}")),
            (Answer::Ran(ran), listed) => {
                let differences = compare::differences(recorded, ran);
                match (differences.is_empty(), listed.map(|listed| listed.sort)) {
                    (true, None) => Self::Same,
                    (true, Some(_)) => wrong("listed, but it agrees: take it off the list".to_owned()),
                    (false, Some(Sort::Differs)) => Self::Differs,
                    (false, Some(Sort::Refused)) => wrong("listed as refused, but it ran".to_owned()),
                    (false, None) => Self::Wrong(differences),
                }
            }
        }
    }

    /// Whether it may stay so.
    pub fn is_right(&self) -> bool {
        matches!(self, Self::Same | Self::Refused { .. } | Self::Differs)
    }
}

fn wrong(line: String) -> Outcome {
    Outcome::Wrong(vec![line])
}

/// All cases in order.
#[derive(Debug, Default)]
pub struct Report {
    outcomes: Vec<(String, Outcome, Option<String>)>,
}

impl Report {
    /// Adds a case.
    pub fn add(&mut self, case: &str, recorded: &[Golden], answer: &Answer, list: &Differences) {
        let listed = list.get(case);
        let outcome = Outcome::of(recorded, answer, listed);
        self.outcomes.push((case.to_owned(), outcome, listed.map(|listed| listed.reason.clone())));
    }

    /// Whether every case is right, and there was one.
    pub fn is_right(&self) -> bool {
        !self.outcomes.is_empty() && self.outcomes.iter().all(|(_, outcome, _)| outcome.is_right())
    }

    fn count(&self, is: impl Fn(&Outcome) -> bool) -> usize {
        self.outcomes.iter().filter(|(_, outcome, _)| is(outcome)).count()
    }
}

impl Display for Report {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (case, outcome, reason) in &self.outcomes {
            let reason = reason.as_deref().unwrap_or_default();
            match outcome {
                Outcome::Same => {}
                Outcome::Refused { message } => {
                    writeln!(
                        to,
                        "refused as listed  {case}: {}\n  it says: {}",
                        reason.trim(),
                        one_line(message)
                    )?;
                }
                Outcome::Differs => writeln!(to, "differs as listed  {case}: {}", reason.trim())?,
                Outcome::NotRun(needs) => writeln!(to, "NOT RUN  {case}: it needs {needs}")?,
                Outcome::Wrong(lines) => {
                    writeln!(to, "WRONG  {case}")?;
                    lines.iter().try_for_each(|line| writeln!(to, "  {line}"))?;
                }
            }
        }
        write!(
            to,
            "{} cases: {} the same, {} refused as listed, {} differ as listed, {} wrong, {} not run",
            self.outcomes.len(),
            self.count(|outcome| *outcome == Outcome::Same),
            self.count(|outcome| matches!(outcome, Outcome::Refused { .. })),
            self.count(|outcome| *outcome == Outcome::Differs),
            self.count(|outcome| matches!(outcome, Outcome::Wrong(_))),
            self.count(|outcome| matches!(outcome, Outcome::NotRun(_))),
        )
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::answer::Ran;
    use super::*;

    const LIST: &str = "
        [[difference]]\ncase = 'refused'\nsort = 'refused'\nreason = 'r'
        [[difference]]\ncase = 'differs'\nsort = 'differs'\nreason = 'd'";

    fn judge(case: &str, answer: &Answer) -> Outcome {
        let list = Differences::parse(LIST).unwrap();
        let recorded = Golden::read(&json!({ "documentStatus": "Success", "steps": [] })).unwrap();
        Outcome::of(&[recorded], answer, list.get(case))
    }

    fn ran(status: &str) -> Answer {
        Answer::Ran(Ran { status: status.into(), message: String::new(), steps: Vec::new() })
    }

    #[test]
    fn an_unlisted_case_is_right_only_when_it_is_the_same() {
        assert_eq!(judge("other", &ran("Success")), Outcome::Same);
        assert!(!judge("other", &ran("Failed")).is_right());
        assert!(!judge("other", &Answer::Refused("no".into())).is_right());
        assert!(!judge("other", &Answer::NotRun("a web server".into())).is_right());
    }

    #[test]
    fn a_listed_case_is_right_only_in_the_listed_way() {
        assert!(judge("refused", &Answer::Refused("no".into())).is_right());
        assert!(!judge("refused", &ran("Failed")).is_right());
        assert!(judge("differs", &ran("Failed")).is_right());
        assert!(!judge("differs", &Answer::Refused("no".into())).is_right());
    }

    #[test]
    fn a_listed_case_that_agrees_is_wrong() {
        assert!(!judge("differs", &ran("Success")).is_right());
        assert!(!judge("refused", &ran("Success")).is_right());
    }

    #[test]
    fn the_last_line_counts_by_outcome_and_nothing_run_is_not_right() {
        let list = Differences::parse(LIST).unwrap();
        let mut report = Report::default();
        assert!(!report.is_right());
        report.add("differs", &[], &ran("Failed"), &list);
        assert!(report.is_right());
        report.add("other", &[], &Answer::Refused("no such thing".into()), &list);
        let text = report.to_string();
        assert!(text.contains("WRONG  other\n  refused: no such thing"), "{text}");
        assert!(
            text.ends_with(
                "2 cases: 0 the same, 0 refused as listed, 1 differ as listed, 1 wrong, 0 not run"
            )
        );
    }
}
