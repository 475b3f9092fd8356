//! One field of AWS's `cron()`: checked, and written as croner reads it.

pub(super) const FIRST_YEAR: i16 = 1970;
pub(super) const LAST_YEAR: i16 = 2199;

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// The fields, without the seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Minutes,
    Hours,
    DayOfMonth,
    Month,
    DayOfWeek,
    Year,
}

impl Field {
    /// The name to use in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Minutes => "minutes",
            Self::Hours => "hours",
            Self::DayOfMonth => "day of month",
            Self::Month => "month",
            Self::DayOfWeek => "day of week",
            Self::Year => "year",
        }
    }

    /// The smallest and the largest number, as AWS counts.
    fn bounds(self) -> (u16, u16) {
        match self {
            Self::Minutes => (0, 59),
            Self::Hours => (0, 23),
            Self::DayOfMonth => (1, 31),
            Self::Month => (1, 12),
            Self::DayOfWeek => (1, 7),
            Self::Year => (FIRST_YEAR.unsigned_abs(), LAST_YEAR.unsigned_abs()),
        }
    }

    /// Names for the numbers from the smallest on.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Month => &MONTHS,
            Self::DayOfWeek => &WEEKDAYS,
            _ => &[],
        }
    }

    /// The number as croner counts: its weeks begin with 0 = Sunday.
    fn engine_number(self, number: u16) -> u16 {
        if self == Self::DayOfWeek { number.saturating_sub(1) } else { number }
    }

    /// Writes the field for croner, or says what is wrong with it.
    pub(super) fn translate(self, text: &str) -> Result<String, String> {
        match (self, text) {
            (Self::Year, "*") => return Ok(format!("{FIRST_YEAR}-{LAST_YEAR}")),
            (_, "*") | (Self::DayOfMonth | Self::DayOfWeek, "?") => return Ok("*".to_owned()),
            (_, "?") => return Err("? belongs to day of month or day of week: write * here".to_owned()),
            _ => {}
        }
        if let Some(special) = self.special(text)? {
            return Ok(special);
        }
        let mut numbers = Vec::new();
        for item in text.split(',') {
            numbers.extend(self.item(item)?);
        }
        numbers.sort_unstable();
        numbers.dedup();
        let numbers: Vec<String> =
            numbers.into_iter().map(|number| self.engine_number(number).to_string()).collect();
        Ok(numbers.join(","))
    }

    /// `L`, `W` and `#`, each of which has to stand alone in its field.
    fn special(self, text: &str) -> Result<Option<String>, String> {
        let upper = text.to_ascii_uppercase();
        let found = match self {
            Self::DayOfMonth => day_of_month_special(&upper)?,
            Self::DayOfWeek => self.day_of_week_special(&upper)?,
            _ => None,
        };
        Ok(found)
    }

    fn day_of_week_special(self, text: &str) -> Result<Option<String>, String> {
        if text == "L" {
            return Ok(Some("6".to_owned()));
        }
        if let Some((day, nth)) = text.split_once('#') {
            let day = self.engine_number(self.number(day)?);
            return match nth {
                "1" | "2" | "3" | "4" | "5" => Ok(Some(format!("{day}#{nth}"))),
                _ => Err("after # stands which one in the month, 1 to 5, and no second day".to_owned()),
            };
        }
        match text.strip_suffix('L') {
            Some(day) if !day.contains([',', '-', '/']) => {
                Ok(Some(format!("{}L", self.engine_number(self.number(day)?))))
            }
            Some(_) => Err("L has to stand alone, after one day at most, such as FRIL".to_owned()),
            None => Ok(None),
        }
    }

    /// The numbers that one item of a list means: `*`, `n`, `a-b`, and each with `/step`.
    fn item(self, item: &str) -> Result<Vec<u16>, String> {
        let (lowest, highest) = self.bounds();
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(self.step(step)?)),
            None => (item, None),
        };
        let (start, end) = match range.split_once('-') {
            _ if range == "*" => (lowest, highest),
            Some((start, end)) => (self.number(start)?, self.number(end)?),
            None if step.is_some() => (self.number(range)?, highest),
            None => return Ok(vec![self.number(range)?]),
        };
        let step = usize::from(step.unwrap_or(1));
        if start <= end {
            return Ok((start..=end).step_by(step).collect());
        }
        if self == Self::Year {
            return Err(format!("{start} comes after {end}"));
        }
        Ok((start..=highest).chain(lowest..=end).step_by(step).collect())
    }

    fn step(self, text: &str) -> Result<u16, String> {
        let (lowest, highest) = self.bounds();
        let most = highest - lowest;
        digits(text).filter(|step| (1..=most).contains(step)).ok_or_else(|| {
            format!("the step after / has to be a number from 1 to {most}; for longer intervals use rate()")
        })
    }

    fn number(self, text: &str) -> Result<u16, String> {
        let (lowest, highest) = self.bounds();
        let by_name = (lowest..).zip(self.names()).find(|(_, name)| name.eq_ignore_ascii_case(text));
        let number = by_name.map(|(number, _)| number).or_else(|| digits(text));
        number.filter(|number| (lowest..=highest).contains(number)).ok_or_else(|| {
            let names = match (self.names().first(), self.names().last()) {
                (Some(first), Some(last)) => format!(", or {first} to {last}"),
                _ => String::new(),
            };
            format!("{text:?} is not a number from {lowest} to {highest}{names}")
        })
    }
}

fn day_of_month_special(text: &str) -> Result<Option<String>, String> {
    if text == "L" || text == "LW" {
        return Ok(Some(text.to_owned()));
    }
    if let Some(day) = text.strip_suffix('W').filter(|day| !day.contains([',', '-', '/'])) {
        let day = Field::DayOfMonth.number(day)?;
        return Ok(Some(format!("{day}W")));
    }
    if text.contains(['L', 'W']) {
        return Err("L (the last day), 15W (the weekday nearest the 15th) and LW (the last weekday) \
                    have to stand alone"
            .to_owned());
    }
    Ok(None)
}

/// A number of digits only, at most four of them.
fn digits(text: &str) -> Option<u16> {
    let plain = !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}
