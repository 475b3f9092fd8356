//! Rebooting the node for a step that asked for it.

use std::io;
use std::process::{Command, ExitStatus, Stdio};

/// The reboot could not be begun.
#[derive(Debug, thiserror::Error)]
pub enum RebootError {
    /// The node is configured not to reboot.
    #[error("no reboot command is set: reboot the node by hand, then the run goes on")]
    Disabled,
    /// The command could not be started.
    #[error("cannot run {command:?}: {source}")]
    Start {
        /// The command.
        command: String,
        /// Why not.
        source: io::Error,
    },
    /// The command says no.
    #[error("{command:?} ended with {status}")]
    Refused {
        /// The command.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
}

/// Has `command`, words with blanks between them, begin a reboot. It returns while the system goes down, so the
/// caller has journalled everything before.
pub fn reboot(command: &str) -> Result<(), RebootError> {
    let mut words = command.split_whitespace();
    let program = words.next().ok_or(RebootError::Disabled)?;
    let status = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|source| RebootError::Start { command: command.to_owned(), source })?;
    if status.success() { Ok(()) } else { Err(RebootError::Refused { command: command.to_owned(), status }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_does_not_begin_a_reboot_is_an_error_that_names_it() {
        assert!(reboot("true now").is_ok());
        assert!(matches!(reboot(" "), Err(RebootError::Disabled)));
        assert!(reboot("/no/such -r").unwrap_err().to_string().starts_with("cannot run \"/no/such -r\": "));
        assert!(reboot("false").unwrap_err().to_string().contains("\"false\" ended with exit status: 1"));
    }
}
