//! The platforms that documents are written for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A node's operating system, in AWS's spelling of `platformType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Platform {
    /// Any Linux.
    Linux,
    /// macOS.
    MacOS,
    /// Windows.
    Windows,
}

impl Platform {
    /// Every platform.
    pub const ALL: [Self; 3] = [Self::Linux, Self::MacOS, Self::Windows];

    /// The name as AWS spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Linux => "Linux",
            Self::MacOS => "MacOS",
            Self::Windows => "Windows",
        }
    }

    /// Whether a `platformType` written as `name` means this platform; case does not matter.
    pub(crate) fn is_named(self, name: &str) -> bool {
        self.as_str().to_lowercase() == name.to_lowercase()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}
