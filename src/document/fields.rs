//! The keys of an object of a document: found without regard to case, as the agent finds them, and checked for
//! slips, since a key that is silently ignored (`preconditions`) changes what a document does.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::errors::{Problems, described, member, quoted};
use crate::suggest;

/// The known keys of one object. A key whose value is null counts as absent.
pub(crate) struct Fields<'a> {
    path: String,
    values: BTreeMap<&'static str, &'a Value>,
}

impl<'a> Fields<'a> {
    /// Finds the `known` keys. Others are let through, unless they look like a slip of a known one that is absent.
    pub(crate) fn read(
        object: &'a Map<String, Value>,
        path: &str,
        known: &[&'static str],
        problems: &mut Problems,
    ) -> Self {
        let mut values = BTreeMap::new();
        let mut others = Vec::new();
        for (key, value) in object {
            match known.iter().find(|name| name.eq_ignore_ascii_case(key)) {
                Some(name) if values.insert(*name, value).is_some() => {
                    problems.add(
                        member(path, key),
                        format!("is given twice, in two spellings of {name:?}: keep one"),
                    );
                }
                Some(_) => {}
                None => others.push(key),
            }
        }
        for key in others {
            let absent = known.iter().copied().filter(|name| !values.contains_key(name));
            if let Some(name) = suggest::nearest(key, absent) {
                problems
                    .add(member(path, key), format!("unknown key {} (did you mean {name:?}?)", quoted(key)));
            }
        }
        Self { path: path.to_owned(), values }
    }

    /// The value of one key, for a look ahead.
    pub(crate) fn peek(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
        object.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
    }

    /// The value of a key, null or not.
    pub(crate) fn raw(&self, key: &str) -> Option<&'a Value> {
        self.values.get(key).copied()
    }

    /// The value of a key unless it is null.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Value> {
        self.raw(key).filter(|value| !value.is_null())
    }

    pub(crate) fn path_of(&self, key: &str) -> String {
        member(&self.path, key)
    }

    /// The text of a key that may be absent; anything else is a problem.
    pub(crate) fn text(&self, key: &str, problems: &mut Problems) -> Option<&'a str> {
        match self.get(key)? {
            Value::String(text) => Some(text),
            other => {
                let mend = match other {
                    Value::Number(_) | Value::Bool(_) => format!(": write it in quotes, {key}: \"{other}\""),
                    _ => String::new(),
                };
                problems
                    .add(self.path_of(key), format!("expected a string, found {}{mend}", described(other)));
                None
            }
        }
    }

    /// Checks that a key which has no effect is a whole number, without which the agent refuses the document.
    pub(crate) fn check_whole_number(&self, key: &str, problems: &mut Problems) {
        if let Some(value) = self.get(key)
            && value.as_i64().is_none()
        {
            problems.add(
                self.path_of(key),
                format!(
                    "expected a whole number, found {}: the key has no effect here, so it can be left out; \
                     limits for a script go into inputs",
                    described(value)
                ),
            );
        }
    }
}
