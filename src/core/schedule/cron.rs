//! `cron(minutes hours day-of-month month day-of-week year)` in AWS's grammar.
//!
//! The search is croner's. What AWS writes differently is translated first: days of the week count from 1 = SUN,
//! `L` there means Saturday, a bare start with a step runs to the end of the field, ranges may wrap around.

mod field;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::civil::{DateTime, date};
use jiff::tz::Offset;

use super::ScheduleError;
use field::Field;

/// A checked `cron()`.
#[derive(Debug, Clone)]
pub(super) struct CronSchedule(Cron);

const FIRST: DateTime = date(field::FIRST_YEAR, 1, 1).at(0, 0, 0, 0);
const LAST: DateTime = date(field::LAST_YEAR, 12, 31).at(23, 59, 59, 0);

impl CronSchedule {
    /// Reads what stands between the brackets; `text` is the whole expression.
    pub(super) fn parse(text: &str, arguments: &str) -> Result<Self, ScheduleError> {
        let whole = |reason: &str| ScheduleError::Cron { text: text.to_owned(), reason: reason.to_owned() };
        let [minutes, hours, day_of_month, month, day_of_week, year] = split(arguments).map_err(whole)?;
        let read = |field: Field, found: &str| {
            field.translate(found).map_err(|reason| ScheduleError::CronField {
                text: text.to_owned(),
                field: field.name(),
                found: found.to_owned(),
                reason,
            })
        };
        let pattern = format!(
            "0 {} {} {} {} {} {}",
            read(Field::Minutes, minutes)?,
            read(Field::Hours, hours)?,
            read(Field::DayOfMonth, day_of_month)?,
            read(Field::Month, month)?,
            read(Field::DayOfWeek, day_of_week)?,
            read(Field::Year, year)?,
        );
        let parser = CronParser::builder().seconds(Seconds::Required).year(Year::Required).build();
        let schedule = Self(parser.parse(&pattern).map_err(|error| whole(&error.to_string()))?);
        if schedule.0.find_next_occurrence(&FIRST, true).is_err() {
            return Err(whole("it never fires: none of its years has such a day"));
        }
        Ok(schedule)
    }

    pub(super) fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let after = whole_seconds(after)?;
        let found = if after < FIRST {
            self.0.find_next_occurrence(&FIRST, true)
        } else if after < LAST {
            self.0.find_next_occurrence(&after, false)
        } else {
            return None;
        };
        Offset::UTC.to_timestamp(found.ok()?).ok()
    }

    pub(super) fn latest_at_or_before(&self, now: Timestamp) -> Option<Timestamp> {
        let now = whole_seconds(now)?;
        if now < FIRST {
            return None;
        }
        let found = self.0.find_previous_occurrence(&now.min(LAST), true);
        Offset::UTC.to_timestamp(found.ok()?).ok()
    }
}

/// The six fields, without the seconds; or what is wrong with them as a whole.
fn split(arguments: &str) -> Result<[&str; 6], &'static str> {
    let mut words: Vec<&str> = arguments.split_whitespace().collect();
    if words.len() == 7 && words.remove(0) != "0" {
        return Err("a seventh field in front is for seconds, which have to be 0");
    }
    let fields: [&str; 6] = words.try_into().map_err(|_| {
        "write six fields: minutes, hours, day of month, month, day of week, year, such as cron(0 2 ? * SUN *)"
    })?;
    match (fields[2] == "?", fields[4] == "?") {
        (true, true) => Err("day of month and day of week cannot both be ?: write * for one of them"),
        (false, false) => {
            Err("one of day of month and day of week has to be ?: write ? for the one that is free")
        }
        _ => Ok(fields),
    }
}

/// The UTC time, rounded down to the second: ticks are whole seconds, so nothing lies between.
fn whole_seconds(time: Timestamp) -> Option<DateTime> {
    let second = time.as_nanosecond().div_euclid(1_000_000_000);
    let floor = Timestamp::from_second(i64::try_from(second).ok()?).ok()?;
    Some(Offset::UTC.to_datetime(floor))
}
