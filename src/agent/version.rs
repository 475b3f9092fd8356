//! The version of this program, kept in one place of its file, where it can be read without running it.

use std::hint::black_box;

/// As `keelson_protocol::AGENT_VERSION_MARK` says.
static PROGRAM: &str = concat!("keelson-agent program, version ", env!("CARGO_PKG_VERSION"), "\n");

/// The version, such as `1.2.3`.
pub fn version() -> &'static str {
    // Hidden from the optimizer, which would copy the text elsewhere: then the file could say one thing and the
    // program another.
    black_box(PROGRAM).trim_end().rsplit(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_can_be_found_behind_the_mark_that_gateways_look_for() {
        assert_eq!(PROGRAM, format!("{}{}\n", keelson_protocol::AGENT_VERSION_MARK, version()));
        assert!(semver::Version::parse(version()).is_ok());
    }
}
