//! The one list of cases that do not end as recorded, each with its reason. It is part of the product.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

const LIST: &str = include_str!("differences.toml");

/// How a listed case ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// The Document or the Command is not admitted.
    Refused,
    /// It runs, and the answer is another.
    Differs,
}

/// One entry.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The case's name.
    case: String,
    /// How it ends.
    pub sort: Sort,
    /// Why a user is better off.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    difference: Vec<Difference>,
}

/// The list, by case.
#[derive(Debug, Default)]
pub struct Differences(BTreeMap<String, Difference>);

impl Differences {
    /// The project's list.
    pub fn read() -> anyhow::Result<Self> {
        Self::parse(LIST).context("e2e/conformance/differences.toml")
    }

    /// Reads a list. Each case is in it once, with a reason.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut by_case = BTreeMap::new();
        for difference in toml::from_str::<List>(text)?.difference {
            let case = difference.case.clone();
            ensure!(!difference.reason.trim().is_empty(), "{case} has no reason");
            ensure!(by_case.insert(case.clone(), difference).is_none(), "{case} is listed twice");
        }
        Ok(Self(by_case))
    }

    /// What is listed for a case.
    pub fn get(&self, case: &str) -> Option<&Difference> {
        self.0.get(case)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projects_list_can_be_read() {
        Differences::read().unwrap();
    }

    #[test]
    fn a_case_without_a_reason_or_listed_twice_is_an_error() {
        let entry = "[[difference]]\ncase = '001-a'\nsort = 'refused'\nreason = 'because'\n";
        assert_eq!(Differences::parse(entry).unwrap().get("001-a").unwrap().sort, Sort::Refused);
        assert!(Differences::parse(&entry.repeat(2)).unwrap_err().to_string().contains("twice"));
        assert!(
            Differences::parse(&entry.replace("because", " ")).unwrap_err().to_string().contains("reason")
        );
    }
}
