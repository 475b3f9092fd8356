//! Kubernetes' label selector, with Kubernetes' meaning.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::TargetError;
use super::labels::{is_label_key, valid_label_value};

/// A label selector as a user writes it. All of its parts have to hold; without parts it selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Labels that a node must have with these values.
    pub match_labels: BTreeMap<String, String>,
    /// Conditions on labels.
    pub match_expressions: Vec<LabelSelectorRequirement>,
}

/// A condition on one label.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelectorRequirement {
    /// The label's key.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// The values for `In` and `NotIn`; empty for the others.
    #[serde(default)]
    pub values: Vec<String>,
}

/// A checked selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ParsedSelector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operator {
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Exists,
    DoesNotExist,
}

impl LabelSelector {
    /// Checks the selector, which stands at `path`; adds what is wrong to `errors`.
    pub(super) fn parse(self, path: &str, errors: &mut Vec<TargetError>) -> ParsedSelector {
        let mut requirements = Vec::new();
        for (key, value) in self.match_labels {
            let path = format!("{path}.matchLabels[{key:?}]");
            check_key(&path, &key, errors);
            check_value(&path, &value, errors);
            requirements.push(Requirement { key, operator: Operator::In(BTreeSet::from([value])) });
        }
        for (index, requirement) in self.match_expressions.into_iter().enumerate() {
            requirements.extend(requirement.parse(&format!("{path}.matchExpressions[{index}]"), errors));
        }
        ParsedSelector(requirements)
    }
}

impl LabelSelectorRequirement {
    fn parse(self, path: &str, errors: &mut Vec<TargetError>) -> Option<Requirement> {
        check_key(&format!("{path}.key"), &self.key, errors);
        for (index, value) in self.values.iter().enumerate() {
            check_value(&format!("{path}.values[{index}]"), value, errors);
        }
        let needs_values = matches!(self.operator.as_str(), "In" | "NotIn");
        let values: BTreeSet<String> = self.values.into_iter().collect();
        let operator = match self.operator.as_str() {
            "In" => Operator::In(values.clone()),
            "NotIn" => Operator::NotIn(values.clone()),
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            other => {
                let found = format!("unknown operator {other:?}");
                let allowed = "use In, NotIn, Exists, or DoesNotExist";
                errors.push(TargetError::new(format!("{path}.operator"), found, allowed));
                return None;
            }
        };
        if needs_values == values.is_empty() {
            let (found, mend) = if needs_values { ("no values", "at least one") } else { ("values", "none") };
            let allowed = format!("operator {} takes {mend}", self.operator);
            errors.push(TargetError::new(format!("{path}.values"), found, allowed));
        }
        Some(Requirement { key: self.key, operator })
    }
}

fn check_key(path: &str, key: &str, errors: &mut Vec<TargetError>) {
    if !is_label_key(key) {
        let allowed = "letters, digits, '-', '_' and '.', 63 at most, perhaps after a domain and '/'";
        errors.push(TargetError::new(path, format!("{key:?} cannot be a label's key"), allowed));
    }
}

fn check_value(path: &str, value: &str, errors: &mut Vec<TargetError>) {
    if !valid_label_value(value) {
        let allowed = "letters, digits, '-', '_' and '.', 63 at most";
        errors.push(TargetError::new(path, format!("{value:?} cannot be a label's value"), allowed));
    }
}

impl ParsedSelector {
    /// Whether labels satisfy every requirement. As in Kubernetes, `NotIn` holds where the label is missing.
    pub(super) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            match &requirement.operator {
                Operator::In(values) => value.is_some_and(|value| values.contains(value)),
                Operator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        })
    }
}
