//! When something runs: AWS's `rate()`, `cron()` and `at()` expressions, always in UTC.

mod cron;
mod rate;

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use cron::CronSchedule;

/// Why a schedule was refused. The messages say how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// None of the three forms.
    #[error(
        "schedule {0:?} is not known: use rate(30 minutes), cron(0 2 ? * SUN *) or at(2027-01-31T08:00:00), in UTC"
    )]
    Form(String),
    /// A `rate()` that cannot be kept.
    #[error("schedule {text:?}: {reason}")]
    Rate {
        /// The expression.
        text: String,
        /// What is wrong, and the mend.
        reason: String,
    },
    /// A `cron()` with a field that is not AWS's grammar.
    #[error("schedule {text:?}: {field} {found:?}: {reason}")]
    CronField {
        /// The expression.
        text: String,
        /// The field's name, such as `day of week`.
        field: &'static str,
        /// The field's text.
        found: String,
        /// What is wrong, and the mend.
        reason: String,
    },
    /// A `cron()` that is wrong as a whole.
    #[error("schedule {text:?}: {reason}")]
    Cron {
        /// The expression.
        text: String,
        /// What is wrong, and the mend.
        reason: String,
    },
    /// An `at()` whose time is not one.
    #[error(
        "schedule {text:?}: {found:?} is not a time: write at(YYYY-MM-DDThh:mm:ss), in UTC without a zone"
    )]
    At {
        /// The expression.
        text: String,
        /// What stands between the brackets.
        found: String,
    },
}

/// A checked schedule.
#[derive(Debug, Clone)]
pub struct Schedule {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Rate(SignedDuration),
    Cron(Box<CronSchedule>),
    At(Timestamp),
}

impl Schedule {
    /// Reads AWS's expression. A schedule that can never fire, such as the 30th of February, is refused; one that
    /// lies in the past is not.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let trimmed = text.trim();
        let form = || ScheduleError::Form(text.to_owned());
        let (name, arguments) =
            trimmed.strip_suffix(')').and_then(|rest| rest.split_once('(')).ok_or_else(form)?;
        let kind = match name {
            "rate" => Kind::Rate(rate::parse(text, arguments)?),
            "cron" => Kind::Cron(Box::new(CronSchedule::parse(text, arguments)?)),
            "at" => Kind::At(parse_at(text, arguments)?),
            _ => return Err(form()),
        };
        Ok(Self { text: text.to_owned(), kind })
    }

    /// The first tick strictly after `after`, or `None` when none will come. A rate counts from `anchor`, the
    /// creation of what has the schedule; its first tick is one interval later.
    pub fn next_after(&self, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
        match &self.kind {
            Kind::Rate(interval) => rate::next_after(*interval, anchor, after),
            Kind::Cron(cron) => cron.next_after(after),
            Kind::At(time) => Some(*time).filter(|time| *time > after),
        }
    }

    /// The tick that is due at `now`: the latest that is not in the future, or `None` when none has come yet.
    /// Ticks before `anchor` are reported too, except by a rate, which has none.
    pub fn latest_at_or_before(&self, anchor: Timestamp, now: Timestamp) -> Option<Timestamp> {
        match &self.kind {
            Kind::Rate(interval) => rate::latest_at_or_before(*interval, anchor, now),
            Kind::Cron(cron) => cron.latest_at_or_before(now),
            Kind::At(time) => Some(*time).filter(|time| *time <= now),
        }
    }

    /// The time between the next two ticks after `now`; `None` when fewer than two will come.
    pub fn interval_hint(&self, now: Timestamp) -> Option<SignedDuration> {
        match &self.kind {
            Kind::Rate(interval) => Some(*interval),
            Kind::Cron(cron) => {
                let next = cron.next_after(now)?;
                Some(cron.next_after(next)?.duration_since(next))
            }
            Kind::At(_) => None,
        }
    }

    /// Whether it is a `rate()`.
    pub fn is_rate(&self) -> bool {
        matches!(self.kind, Kind::Rate(_))
    }

    /// Whether it is an `at()`.
    pub fn is_at(&self) -> bool {
        matches!(self.kind, Kind::At(_))
    }

    /// The expression as the user wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        Self::parse(text)
    }
}

/// Two schedules are equal when they are written alike.
impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Schedule {}

fn parse_at(text: &str, time: &str) -> Result<Timestamp, ScheduleError> {
    let refuse = || ScheduleError::At { text: text.to_owned(), found: time.to_owned() };
    let civil: DateTime = time.parse().map_err(|_| refuse())?;
    // The parser accepts more forms than AWS does; only AWS's prints as it was written.
    if civil.strftime("%Y-%m-%dT%H:%M:%S").to_string() != time {
        return Err(refuse());
    }
    Offset::UTC.to_timestamp(civil).map_err(|_| refuse())
}

#[cfg(test)]
mod tests;
