//! `rate(value unit)`: a tick every so often, counted from an anchor.

use jiff::{SignedDuration, Timestamp};

use super::ScheduleError;

/// A rate has to be shorter than this many days.
const LIMIT_DAYS: i64 = 31;

/// Reads what stands between the brackets; `text` is the whole expression.
pub(super) fn parse(text: &str, arguments: &str) -> Result<SignedDuration, ScheduleError> {
    let refuse = |reason: String| Err(ScheduleError::Rate { text: text.to_owned(), reason });
    let mut words = arguments.split_whitespace();
    let (Some(value), Some(unit), None) = (words.next(), words.next(), words.next()) else {
        return refuse("write a number and a unit, such as rate(30 minutes)".to_owned());
    };
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let Some(count) = value.parse::<i64>().ok().filter(|count| digits && *count > 0) else {
        return refuse(format!("{value:?} is not a whole number from 1 up"));
    };
    let singular = unit.strip_suffix('s').unwrap_or(unit);
    let seconds = match singular {
        "minute" => 60,
        "hour" => 3600,
        "day" => 86400,
        _ => return refuse(format!("unknown unit {unit:?}: use minutes, hours or days")),
    };
    if (count == 1) != (unit == singular) {
        let mend = if count == 1 { singular.to_owned() } else { format!("{singular}s") };
        return refuse(format!("AWS wants the unit to agree with the number: write rate({count} {mend})"));
    }
    match count.checked_mul(seconds) {
        Some(total) if total < LIMIT_DAYS * 86400 => Ok(SignedDuration::from_secs(total)),
        _ => refuse(format!("a rate has to be shorter than {LIMIT_DAYS} days: use cron() for longer ones")),
    }
}

pub(super) fn next_after(interval: SignedDuration, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
    tick(interval, anchor, passed(interval, anchor, after).saturating_add(1))
}

pub(super) fn latest_at_or_before(
    interval: SignedDuration,
    anchor: Timestamp,
    now: Timestamp,
) -> Option<Timestamp> {
    match passed(interval, anchor, now) {
        0 => None,
        count => tick(interval, anchor, count),
    }
}

/// How many whole intervals lie between the anchor and `time`; none before the anchor.
fn passed(interval: SignedDuration, anchor: Timestamp, time: Timestamp) -> i128 {
    let elapsed = time.as_nanosecond() - anchor.as_nanosecond();
    elapsed.max(0) / interval.as_nanos().max(1)
}

fn tick(interval: SignedDuration, anchor: Timestamp, count: i128) -> Option<Timestamp> {
    let offset = interval.as_nanos().checked_mul(count)?;
    Timestamp::from_nanosecond(anchor.as_nanosecond().checked_add(offset)?).ok()
}
