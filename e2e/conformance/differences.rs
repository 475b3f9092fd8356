//! The one list of what does not end as recorded, each with its reason. It is part of the product.
//!
//! A document that is not admitted is judged by what the user is told: the message has to be one for which the list
//! says why AWS, or a user, would have it so. What runs and ends otherwise is listed case by case, but for two sorts of
//! difference that follow from the recording itself.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use regex::Regex;
use serde::Deserialize;

use super::answer::Golden;
use super::case::Case;

const LIST: &str = include_str!("differences.toml");

/// A message of a refusal, and why it is right.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// What the message says, as a regular expression.
    #[serde(deserialize_with = "pattern")]
    says: Regex,
    /// Whether it is right even where the real agent ran the document well.
    #[serde(default)]
    also_what_ran_well: bool,
    /// Why AWS, or a user, would have it so.
    pub reason: String,
}

/// What a difference is listed by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Subject {
    /// The case of this name: all of it.
    Case(String),
    /// Cases whose document has this text in it: all of them.
    Mentions(String),
    /// Steps of this plugin: their texts, not how they end.
    Plugin(String),
    /// Texts whose recording has this in it: a sentence of the agent's own, which ours words otherwise.
    Wording(String),
    /// Cases with a parameter's value that no Command can carry.
    ValuesBeyondTheApi,
    /// Cases that send a value for a parameter whose name is not letters and digits alone.
    ValuesOfOddNames,
    /// Cases whose end was not recorded.
    NoRecordedEnd,
}

/// What runs and differs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    of: Subject,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    refusal: Vec<Refusal>,
    difference: Vec<Difference>,
}

/// The list.
#[derive(Debug)]
pub struct Differences {
    refusals: Vec<Refusal>,
    reasons: BTreeMap<Subject, String>,
}

impl Differences {
    /// The project's list.
    pub fn read() -> anyhow::Result<Self> {
        Self::parse(LIST).context("e2e/conformance/differences.toml")
    }

    /// Reads a list. Everything is in it once, with a reason.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let List { refusal: refusals, difference } = toml::from_str(text)?;
        for refusal in &refusals {
            ensure!(!refusal.reason.trim().is_empty(), "{:?} has no reason", refusal.says.as_str());
        }
        let mut reasons = BTreeMap::new();
        for Difference { of, reason } in difference {
            ensure!(!reason.trim().is_empty(), "{of:?} has no reason");
            ensure!(reasons.insert(of.clone(), reason).is_none(), "{of:?} is listed twice");
        }
        Ok(Self { refusals, reasons })
    }

    /// Why it is right to refuse, with this message, what was recorded so.
    pub fn refusal(&self, message: &str, recorded: &[Golden]) -> Option<&str> {
        let ran_well = recorded.iter().any(|answer| answer.document_status.as_deref() == Some("Success"));
        let right =
            |refusal: &&Refusal| refusal.says.is_match(message) && (refusal.also_what_ran_well || !ran_well);
        self.refusals.iter().find(right).map(|refusal| refusal.reason.trim())
    }

    /// What is listed for exactly this case.
    pub fn of_case(&self, name: &str) -> Option<&str> {
        self.reason(&Subject::Case(name.to_owned()))
    }

    /// What is listed for a text of a plugin's step that was recorded so.
    pub fn of_text(&self, plugin: &str, recorded: &str) -> Option<&str> {
        self.reason(&Subject::Plugin(plugin.to_owned())).or_else(|| {
            self.found(|subject| matches!(subject, Subject::Wording(words) if recorded.contains(words)))
        })
    }

    /// What is listed for the sort of case that this one is of.
    pub fn of_sort(&self, case: &Case, recorded: &[Golden]) -> Option<&str> {
        let document = case.document.to_string();
        let mentioned =
            self.found(|subject| matches!(subject, Subject::Mentions(text) if document.contains(text)));
        if mentioned.is_some() {
            return mentioned;
        }
        if case.sends_what_no_command_can() {
            return self.reason(&Subject::ValuesBeyondTheApi);
        }
        if case.sends_to_odd_names() {
            return self.reason(&Subject::ValuesOfOddNames);
        }
        self.of_no_end(recorded)
    }

    /// What is listed for cases whose end was not recorded, if this is one.
    pub fn of_no_end(&self, recorded: &[Golden]) -> Option<&str> {
        let has_no_end = !recorded.is_empty() && !recorded.iter().any(Golden::has_end);
        if has_no_end { self.reason(&Subject::NoRecordedEnd) } else { None }
    }

    fn found(&self, is_it: impl Fn(&Subject) -> bool) -> Option<&str> {
        self.reasons.iter().find(|(subject, _)| is_it(subject)).map(|(_, reason)| reason.trim())
    }

    fn reason(&self, subject: &Subject) -> Option<&str> {
        self.reasons.get(subject).map(|reason| reason.trim())
    }
}

fn pattern<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Regex, D::Error> {
    Regex::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn recorded(status: &str) -> Vec<Golden> {
        vec![Golden::read(&json!({ "documentStatus": status })).unwrap()]
    }

    #[test]
    fn the_projects_list_can_be_read() {
        Differences::read().unwrap();
    }

    #[test]
    fn what_has_no_reason_or_is_listed_twice_is_an_error() {
        let entry = "refusal = []\n[[difference]]\nof = { case = '001-a' }\nreason = 'because'\n";
        assert_eq!(Differences::parse(entry).unwrap().of_case("001-a"), Some("because"));
        let twice = entry.to_owned() + "[[difference]]\nof = { case = '001-a' }\nreason = 'x'\n";
        assert!(Differences::parse(&twice).unwrap_err().to_string().contains("twice"));
        let without = entry.replace("because", " ");
        assert!(Differences::parse(&without).unwrap_err().to_string().contains("no reason"));
    }

    #[test]
    fn a_refusal_is_right_by_its_message_and_seldom_for_what_ran_well() {
        let list = Differences::parse(
            "difference = []
            [[refusal]]\nsays = 'is empty$'\nreason = 'AWS too'
            [[refusal]]\nsays = 'not a parameter'\nreason = 'a typing error'\nalso_what_ran_well = true",
        )
        .unwrap();
        assert_eq!(list.refusal("mainSteps: is empty", &recorded("Failed")), Some("AWS too"));
        assert_eq!(list.refusal("mainSteps: is empty", &recorded("Success")), None);
        assert_eq!(list.refusal("x is not a parameter", &recorded("Success")), Some("a typing error"));
        assert_eq!(list.refusal("something else", &recorded("Failed")), None);
    }

    #[test]
    fn a_text_may_be_worded_otherwise_by_its_plugin_or_by_what_it_says() {
        let list = Differences::parse(
            "refusal = []
            [[difference]]\nof = { plugin = 'aws:other' }\nreason = 'p'
            [[difference]]\nof = { wording = 'File is empty!' }\nreason = 'w'",
        )
        .unwrap();
        assert_eq!(list.of_text("aws:other", "anything"), Some("p"));
        assert_eq!(list.of_text("aws:runDocument", "there was - File is empty!"), Some("w"));
        assert_eq!(list.of_text("aws:runDocument", "anything"), None);
    }

    #[test]
    fn sorts_of_cases_are_known_by_what_they_send_and_by_what_was_recorded() {
        let list = Differences::parse(
            "refusal = []
            [[difference]]\nof = 'values-beyond-the-api'\nreason = 'texts'
            [[difference]]\nof = 'no-recorded-end'\nreason = 'ours ends'
            [[difference]]\nof = { mentions = 'ENV_VAR' }\nreason = 'newer'",
        )
        .unwrap();
        let case = |yaml| Case::read("001-x", yaml).unwrap();
        let (plain, number) = (case("document: {}"), case("document: {}\nparameters: {p: 5}"));
        assert_eq!(list.of_sort(&plain, &recorded("Success")), None);
        assert_eq!(list.of_sort(&plain, &recorded("InProgress")), Some("ours ends"));
        assert_eq!(list.of_sort(&number, &recorded("Success")), Some("texts"));
        let newer = case("document: {parameters: {p: {interpolationType: ENV_VAR}}}");
        assert_eq!(list.of_sort(&newer, &recorded("Success")), Some("newer"));
    }
}
