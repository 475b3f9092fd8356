//! Which tags can be shown as Kubernetes labels, and how.

/// The prefix of the labels that mirror a node's tags.
pub const TAG_LABEL_PREFIX: &str = "tag.keelson.dev/";

const NAME_LIMIT: usize = 63;

/// The label key that mirrors the tag `key`, or `None` where the tag's name cannot be a label's.
pub fn tag_label(key: &str) -> Option<String> {
    is_qualified_name(key).then(|| format!("{TAG_LABEL_PREFIX}{key}"))
}

/// Whether a label can have this value: empty, or at most 63 letters, digits, `-`, `_` and `.`, with a letter or
/// digit first and last.
pub fn valid_label_value(value: &str) -> bool {
    value.is_empty() || is_qualified_name(value)
}

/// Whether `key` can be a label's key: a name, perhaps after a DNS subdomain and a slash.
pub(super) fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => crate::names::is_object_name(prefix) && is_qualified_name(name),
        None => is_qualified_name(key),
    }
}

fn is_qualified_name(name: &str) -> bool {
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    name.len() <= NAME_LIMIT
        && ends(name.as_bytes().first())
        && ends(name.as_bytes().last())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}
