//! Names of objects that Keelson makes or looks for: deterministic, so that nothing is made twice.

use jiff::Timestamp;
use jiff::tz::Offset;

/// The longest name of most Kubernetes objects.
const OBJECT_NAME_LIMIT: usize = 253;
/// The longest label value; a Command's name is one on its Invocations.
const LABEL_VALUE_LIMIT: usize = 63;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No object can have this name.
    #[error(
        "document name {0:?} cannot name a Document: use letters, digits, '-' and '.', \
         with a letter or digit first and last in each part, 253 characters at most"
    )]
    Document(String),
}

/// The `metadata.name` under which a document is found: AWS's name in lower case, so that `AWS-RunShellScript` is
/// `aws-runshellscript`.
pub fn document_name(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// As [`document_name`], refusing a name that no Document object can have.
pub fn checked_document_name(name: &str) -> Result<String, NameError> {
    let lower = document_name(name);
    if is_object_name(&lower) { Ok(lower) } else { Err(NameError::Document(name.to_owned())) }
}

/// Whether `name` is a DNS-1123 subdomain of at most 253 characters, as most objects' names have to be.
pub fn is_object_name(name: &str) -> bool {
    name.len() <= OBJECT_NAME_LIMIT && name.split('.').all(is_name_part)
}

fn is_name_part(part: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    part.as_bytes().first().is_some_and(alphanumeric)
        && part.as_bytes().last().is_some_and(alphanumeric)
        && part.bytes().all(|byte| alphanumeric(&byte) || byte == b'-')
}

/// The name of the Invocation of a Command on a node. It depends on both uids, so a second one for the same pair
/// cannot be created, and one for a namesake of either cannot be mistaken for it.
pub fn invocation_name(command_name: &str, command_uid: &str, node_uid: &str) -> String {
    let suffix = hex(fnv1a(&[command_uid, node_uid]));
    format!("{}-{suffix}", shortened(command_name, OBJECT_NAME_LIMIT - suffix.len() - 1))
}

/// The name of the Command that an Association makes for the tick at `tick`, such as
/// `web-servers-20261123t204500z`; at most 63 characters, so that it can be a label's value.
pub fn tick_command_name(association: &str, tick: Timestamp) -> String {
    let time = Offset::UTC.to_datetime(tick).strftime("%Y%m%dt%H%M%Sz").to_string();
    let room = LABEL_VALUE_LIMIT.saturating_sub(time.len() + 1);
    if association.len() <= room {
        return format!("{association}-{time}");
    }
    let hash = hex(fnv1a(&[association]));
    format!("{}-{hash}-{time}", shortened(association, room.saturating_sub(hash.len() + 1)))
}

/// The name of the Command that an Association makes for another reason than a tick, told apart from its others by
/// `keys`; at most 63 characters, so that it can be a label's value.
pub fn run_command_name(association: &str, keys: &[&str]) -> String {
    let parts: Vec<&str> = std::iter::once(association).chain(keys.iter().copied()).collect();
    let hash = hex(fnv1a(&parts));
    format!("{}-{hash}", shortened(association, LABEL_VALUE_LIMIT - hash.len() - 1))
}

/// `name-suffix`, with the name shortened and told apart by a hash where both do not fit into an object's name.
pub fn suffixed(name: &str, suffix: &str) -> String {
    if name.len() + 1 + suffix.len() <= OBJECT_NAME_LIMIT {
        return format!("{name}-{suffix}");
    }
    let hash = hex(fnv1a(&[name]));
    let room = OBJECT_NAME_LIMIT.saturating_sub(hash.len() + suffix.len() + 2);
    format!("{}-{hash}-{suffix}", shortened(name, room))
}

/// The name of a node that enrols: `mi-` and 17 hexadecimal digits, as AWS names nodes that are not its own.
/// `random` is 9 bytes from a secure generator.
pub fn node_name(random: [u8; 9]) -> String {
    let digits =
        random.iter().fold(String::with_capacity(18), |digits, byte| digits + &format!("{byte:02x}"));
    format!("mi-{}", digits.get(..17).unwrap_or_default())
}

/// The beginning of a valid name, still valid: what a cut may leave at the end goes too.
fn shortened(name: &str, limit: usize) -> String {
    let head: String = name.chars().take(limit).collect();
    head.trim_end_matches(['-', '.']).to_owned()
}

fn hex(hash: u64) -> String {
    format!("{hash:016x}")
}

/// FNV-1a, 64 bits, over the parts with a byte between them that text cannot hold. The standard library's
/// hashers may change between releases; a name must not. It need not withstand an attacker: the inputs are uids
/// and names that the API server has accepted.
fn fnv1a(parts: &[&str]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_fits_however_long_the_name() {
        assert_eq!(suffixed("web", "v3"), "web-v3");
        let long = suffixed(&"a".repeat(253), "v3");
        assert!(long.len() <= 253 && long.ends_with("-v3") && is_object_name(&long));
        assert_ne!(long, suffixed(&format!("{}b", "a".repeat(252)), "v3"));
    }

    fn tick() -> Timestamp {
        "2026-11-23T20:45:00Z".parse().unwrap()
    }

    #[test]
    fn a_document_is_found_under_its_aws_name_in_lower_case() {
        assert_eq!(document_name("AWS-RunShellScript"), "aws-runshellscript");
        assert_eq!(checked_document_name("Web.Server-2").unwrap(), "web.server-2");
    }

    #[test]
    fn a_name_that_no_object_can_have_is_refused_by_name() {
        for name in ["", "a_b", "-a", "a.", "a..b", "a b", "é", &"a".repeat(254)] {
            assert!(checked_document_name(name).is_err(), "{name:?}");
        }
        assert!(checked_document_name("My_Doc").unwrap_err().to_string().contains("\"My_Doc\""));
    }

    #[test]
    fn an_invocation_has_one_name_for_each_command_and_node() {
        let name = invocation_name("web", "uid-1", "uid-2");
        assert_eq!(name, invocation_name("web", "uid-1", "uid-2"));
        assert_ne!(name, invocation_name("web", "uid-1", "uid-3"));
        assert_ne!(name, invocation_name("web", "uid-3", "uid-2"));
        assert_ne!(invocation_name("web", "ab", "c"), invocation_name("web", "a", "bc"));
    }

    #[test]
    fn hashes_in_names_stay_the_same_from_release_to_release() {
        assert_eq!(fnv1a(&[]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(invocation_name("web", "uid-1", "uid-2"), "web-4a0e45314150f85a");
    }

    #[test]
    fn long_names_are_cut_and_stay_valid_and_distinct() {
        for long in
            ["a".repeat(253), "a.".repeat(126) + "a", format!("{}.b{}", "a".repeat(28), "c".repeat(200))]
        {
            let invocation = invocation_name(&long, "u", "v");
            assert!(is_object_name(&invocation), "{invocation}");
            let command = tick_command_name(&long, tick());
            assert!(is_object_name(&command) && command.len() <= 63, "{command}");
            assert_ne!(command, tick_command_name(&format!("{long}b")[..60], tick()));
            assert!(command.ends_with("-20261123t204500z"));
        }
    }

    #[test]
    fn a_tick_names_its_command_readably() {
        assert_eq!(tick_command_name("web-servers", tick()), "web-servers-20261123t204500z");
    }

    #[test]
    fn a_run_has_one_name_for_each_reason() {
        let name = run_command_name("web", &["uid", "Change", "1"]);
        assert_eq!(name, run_command_name("web", &["uid", "Change", "1"]));
        assert_ne!(name, run_command_name("web", &["uid", "Change", "2"]));
        for long in ["a".repeat(253), format!("{}.b", "a".repeat(45)), "web".to_owned()] {
            let name = run_command_name(&long, &["uid"]);
            assert!(is_object_name(&name) && name.len() <= 63, "{name}");
            assert_ne!(name, run_command_name(&format!("{long}c"), &["uid"]));
        }
    }

    #[test]
    fn a_node_is_named_as_aws_names_hybrid_nodes() {
        assert_eq!(node_name([0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xf0]), "mi-0123456789abcdeff");
        assert_eq!(node_name([0; 9]).len(), 20);
    }
}
