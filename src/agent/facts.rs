//! What this machine is: host name, distribution, kernel, and the ids that tell machines and boots apart.

use std::fmt::Write as _;
use std::fs;

use keelson_protocol::v1::NodeFacts;
use sha2::{Digest, Sha256};

use crate::version::version;

/// Mixed into the machine id before it leaves the node, as machine-id(5) asks of every application.
const MACHINE_ID_SALT: &[u8] = b"keelson-agent machine id 1\0";

/// Name and version of the distribution, as os-release has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Platform {
    /// `NAME`.
    pub name: String,
    /// `VERSION_ID`; empty for a rolling distribution.
    pub version: String,
}

/// Observes the machine. `ip_address` is the one it reaches the gateway from, empty if not known yet.
pub fn observe(ip_address: &str) -> NodeFacts {
    let system = rustix::system::uname();
    let platform = platform();
    NodeFacts {
        hostname: system.nodename().to_string_lossy().into_owned(),
        platform_type: "Linux".to_owned(),
        platform_name: platform.name,
        platform_version: platform.version,
        architecture: system.machine().to_string_lossy().into_owned(),
        ip_address: ip_address.to_owned(),
        agent_version: version().to_owned(),
        machine_id: machine_id(),
        kernel: system.release().to_string_lossy().into_owned(),
    }
}

/// The distribution this machine runs.
pub fn platform() -> Platform {
    let text =
        ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|path| fs::read_to_string(path).ok());
    parse_os_release(&text.unwrap_or_default())
}

/// The kernel's id of this boot; empty where /proc does not tell.
pub fn boot_id() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

fn machine_id() -> String {
    let text = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    if text.trim().is_empty() {
        return String::new();
    }
    hex(&Sha256::new().chain_update(MACHINE_ID_SALT).chain_update(text.trim()).finalize())
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of hexadecimal digits; empty if it is something else.
pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0).unwrap_or_default();
    digits
        .chunks_exact(2)
        .filter_map(|pair| u8::try_from(pair.iter().fold(0, |byte, digit| byte * 16 + digit)).ok())
        .collect()
}

fn parse_os_release(text: &str) -> Platform {
    let value = |key: &str| {
        let found = text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
        found.map(unquoted).unwrap_or_default()
    };
    Platform { name: value("NAME"), version: value("VERSION_ID") }
}

/// os-release quotes as a shell does, with single or double quotes and backslashes in the latter.
fn unquoted(value: &str) -> String {
    let value = value.trim();
    let within = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    if let Some(text) = within('\'') {
        return text.to_owned();
    }
    let Some(text) = within('"') else { return value.to_owned() };
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform_of(text: &str) -> (String, String) {
        let platform = parse_os_release(text);
        (platform.name, platform.version)
    }

    #[test]
    fn a_distribution_is_read_from_os_release_quoted_or_not() {
        let debian = "PRETTY_NAME=\"Debian 12\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n";
        assert_eq!(platform_of(debian), ("Debian GNU/Linux".into(), "12".into()));
        assert_eq!(platform_of("NAME=Fedora\nVERSION_ID=41\n"), ("Fedora".into(), "41".into()));
        assert_eq!(platform_of("NAME='Arch Linux'\n"), ("Arch Linux".into(), String::new()));
        assert_eq!(platform_of("NAME=\"A \\\"B\\\"\"\n").0, "A \"B\"");
        assert_eq!(platform_of("garbage"), (String::new(), String::new()));
    }

    #[test]
    fn hexadecimal_digits_are_read_back_and_nothing_else_is() {
        assert_eq!(unhex(&hex(&[0, 0x1f, 0xff])), [0, 0x1f, 0xff]);
        for wrong in ["0", "zz", "éé", "+1"] {
            assert!(unhex(wrong).is_empty(), "{wrong}");
        }
    }

    #[test]
    fn the_machine_is_observed_without_giving_its_machine_id_away() {
        let facts = observe("10.0.0.1");
        assert_eq!((facts.platform_type.as_str(), facts.ip_address.as_str()), ("Linux", "10.0.0.1"));
        assert!(!facts.hostname.is_empty() && !facts.kernel.is_empty() && !facts.architecture.is_empty());
        let plain = fs::read_to_string("/etc/machine-id").unwrap_or_default();
        assert!(facts.machine_id != plain.trim() || plain.is_empty());
    }
}
