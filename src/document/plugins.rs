//! The plugins that AWS's agent knows by name, and where it has them.
//!
//! A 2.2 document skips a known plugin that a node does not have, and fails one that nobody knows. So the table
//! holds every name, whether or not Keelson runs it.

use crate::platform::Platform;

/// Runs a script with the system's shell.
pub const RUN_SHELL_SCRIPT: &str = "aws:runShellScript";
/// Runs a script with PowerShell.
pub const RUN_POWER_SHELL_SCRIPT: &str = "aws:runPowerShellScript";
/// Runs another document as a step.
pub const RUN_DOCUMENT: &str = "aws:runDocument";
/// Fetches files.
pub const DOWNLOAD_CONTENT: &str = "aws:downloadContent";
/// Has Associations run again.
pub const REFRESH_ASSOCIATION: &str = "aws:refreshAssociation";
/// Updates the agent.
pub const UPDATE_SSM_AGENT: &str = "aws:updateSsmAgent";

/// The plugins of Command documents and where AWS's agent has a handler for each.
const COMMAND: &[(&str, &[Platform])] = {
    use Platform::{Linux, MacOS, Windows};
    &[
        ("aws:applications", &[Windows]),
        ("aws:cloudWatch", &[Linux, Windows]),
        ("aws:configureDaemon", &[]),
        ("aws:configureDocker", &[Linux, Windows]),
        ("aws:configurePackage", &[Linux, MacOS, Windows]),
        ("aws:domainJoin", &[Linux, Windows]),
        (DOWNLOAD_CONTENT, &[Linux, Windows]),
        ("aws:psModule", &[Windows]),
        (REFRESH_ASSOCIATION, &[Linux, MacOS, Windows]),
        ("aws:runDockerAction", &[Linux, Windows]),
        (RUN_DOCUMENT, &[Linux, Windows]),
        (RUN_POWER_SHELL_SCRIPT, &[Linux, MacOS, Windows]),
        (RUN_SHELL_SCRIPT, &[Linux, MacOS]),
        ("aws:softwareInventory", &[Linux, MacOS, Windows]),
        ("aws:updateAgent", &[Windows]),
        (UPDATE_SSM_AGENT, &[Linux, MacOS, Windows]),
    ]
};

/// The plugins of session documents, which a Command document can name without effect.
const SESSION: &[&str] = &["InteractiveCommands", "NonInteractiveCommands", "Port", "Standard_Stream"];

/// The only plugins that the agent supports on macOS.
const MACOS: &[&str] = &[
    "aws:configurePackage",
    REFRESH_ASSOCIATION,
    RUN_POWER_SHELL_SCRIPT,
    RUN_SHELL_SCRIPT,
    "aws:softwareInventory",
    UPDATE_SSM_AGENT,
];

/// Whether AWS's agent knows the plugin at all. Names are exact.
pub fn is_known(action: &str) -> bool {
    SESSION.contains(&action) || command_platforms(action).is_some()
}

/// The names that a step of a Command document can have as its action.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    COMMAND.iter().map(|(name, _)| *name)
}

/// Whether the plugin runs a script that it takes from `runCommand`.
pub fn is_script(action: &str) -> bool {
    action == RUN_SHELL_SCRIPT || action == RUN_POWER_SHELL_SCRIPT
}

/// Whether the agent counts a known plugin as supported on the platform; a handler may still be missing.
pub(crate) fn is_supported(action: &str, platform: Platform) -> bool {
    platform != Platform::MacOS || MACOS.contains(&action)
}

/// Where a step with this plugin does something. A plugin that nobody knows fails wherever it is sent, so all.
pub fn platforms(action: &str) -> &'static [Platform] {
    match command_platforms(action) {
        Some(platforms) => platforms,
        None if SESSION.contains(&action) => &[],
        None => &Platform::ALL,
    }
}

fn command_platforms(action: &str) -> Option<&'static [Platform]> {
    COMMAND.iter().find(|(name, _)| *name == action).map(|(_, platforms)| *platforms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_are_known_by_their_exact_names() {
        assert!(is_known("aws:runShellScript") && is_known("aws:configureDaemon") && is_known("Port"));
        for name in ["aws:RunShellScript", "runShellScript", " aws:runShellScript", ""] {
            assert!(!is_known(name), "{name:?}");
        }
    }

    #[test]
    fn every_plugin_of_macos_has_a_handler_there() {
        for name in MACOS {
            assert!(platforms(name).contains(&Platform::MacOS), "{name}");
        }
    }
}
