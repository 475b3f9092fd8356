//! What became of a step, of a document on a node, and of a command over many nodes, in AWS's words.

mod counts;
mod details;
mod step;

pub use counts::{Counts, command_outcome};
pub use details::{InvocationStatus, StatusDetails};
pub use step::{StepStatus, document_status};

/// A word that is none of a status's names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {kind} {found:?}: use one of {allowed}")]
pub struct UnknownStatus {
    kind: &'static str,
    found: String,
    allowed: String,
}

/// Gives an enum of plain names its text form and back, the same text that serde writes.
macro_rules! named {
    ($name:ident: $($variant:ident),+ $(,)?) => {
        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name as AWS spells it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant)),+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::status::UnknownStatus;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|status| status.as_str() == text).ok_or_else(|| {
                    $crate::status::UnknownStatus {
                        kind: stringify!($name),
                        found: text.to_owned(),
                        allowed: [$(stringify!($variant)),+].join(", "),
                    }
                })
            }
        }
    };
}
use named;

#[cfg(test)]
mod tests;
