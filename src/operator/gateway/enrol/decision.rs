//! Whether an Activation may be used, and the node that comes of it.

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use keelson_api::{ACTIVATION_LABEL, Activation, ManagedNode, ManagedNodeSpec};
use keelson_core::fleet::Refusal;
use keelson_core::target::{tag_label, valid_label_value};
use kube::ResourceExt as _;
use kube::api::ObjectMeta;
use sha2::{Digest as _, Sha256};

/// How long an Activation lasts that does not say.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// The one answer to whoever does not have the code.
pub fn wrong() -> Refusal {
    Refusal::Unauthenticated(
        "check the namespace, the name of the Activation and the code in its Secret".into(),
    )
}

/// Whether two codes are the same. The digests are compared, so the time it takes says nothing about the code.
pub fn same(code: &[u8], given: &[u8]) -> bool {
    Sha256::digest(code) == Sha256::digest(given)
}

/// Whether nodes can enrol with an Activation at `now`, its limit aside.
pub fn usable(activation: &Activation, now: Timestamp) -> Result<(), Refusal> {
    let name = named(activation);
    if activation.metadata.deletion_timestamp.is_some() {
        return Err(Refusal::Denied(format!("{name} is being deleted; make another one")));
    }
    let end = expiration(activation);
    if now >= end {
        return Err(Refusal::Denied(format!(
            "{name} expired at {}; set spec.expirationDate to a later time or make another Activation",
            end.strftime("%Y-%m-%dT%H:%M:%SZ")
        )));
    }
    Ok(())
}

/// Until when nodes can enrol: the spec decides, as a status may be behind it.
fn expiration(activation: &Activation) -> Timestamp {
    let shown = || activation.status.as_ref().and_then(|status| status.expiration_date.as_ref());
    if let Some(end) = activation.spec.expiration_date.as_ref().or_else(shown) {
        return end.0;
    }
    let created = activation.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |time| time.0);
    created.checked_add(LIFETIME).unwrap_or(Timestamp::MAX)
}

/// How many nodes have enrolled.
pub fn count(activation: &Activation) -> u32 {
    activation.status.as_ref().and_then(|status| status.registrations_count).unwrap_or(0)
}

/// The count with one node more, if the limit allows it.
pub fn next_count(activation: &Activation) -> Result<u32, Refusal> {
    let (count, limit) = (count(activation), activation.spec.registration_limit);
    if count >= limit {
        return Err(Refusal::Denied(format!(
            "the limit of {limit} registration{} of {} is used up; raise spec.registrationLimit or make another Activation",
            if limit == 1 { "" } else { "s" },
            named(activation)
        )));
    }
    Ok(count.saturating_add(1))
}

/// The name of the node with this key; another one for each `attempt`.
pub fn node_name(namespace: &str, fingerprint: &str, attempt: u8) -> String {
    let digest = Sha256::digest(format!("{namespace}/{fingerprint}/{attempt}"));
    let mut bytes = [0; 9];
    bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    keelson_core::names::node_name(bytes)
}

/// The node to create.
pub fn node(activation: &Activation, name: &str, fingerprint: &str) -> ManagedNode {
    let tags = activation.spec.tags.clone();
    let spec = ManagedNodeSpec {
        tags: tags.clone(),
        activation: activation.name_any(),
        key_fingerprint: fingerprint.into(),
        forget_after: None,
    };
    let mut labels: BTreeMap<String, String> =
        tags.into_iter().filter_map(|(key, value)| Some((tag_label(&key)?, value))).collect();
    labels.insert(ACTIVATION_LABEL.into(), activation.name_any());
    labels.retain(|_, value| valid_label_value(value));
    let metadata = ObjectMeta {
        name: Some(name.into()),
        namespace: activation.namespace(),
        labels: Some(labels),
        ..ObjectMeta::default()
    };
    ManagedNode { metadata, spec, status: None }
}

fn named(activation: &Activation) -> String {
    format!("Activation {}/{}", activation.namespace().unwrap_or_default(), activation.name_any())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn activation(spec: &serde_json::Value, registered: u32) -> Activation {
        serde_json::from_value(json!({
            "metadata": {"namespace": "web", "name": "web-servers", "creationTimestamp": "2026-11-01T00:00:00Z"},
            "spec": spec,
            "status": {"registrationsCount": registered},
        }))
        .unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn denial<T: std::fmt::Debug>(result: Result<T, Refusal>) -> String {
        match result {
            Err(Refusal::Denied(message)) => message,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn a_used_up_limit_is_told_with_its_number_and_the_mend() {
        let used_up = activation(&json!({"registrationLimit": 3}), 3);
        assert_eq!(
            denial(next_count(&used_up)),
            "the limit of 3 registrations of Activation web/web-servers is used up; raise spec.registrationLimit or \
             make another Activation"
        );
        assert_eq!(next_count(&activation(&json!({"registrationLimit": 3}), 2)), Ok(3));
        assert_eq!(next_count(&activation(&json!({}), 0)), Ok(1), "one where nothing is said");
        assert!(denial(next_count(&activation(&json!({}), 1))).contains("limit of 1 registration of"));
    }

    #[test]
    fn an_activation_lasts_a_day_unless_it_says_otherwise() {
        let plain = activation(&json!({}), 0);
        assert_eq!(usable(&plain, at("2026-11-01T23:59:59Z")), Ok(()));
        assert!(
            denial(usable(&plain, at("2026-11-02T00:00:00Z"))).contains("expired at 2026-11-02T00:00:00Z")
        );
        let longer = activation(&json!({"expirationDate": "2026-12-01T00:00:00Z"}), 0);
        assert_eq!(usable(&longer, at("2026-11-30T00:00:00Z")), Ok(()));
    }

    #[test]
    fn a_date_just_changed_counts_before_the_status_shows_it() {
        let mut ended = activation(&json!({"expirationDate": "2026-11-01T01:00:00Z"}), 0);
        let shown = serde_json::from_value(json!("2027-01-01T00:00:00Z")).unwrap();
        ended.status.as_mut().unwrap().expiration_date = Some(shown);
        assert!(usable(&ended, at("2026-11-01T02:00:00Z")).is_err());
    }

    #[test]
    fn codes_are_compared_whole() {
        assert!(same(b"secret", b"secret"));
        for other in [&b"secre"[..], b"secrets", b"Secret", b""] {
            assert!(!same(b"secret", other));
        }
    }

    #[test]
    fn a_key_has_one_name_in_its_namespace() {
        let name = node_name("web", "f00d", 0);
        assert_eq!(name, node_name("web", "f00d", 0));
        assert!(name.starts_with("mi-") && name.len() == 20);
        for other in [node_name("db", "f00d", 0), node_name("web", "beef", 0), node_name("web", "f00d", 1)] {
            assert_ne!(name, other);
        }
    }

    #[test]
    fn a_node_starts_with_the_tags_of_its_activation_and_shows_what_it_can_as_labels() {
        let tags = json!({"tags": {"Role": "web", "Cost Centre": "12", "Owner": "Ada Lovelace"}});
        let node = node(&activation(&tags, 0), "mi-1", "f00d");
        assert_eq!(node.spec.tags.len(), 3);
        let labels = [("keelson.dev/activation", "web-servers"), ("tag.keelson.dev/Role", "web")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(node.metadata.labels, Some(labels.into()));
        assert_eq!(
            (node.spec.activation.as_str(), node.spec.key_fingerprint.as_str()),
            ("web-servers", "f00d")
        );
    }
}
