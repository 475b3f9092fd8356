//! Rate control: how many nodes may run a Command at once, and after how many errors no more are sent.

use std::fmt;
use std::str::FromStr;

/// A limit as a user writes it: a number of nodes, or a share of the targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// So many nodes.
    Count(u32),
    /// So many per cent of the targets, 0 to 100.
    Percent(u8),
}

impl Limit {
    /// The number of nodes it means for `targets` of them. Shares round down.
    fn of(self, targets: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                let share = u64::from(targets) * u64::from(percent) / 100;
                u32::try_from(share).unwrap_or(u32::MAX)
            }
        }
    }

    /// Reads a number or a percentage in the only spelling AWS allows: no sign, blank or leading zero.
    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_suffix('%').unwrap_or(text);
        let canonical = digits == "0" || !digits.starts_with('0');
        if !canonical || digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        if digits.len() < text.len() {
            return digits.parse().ok().filter(|percent| *percent <= 100).map(Self::Percent);
        }
        digits.parse().ok().map(Self::Count)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(formatter, "{count}"),
            Self::Percent(percent) => write!(formatter, "{percent}%"),
        }
    }
}

/// Why a limit was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// Not a valid `maxConcurrency`.
    #[error("maxConcurrency {0:?} is not valid: write a number of nodes from 1 up, or 1% to 100%")]
    MaxConcurrency(String),
    /// Not a valid `maxErrors`.
    #[error("maxErrors {0:?} is not valid: write a number of errors from 0 up, or 0% to 100%")]
    MaxErrors(String),
}

/// How many nodes may run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxConcurrency(Limit);

impl MaxConcurrency {
    /// Reads AWS's form: `1` and up, or `1%` to `100%`.
    pub fn parse(text: &str) -> Result<Self, RateError> {
        match Limit::parse(text) {
            Some(Limit::Count(0) | Limit::Percent(0)) | None => {
                Err(RateError::MaxConcurrency(text.to_owned()))
            }
            Some(limit) => Ok(Self(limit)),
        }
    }

    /// The number of nodes for `targets` of them: shares round down, and at least one may always run.
    pub fn resolve(self, targets: u32) -> u32 {
        self.0.of(targets).max(1)
    }

    /// The limit as written.
    pub fn limit(self) -> Limit {
        self.0
    }
}

/// How many errors are borne before sending stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxErrors(Limit);

impl MaxErrors {
    /// Reads AWS's form: `0` and up, or `0%` to `100%`.
    pub fn parse(text: &str) -> Result<Self, RateError> {
        Limit::parse(text).map(Self).ok_or_else(|| RateError::MaxErrors(text.to_owned()))
    }

    /// The number of errors for `targets` nodes; shares round down.
    pub fn resolve(self, targets: u32) -> u32 {
        self.0.of(targets)
    }

    /// The limit as written.
    pub fn limit(self) -> Limit {
        self.0
    }
}

impl fmt::Display for MaxConcurrency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for MaxErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for MaxConcurrency {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        Self::parse(text)
    }
}

impl FromStr for MaxErrors {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        Self::parse(text)
    }
}

/// Where a Command stands, as far as rate control is concerned. All are numbers of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateInput {
    /// How many may run at once, resolved.
    pub max_concurrency: u32,
    /// How many errors are borne, resolved.
    pub max_errors: u32,
    /// Released and not ended.
    pub in_flight: u32,
    /// Ended in a way that counts as an error.
    pub errors: u32,
    /// Could be released now: targets not yet released whose node is online.
    pub waiting: u32,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Release so many more nodes, at least one.
    Send(u32),
    /// Release none ever again: one error more than allowed has come.
    Stop,
    /// Release none now: the limit is reached, or nobody waits.
    Wait,
}

/// Decides how many nodes to release. The whole limit is used at once: Keelson does not start with one node and
/// double, as AWS does, since a limit says what may be at risk.
pub fn release(input: RateInput) -> Release {
    if input.errors > input.max_errors {
        return Release::Stop;
    }
    match input.max_concurrency.saturating_sub(input.in_flight).min(input.waiting) {
        0 => Release::Wait,
        free => Release::Send(free),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(in_flight: u32, errors: u32, waiting: u32) -> RateInput {
        RateInput { max_concurrency: 5, max_errors: 1, in_flight, errors, waiting }
    }

    #[test]
    fn numbers_and_percentages_in_aws_spelling_are_read_and_written_back() {
        for text in ["1", "50", "9999999", "1%", "99%", "100%"] {
            assert_eq!(MaxConcurrency::parse(text).unwrap().to_string(), text);
            assert_eq!(MaxErrors::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(MaxErrors::parse("0").unwrap().limit(), Limit::Count(0));
        assert_eq!(MaxErrors::parse("0%").unwrap().limit(), Limit::Percent(0));
    }

    #[test]
    fn other_spellings_are_refused_with_what_is_allowed() {
        for text in ["", "%", "-1", "+1", " 1", "1 %", "01", "05%", "101%", "1.5", "ten", "99999999999", "١"]
        {
            assert!(MaxConcurrency::parse(text).is_err(), "{text:?}");
            assert!(MaxErrors::parse(text).is_err(), "{text:?}");
        }
        let message = MaxConcurrency::parse("0").unwrap_err().to_string();
        assert_eq!(
            message,
            "maxConcurrency \"0\" is not valid: write a number of nodes from 1 up, or 1% to 100%"
        );
        assert!(MaxConcurrency::parse("0%").is_err());
    }

    #[test]
    fn percentages_round_down_but_one_node_may_always_run() {
        let quarter = MaxConcurrency::parse("25%").unwrap();
        assert_eq!([0, 1, 3, 4, 7, 8].map(|targets| quarter.resolve(targets)), [1, 1, 1, 1, 1, 2]);
        let tenth = MaxErrors::parse("10%").unwrap();
        assert_eq!([9, 10, 50, 59].map(|targets| tenth.resolve(targets)), [0, 1, 5, 5]);
        assert_eq!(MaxErrors::parse("100%").unwrap().resolve(u32::MAX), u32::MAX);
    }

    #[test]
    fn free_slots_are_filled_at_once_and_never_overfilled() {
        assert_eq!(release(input(0, 0, 200)), Release::Send(5));
        assert_eq!(release(input(3, 0, 200)), Release::Send(2));
        assert_eq!(release(input(3, 0, 1)), Release::Send(1));
        assert_eq!(release(input(5, 0, 200)), Release::Wait);
        assert_eq!(release(input(9, 0, 200)), Release::Wait);
        assert_eq!(release(input(0, 0, 0)), Release::Wait);
    }

    #[test]
    fn sending_stops_when_one_error_more_than_allowed_has_come() {
        assert_eq!(release(input(0, 1, 200)), Release::Send(5));
        assert_eq!(release(input(0, 2, 200)), Release::Stop);
        assert_eq!(release(input(5, 2, 0)), Release::Stop);
    }
}
