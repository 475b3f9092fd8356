//! Whether a program that was offered is to be installed. Pure.

use semver::Version;

/// What whoever asks for an update wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// This version and no other.
    pub version: Option<Version>,
    /// An older one will do, too.
    pub allow_downgrade: bool,
    /// Also the same version again.
    pub force: bool,
}

/// What to do with an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is installed already.
    Current,
    /// Install it.
    Install,
}

/// Why an offer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    /// It is not what was asked for.
    #[error(
        "version {wanted} was asked for and {offered} is offered: ask for latest, or give a source that has {wanted}"
    )]
    OtherVersion {
        /// What was asked for.
        wanted: Version,
        /// What there is.
        offered: Version,
    },
    /// It is older than what is installed.
    #[error(
        "{offered} is older than {installed}, which is installed: allow the downgrade (allowDowngrade, --allow-downgrade) if that is meant"
    )]
    Older {
        /// What there is.
        offered: Version,
        /// What is installed.
        installed: Version,
    },
}

/// Decides.
pub fn decide(installed: &Version, offered: &Version, wanted: &Wanted) -> Result<Decision, Declined> {
    if let Some(wanted) = wanted.version.as_ref().filter(|wanted| *wanted != offered) {
        return Err(Declined::OtherVersion { wanted: wanted.clone(), offered: offered.clone() });
    }
    if offered == installed && !wanted.force {
        return Ok(Decision::Current);
    }
    if offered < installed && !wanted.allow_downgrade {
        return Err(Declined::Older { offered: offered.clone(), installed: installed.clone() });
    }
    Ok(Decision::Install)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    fn decided(installed: &str, offered: &str, wanted: &Wanted) -> Result<Decision, String> {
        decide(&version(installed), &version(offered), wanted).map_err(|declined| declined.to_string())
    }

    #[test]
    fn a_newer_program_is_installed_and_the_same_one_is_left() {
        let any = Wanted::default();
        assert_eq!(decided("1.9.0", "1.10.0", &any), Ok(Decision::Install));
        assert_eq!(decided("1.10.0-rc.1", "1.10.0", &any), Ok(Decision::Install));
        assert_eq!(decided("1.10.0", "1.10.0", &any), Ok(Decision::Current));
        assert_eq!(decided("1.10.0", "1.10.0", &Wanted { force: true, ..any }), Ok(Decision::Install));
    }

    #[test]
    fn an_older_program_is_installed_only_where_that_is_allowed() {
        let any = Wanted::default();
        let refused = decided("1.10.0", "1.9.0", &Wanted { force: true, ..any.clone() }).unwrap_err();
        assert!(refused.contains("older") && refused.contains("allowDowngrade"), "{refused}");
        assert_eq!(
            decided("1.10.0", "1.9.0", &Wanted { allow_downgrade: true, ..any }),
            Ok(Decision::Install)
        );
    }

    #[test]
    fn another_version_than_was_asked_for_is_refused() {
        let wanted = Wanted { version: Some(version("2.0.0")), ..Wanted::default() };
        assert!(decided("1.0.0", "1.1.0", &wanted).unwrap_err().contains("give a source that has 2.0.0"));
        assert_eq!(decided("1.0.0", "2.0.0", &wanted), Ok(Decision::Install));
        assert_eq!(decided("2.0.0", "2.0.0", &wanted), Ok(Decision::Current));
    }
}
