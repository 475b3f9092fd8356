//! Conditions as GitOps tools read them: `Ready` always there, `Reconciling` and `Stalled` only while true.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

/// The object is accepted and does what it should.
pub const READY: &str = "Ready";
/// The controller is still working towards the spec. Absent when it is not.
pub const RECONCILING: &str = "Reconciling";
/// The spec cannot be followed until somebody changes it. Absent when it can.
pub const STALLED: &str = "Stalled";
/// A Command has ended well, as a Job says it.
pub const COMPLETE: &str = "Complete";
/// A Command has ended otherwise.
pub const FAILED: &str = "Failed";
/// Every node of an Association is in the desired state.
pub const COMPLIANT: &str = "Compliant";
/// Two machines connect with one node's key.
pub const DUPLICATE_IDENTITY: &str = "DuplicateIdentity";

/// The longest message a condition may carry (the API server's limit is 32,768).
const MAX_MESSAGE: usize = 4096;

/// Sets a condition; its transition time moves only when its status does.
pub fn set(
    conditions: &mut Vec<Condition>,
    generation: Option<i64>,
    now: Timestamp,
    type_: &str,
    status: bool,
    reason: &str,
    message: &str,
) {
    let status = if status { "True" } else { "False" };
    let since = conditions
        .iter()
        .find(|condition| condition.type_ == type_ && condition.status == status)
        .map_or(Time(now), |condition| condition.last_transition_time.clone());
    let condition = Condition {
        type_: type_.into(),
        status: status.into(),
        reason: reason.into(),
        message: trimmed(message),
        observed_generation: generation,
        last_transition_time: since,
    };
    match conditions.iter_mut().find(|condition| condition.type_ == type_) {
        Some(existing) => *existing = condition,
        None => conditions.push(condition),
    }
}

/// Takes a condition away, for those that exist only while true.
pub fn remove(conditions: &mut Vec<Condition>, type_: &str) {
    conditions.retain(|condition| condition.type_ != type_);
}

/// The condition of a type.
pub fn get<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether a condition is there and true.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    get(conditions, type_).is_some_and(|condition| condition.status == "True")
}

/// What kstatus asks of a set of conditions; a description of the first breach, for tests.
pub fn breach(conditions: &[Condition]) -> Option<String> {
    let mut seen = std::collections::BTreeSet::new();
    for condition in conditions {
        if !seen.insert(&condition.type_) {
            return Some(format!("{} occurs twice", condition.type_));
        }
        if condition.reason.is_empty() {
            return Some(format!("{} has no reason", condition.type_));
        }
        if [RECONCILING, STALLED].contains(&condition.type_.as_str()) && condition.status != "True" {
            return Some(format!("{} is present but not true", condition.type_));
        }
    }
    if get(conditions, READY).is_none() {
        return Some("Ready is absent".into());
    }
    if is_true(conditions, RECONCILING) && is_true(conditions, STALLED) {
        return Some("Reconciling and Stalled are both true".into());
    }
    if is_true(conditions, STALLED) && is_true(conditions, READY) {
        return Some("Stalled and Ready are both true".into());
    }
    None
}

fn trimmed(message: &str) -> String {
    let message = message.trim();
    if message.len() <= MAX_MESSAGE {
        return message.into();
    }
    let end = (0..=MAX_MESSAGE - 3).rev().find(|end| message.is_char_boundary(*end)).unwrap_or(0);
    format!("{}...", &message[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transition_time_moves_only_with_the_status() {
        let mut conditions = Vec::new();
        let (first, second, third) = (
            Timestamp::from_second(1).unwrap(),
            Timestamp::from_second(2).unwrap(),
            Timestamp::from_second(3).unwrap(),
        );
        set(&mut conditions, Some(1), first, READY, false, "Waiting", "a");
        set(&mut conditions, Some(2), second, READY, false, "StillWaiting", "b");
        assert_eq!(conditions[0].last_transition_time.0, first);
        assert_eq!(conditions[0].observed_generation, Some(2));
        set(&mut conditions, Some(2), third, READY, true, "Succeeded", "");
        assert_eq!(conditions[0].last_transition_time.0, third);
        assert_eq!(conditions.len(), 1);
    }

    #[test]
    fn stalled_and_ready_together_are_a_breach() {
        let mut conditions = Vec::new();
        set(&mut conditions, None, Timestamp::UNIX_EPOCH, READY, true, "Succeeded", "");
        assert_eq!(breach(&conditions), None);
        set(&mut conditions, None, Timestamp::UNIX_EPOCH, STALLED, true, "InvalidSpec", "");
        assert!(breach(&conditions).is_some());
    }

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let mut conditions = Vec::new();
        set(&mut conditions, None, Timestamp::UNIX_EPOCH, READY, false, "Long", &"ü".repeat(4000));
        assert!(conditions[0].message.len() <= MAX_MESSAGE && conditions[0].message.ends_with("..."));
    }
}
