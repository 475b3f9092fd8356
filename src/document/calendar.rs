//! The outer form of an iCalendar (RFC 5545), which a change calendar is: its components, each begun and ended.

use crate::errors::Errors;
use crate::locations::Position;

/// Checks that a text is one calendar whose components are closed. What they say is not looked at.
pub(crate) fn check(text: &str) -> Result<(), Errors> {
    let mut open: Vec<&str> = Vec::new();
    let mut ended = false;
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim_end();
        let refuse = |message: String| Err(Errors::at("", message, Position::new(index + 1, 1)));
        if line.is_empty() {
            continue;
        }
        if ended {
            return refuse("the calendar has ended before this line: keep one VCALENDAR".to_owned());
        }
        match line.split_once(':') {
            Some((key, name)) if key.eq_ignore_ascii_case("BEGIN") => open.push(name),
            Some((key, name)) if key.eq_ignore_ascii_case("END") => match open.pop() {
                Some(begun) if begun.eq_ignore_ascii_case(name) => ended = open.is_empty(),
                Some(begun) => return refuse(format!("END:{begun} is due here, found {line:?}")),
                None => return refuse(format!("{line:?} ends what has not begun")),
            },
            _ => {}
        }
        if !open.first().is_none_or(|first| first.eq_ignore_ascii_case("VCALENDAR"))
            || (open.is_empty() && !ended)
        {
            return refuse(format!("an iCalendar begins with BEGIN:VCALENDAR, found {line:?}"));
        }
    }
    match open.last() {
        None => Ok(()),
        Some(begun) => Err(Errors::one("", format!("END:{begun} is missing"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calendar_has_its_components_closed() {
        let calendar = "BEGIN:VCALENDAR\r\nX-CALENDAR-TYPE:DEFAULT_OPEN\r\nBEGIN:VEVENT\r\nSUMMARY:a: b\r\n folded\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        assert_eq!(check(calendar), Ok(()));
        for (text, message) in [
            ("{}", "an iCalendar begins with BEGIN:VCALENDAR, found \"{}\" (line 1, column 1)"),
            (
                "BEGIN:VEVENT\nEND:VEVENT\n",
                "an iCalendar begins with BEGIN:VCALENDAR, found \"BEGIN:VEVENT\" (line 1, column 1)",
            ),
            (
                "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n",
                "END:VEVENT is due here, found \"END:VCALENDAR\" (line 3, column 1)",
            ),
            (
                "BEGIN:VCALENDAR\nEND:VCALENDAR\nx\n",
                "the calendar has ended before this line: keep one VCALENDAR (line 3, column 1)",
            ),
            ("END:VCALENDAR", "\"END:VCALENDAR\" ends what has not begun (line 1, column 1)"),
            ("BEGIN:VCALENDAR\nBEGIN:VEVENT\n", "END:VEVENT is missing"),
        ] {
            assert_eq!(check(text).unwrap_err().to_string(), message);
        }
    }
}
