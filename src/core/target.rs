//! Which nodes something is for: AWS's targets, a Kubernetes label selector, and exclusions.

mod labels;
mod selector;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use labels::{TAG_LABEL_PREFIX, tag_label, valid_label_value};
pub use selector::{LabelSelector, LabelSelectorRequirement};

use selector::ParsedSelector;

/// The most targets that one list may have.
pub const MAX_TARGETS: usize = 5;
/// The most values of a `tag:` or `tag-key` target.
pub const MAX_TAG_VALUES: usize = 50;
/// The most values of an `InstanceIds` target.
pub const MAX_INSTANCE_IDS: usize = 1000;

const SUPPORTED_KEYS: &str = "InstanceIds (node names, or * for every node), tag:<name>, or tag-key";

/// A condition on nodes as AWS writes it. Its values are alternatives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// `InstanceIds`, `tag:<name>` or `tag-key`.
    pub key: String,
    /// Names of nodes, values of the tag, or names of tags.
    #[serde(default)]
    pub values: Vec<String>,
}

/// What of a node decides whether it is a target.
#[derive(Debug, Clone, Copy)]
pub struct NodeView<'a> {
    /// The name of its `ManagedNode`.
    pub name: &'a str,
    /// Its tags, the user's over AWS's.
    pub tags: &'a BTreeMap<String, String>,
    /// The labels of its `ManagedNode`.
    pub labels: &'a BTreeMap<String, String>,
}

/// Why a part of the targets was refused: where, what was found, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {found}; {allowed}")]
pub struct TargetError {
    /// Where, such as `spec.targets[1].key`.
    pub path: String,
    /// What is wrong with what is there.
    pub found: String,
    /// What is allowed instead.
    pub allowed: String,
}

impl TargetError {
    fn new(path: impl Into<String>, found: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self { path: path.into(), found: found.into(), allowed: allowed.into() }
    }
}

/// A checked set of targets, ready to be held against nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetQuery {
    targets: Vec<Condition>,
    selector: Option<ParsedSelector>,
    exclude: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Everyone,
    Names(BTreeSet<String>),
    Tag { name: String, values: BTreeSet<String> },
    TagKeys(BTreeSet<String>),
}

impl TargetQuery {
    /// Checks targets, selector and exclusions, and tells everything that is wrong with them at once.
    ///
    /// At least a target or a selector is needed: nothing is ever meant for every node by omission. An empty
    /// selector, as everywhere in Kubernetes, does select every node.
    pub fn parse(
        targets: &[Target],
        label_selector: Option<LabelSelector>,
        exclude: &[Target],
    ) -> Result<Self, Vec<TargetError>> {
        let mut errors = Vec::new();
        if targets.is_empty() && label_selector.is_none() {
            errors.push(TargetError::new(
                "spec.targets",
                "no targets and no labelSelector",
                "name what it is for; key InstanceIds with the value * means every node",
            ));
        }
        let query = Self {
            targets: conditions("spec.targets", targets, &mut errors),
            selector: label_selector.map(|selector| selector.parse("spec.labelSelector", &mut errors)),
            exclude: conditions("spec.exclude", exclude, &mut errors),
        };
        if errors.is_empty() { Ok(query) } else { Err(errors) }
    }

    /// Whether the node is meant: every target and the selector hold, and no exclusion does.
    pub fn matches(&self, node: &NodeView) -> bool {
        self.targets.iter().all(|condition| condition.matches(node))
            && self.selector.as_ref().is_none_or(|selector| selector.matches(node.labels))
            && !self.exclude.iter().any(|condition| condition.matches(node))
    }
}

impl Condition {
    fn matches(&self, node: &NodeView) -> bool {
        match self {
            Self::Everyone => true,
            Self::Names(names) => names.contains(node.name),
            Self::Tag { name, values } => node.tags.get(name).is_some_and(|value| values.contains(value)),
            Self::TagKeys(names) => names.iter().any(|name| node.tags.contains_key(name)),
        }
    }
}

fn conditions(path: &str, targets: &[Target], errors: &mut Vec<TargetError>) -> Vec<Condition> {
    if targets.len() > MAX_TARGETS {
        let found = format!("{} targets", targets.len());
        errors.push(TargetError::new(path, found, format!("{MAX_TARGETS} at most")));
    }
    let mut conditions = Vec::with_capacity(targets.len());
    for (index, target) in targets.iter().enumerate() {
        let path = format!("{path}[{index}]");
        match condition(&path, target) {
            Ok(condition) => conditions.push(condition),
            Err(error) => errors.push(error),
        }
    }
    conditions
}

fn condition(path: &str, target: &Target) -> Result<Condition, TargetError> {
    match target.key.as_str() {
        "InstanceIds" => {
            let names = values(path, target, MAX_INSTANCE_IDS)?;
            Ok(if names.contains("*") { Condition::Everyone } else { Condition::Names(names) })
        }
        "tag-key" => Ok(Condition::TagKeys(values(path, target, MAX_TAG_VALUES)?)),
        key => match key.strip_prefix("tag:") {
            Some("") => Err(TargetError::new(
                format!("{path}.key"),
                "\"tag:\" names no tag",
                "write tag:<name>, such as tag:Role",
            )),
            Some(name) => {
                Ok(Condition::Tag { name: name.to_owned(), values: values(path, target, MAX_TAG_VALUES)? })
            }
            None => Err(unknown_key(path, key)),
        },
    }
}

fn unknown_key(path: &str, key: &str) -> TargetError {
    let (path, allowed) = (format!("{path}.key"), format!("use {SUPPORTED_KEYS}"));
    let not_yet = ["resource-groups:", "ResourceGroup", "ParameterValues", "WindowTargetIds", "AWS::"];
    if not_yet.iter().any(|known| key.starts_with(known)) {
        return TargetError::new(path, format!("{key:?} is AWS's, but not supported by Keelson"), allowed);
    }
    TargetError::new(path, format!("unknown key {key:?}"), allowed)
}

fn values(path: &str, target: &Target, limit: usize) -> Result<BTreeSet<String>, TargetError> {
    let refuse = |found: String| {
        Err(TargetError::new(
            format!("{path}.values"),
            found,
            format!("give 1 to {limit} for {}", target.key),
        ))
    };
    match target.values.len() {
        0 => refuse("no values".to_owned()),
        count if count > limit => refuse(format!("{count} values")),
        _ => Ok(target.values.iter().cloned().collect()),
    }
}

#[cfg(test)]
mod tests;
