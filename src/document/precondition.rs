//! Whether a step's precondition lets it run, in the agent's terms.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use crate::interpolate::embed;
use crate::platform::Platform;

/// The operator that is understood.
pub(crate) const STRING_EQUALS: &str = "StringEquals";
const PLATFORM_TYPE: &str = "platformType";

#[allow(clippy::unwrap_used, reason = "the expressions are constants, and tests compile them")]
static SSM: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\{\{ *ssm:[/0-9A-Za-z_.:-]+ *\}\}").unwrap());
#[allow(clippy::unwrap_used, reason = "the expressions are constants, and tests compile them")]
static SSM_SECURE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{\{ *ssm-secure:[/0-9A-Za-z_.:-]+ *\}\}").unwrap());

/// Whether a text refers to a parameter store, so that its value is known on the node only.
pub(crate) fn has_ssm_reference(text: &str) -> bool {
    SSM.is_match(text)
}

/// Whether a text is nothing but one such reference.
pub(crate) fn is_ssm_reference(text: &str) -> bool {
    SSM.find(text).is_some_and(|found| found.len() == text.len())
}

/// What became of a precondition.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Something in it is not met.
    pub unsatisfied: bool,
    /// What is not met or not understood, in the order of the operators' names.
    pub reasons: Vec<String>,
}

/// Weighs each operator of a precondition; all have to hold.
pub(crate) fn evaluate(
    precondition: &BTreeMap<String, Vec<String>>,
    values: &Map<String, Value>,
    platform: Platform,
) -> Verdict {
    let mut verdict = Verdict::default();
    for (operator, arguments) in precondition {
        let outcome = match (operator.as_str(), arguments.as_slice()) {
            (STRING_EQUALS, [left, right]) => equals(left, right, values, platform),
            (STRING_EQUALS, _) => Outcome::unrecognized("operator accepts exactly 2 arguments"),
            _ => Outcome::Unrecognized(format!("unrecognized operator: \"{operator}\"")),
        };
        match outcome {
            Outcome::Satisfied => {}
            Outcome::Unsatisfied(reason) => {
                verdict.unsatisfied = true;
                verdict.reasons.push(reason);
            }
            Outcome::Unrecognized(reason) => verdict.reasons.push(reason),
        }
    }
    verdict
}

/// Whether a precondition keeps a step from a platform, whatever the parameters are.
pub(crate) fn excludes(precondition: &BTreeMap<String, Vec<String>>, platform: Platform) -> bool {
    match precondition.get(STRING_EQUALS).map(Vec::as_slice) {
        Some([left, right]) if left == PLATFORM_TYPE || right == PLATFORM_TYPE => {
            let other = if left == PLATFORM_TYPE { right } else { left };
            left != right && !other.contains("{{") && !platform.is_named(other)
        }
        _ => false,
    }
}

enum Outcome {
    Satisfied,
    Unsatisfied(String),
    Unrecognized(String),
}

impl Outcome {
    fn unrecognized(reason: &str) -> Self {
        Self::Unrecognized(format!("\"{STRING_EQUALS}\": {reason}"))
    }
}

fn equals(left: &str, right: &str, values: &Map<String, Value>, platform: Platform) -> Outcome {
    let unsatisfied = || Outcome::Unsatisfied(format!("\"{STRING_EQUALS}\": [{left}, {right}]"));
    if left == right {
        return if left == PLATFORM_TYPE {
            Outcome::unrecognized(&format!("[{left} {right}]"))
        } else {
            Outcome::unrecognized("operator's arguments can't be identical")
        };
    }
    if has_ssm_reference(left) || has_ssm_reference(right) {
        return Outcome::unrecognized("operator's arguments can't contain SSM parameters");
    }
    if SSM_SECURE.is_match(left) || SSM_SECURE.is_match(right) {
        return Outcome::unrecognized("operator's arguments can't contain secure SSM parameters");
    }
    if left == PLATFORM_TYPE || right == PLATFORM_TYPE {
        let wanted = if left == PLATFORM_TYPE { right } else { left };
        return if embed(wanted, values).to_lowercase() != wanted.to_lowercase() {
            Outcome::unrecognized(
                "the second argument for the platformType variable can't contain document parameters",
            )
        } else if platform.is_named(wanted) {
            Outcome::Satisfied
        } else {
            unsatisfied()
        };
    }
    let resolved = (whole_or_embedded(left, values), whole_or_embedded(right, values));
    if resolved == (left.to_owned(), right.to_owned()) {
        Outcome::unrecognized("at least one of operator's arguments must contain a valid document parameter")
    } else if resolved.0 == resolved.1 {
        Outcome::Satisfied
    } else {
        unsatisfied()
    }
}

/// A whole argument is its value as it is; inside a longer one `$$` of a value becomes `$`.
fn whole_or_embedded(argument: &str, values: &Map<String, Value>) -> String {
    match crate::interpolate(&Value::from(argument), values) {
        Value::String(text) => text,
        other => crate::go_text::as_text(&other),
    }
}
