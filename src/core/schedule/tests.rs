use jiff::civil::{Date, Weekday};
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::Schedule;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn schedule(text: &str) -> Schedule {
    Schedule::parse(text).unwrap()
}

fn message(text: &str) -> String {
    Schedule::parse(text).unwrap_err().to_string()
}

/// The first ticks of a schedule after a time, as text.
fn ticks(text: &str, after: &str, count: usize) -> Vec<String> {
    let (schedule, start) = (schedule(text), at(after));
    let first = schedule.next_after(start, start);
    std::iter::successors(first, |tick| schedule.next_after(start, *tick))
        .take(count)
        .map(|tick| tick.to_string())
        .collect()
}

/// A fixed sequence of times within about forty years that looks random.
fn times(seed: u64) -> impl Iterator<Item = Timestamp> {
    std::iter::successors(Some(seed), |last| {
        Some(last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99))
    })
    .map(|number| Timestamp::from_millisecond(1_500_000_000_000 + (number >> 24).cast_signed()).unwrap())
}

#[test]
fn a_rate_ticks_from_its_anchor_and_first_after_one_interval() {
    let (rate, anchor) = (schedule("rate(30 minutes)"), at("2026-11-23T20:45:10Z"));
    assert_eq!(rate.latest_at_or_before(anchor, at("2026-11-23T21:15:09Z")), None);
    assert_eq!(
        rate.latest_at_or_before(anchor, at("2026-11-23T21:15:10Z")),
        Some(at("2026-11-23T21:15:10Z"))
    );
    assert_eq!(rate.next_after(anchor, anchor), Some(at("2026-11-23T21:15:10Z")));
    assert_eq!(rate.next_after(anchor, at("2020-01-01T00:00:00Z")), Some(at("2026-11-23T21:15:10Z")));
    assert_eq!(rate.next_after(anchor, at("2026-11-23T21:15:10Z")), Some(at("2026-11-23T21:45:10Z")));
    assert_eq!(rate.latest_at_or_before(anchor, at("2020-01-01T00:00:00Z")), None);
}

#[test]
fn rates_are_whole_minutes_hours_or_days_below_31_days() {
    for (text, seconds) in [
        ("rate(1 minute)", 60),
        ("rate(5 minutes)", 300),
        ("rate(1 hour)", 3600),
        ("rate(12 hours)", 43200),
        ("rate(30 days)", 2_592_000),
        ("rate(44639 minutes)", 2_678_340),
    ] {
        assert_eq!(
            schedule(text).interval_hint(Timestamp::UNIX_EPOCH),
            Some(SignedDuration::from_secs(seconds))
        );
        assert!(schedule(text).is_rate());
    }
    for text in ["rate(31 days)", "rate(744 hours)", "rate(99999999999999999 days)"] {
        assert!(message(text).contains("31 days") || message(text).contains("whole number"), "{text}");
    }
    for text in
        ["rate(0 minutes)", "rate(-1 minutes)", "rate(+1 minute)", "rate(1.5 hours)", "rate()", "rate(5)"]
    {
        assert!(Schedule::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_wrong_plural_is_refused_with_the_right_spelling() {
    assert!(message("rate(1 minutes)").ends_with("write rate(1 minute)"));
    assert!(message("rate(5 minute)").ends_with("write rate(5 minutes)"));
    assert!(message("rate(5 seconds)").contains("unknown unit \"seconds\": use minutes, hours or days"));
}

#[test]
fn an_at_ticks_once() {
    let (once, anchor) = (schedule("at(2027-01-31T08:00:00)"), Timestamp::UNIX_EPOCH);
    let time = at("2027-01-31T08:00:00Z");
    assert!(once.is_at());
    assert_eq!(once.next_after(anchor, at("2026-01-01T00:00:00Z")), Some(time));
    assert_eq!(once.next_after(anchor, time), None);
    assert_eq!(once.latest_at_or_before(anchor, time), Some(time));
    assert_eq!(once.latest_at_or_before(anchor, at("2027-01-31T07:59:59.999Z")), None);
    assert_eq!(once.interval_hint(anchor), None);
}

#[test]
fn only_aws_form_of_a_time_is_taken() {
    for time in [
        "",
        "2027-01-31",
        "2027-01-31T08:00",
        "2027-01-31T08:00:00Z",
        "2027-01-31T08:00:00.5",
        "2027-01-31 08:00:00",
        "2027-02-30T08:00:00",
        "2027-01-31T08:00:60",
        "2027-01-31T08:00:00+01:00",
    ] {
        assert!(message(&format!("at({time})")).contains("write at(YYYY-MM-DDThh:mm:ss)"), "{time}");
    }
}

#[test]
fn days_of_the_week_count_from_sunday_as_one() {
    // 2026-11-01 is a Sunday.
    assert_eq!(ticks("cron(0 2 ? * 1 *)", "2026-11-01T12:00:00Z", 1), ["2026-11-08T02:00:00Z"]);
    assert_eq!(
        ticks("cron(0 2 ? * 2-6 *)", "2026-11-06T12:00:00Z", 2),
        ["2026-11-09T02:00:00Z", "2026-11-10T02:00:00Z"]
    );
    assert_eq!(ticks("cron(0 2 ? * 7 *)", "2026-11-01T12:00:00Z", 1), ["2026-11-07T02:00:00Z"]);
    for (number, name) in ["SUN", "MON", "TUE", "WED", "THU", "FRI", "sat"].iter().enumerate() {
        let (by_number, by_name) =
            (format!("cron(0 2 ? * {} *)", number + 1), format!("cron(0 2 ? * {name} *)"));
        assert_eq!(ticks(&by_number, "2026-11-01T00:00:00Z", 3), ticks(&by_name, "2026-11-01T00:00:00Z", 3));
    }
    assert!(message("cron(0 2 ? * 0 *)").contains("day of week \"0\""), "AWS has no day 0");
    assert!(Schedule::parse("cron(0 2 ? * 8 *)").is_err());
}

#[test]
fn a_last_weekday_is_aws_day_not_the_engines() {
    // 3L is the last Tuesday: 24 November and 29 December 2026.
    let expected = ["2026-11-24T02:00:00Z", "2026-12-29T02:00:00Z", "2027-01-26T02:00:00Z"];
    assert_eq!(ticks("cron(0 2 ? * 3L *)", "2026-11-01T00:00:00Z", 3), expected);
    assert_eq!(ticks("cron(0 2 ? * TUEL *)", "2026-11-01T00:00:00Z", 3), expected);
    assert_eq!(ticks("cron(0 2 ? * L *)", "2026-11-01T00:00:00Z", 1), ["2026-11-07T02:00:00Z"]);
}

#[test]
fn the_nth_weekday_of_a_month_is_found_and_a_missing_fifth_skipped() {
    let second_tuesdays = ["2026-11-10T02:00:00Z", "2026-12-08T02:00:00Z"];
    assert_eq!(ticks("cron(0 2 ? * 3#2 *)", "2026-11-01T00:00:00Z", 2), second_tuesdays);
    assert_eq!(ticks("cron(0 2 ? * TUE#2 *)", "2026-11-01T00:00:00Z", 2), second_tuesdays);
    assert_eq!(
        ticks("cron(0 2 ? * SUN#5 *)", "2026-11-01T00:00:00Z", 2),
        ["2026-11-29T02:00:00Z", "2027-01-31T02:00:00Z"]
    );
}

#[test]
fn last_days_and_nearest_weekdays_of_a_month_are_found() {
    assert_eq!(
        ticks("cron(0 2 L * ? *)", "2028-01-31T12:00:00Z", 3),
        ["2028-02-29T02:00:00Z", "2028-03-31T02:00:00Z", "2028-04-30T02:00:00Z"]
    );
    // 1 and 15 August 2026 are Saturdays; 31 October 2026 is one and 31 January 2027 a Sunday.
    assert_eq!(ticks("cron(0 2 15W * ? *)", "2026-08-01T00:00:00Z", 1), ["2026-08-14T02:00:00Z"]);
    assert_eq!(ticks("cron(0 2 1W * ? *)", "2026-07-20T00:00:00Z", 1), ["2026-08-03T02:00:00Z"]);
    assert_eq!(ticks("cron(0 2 LW * ? *)", "2026-10-01T00:00:00Z", 1), ["2026-10-30T02:00:00Z"]);
    assert_eq!(ticks("cron(0 2 31W 1 ? *)", "2027-01-01T00:00:00Z", 1), ["2027-01-29T02:00:00Z"]);
}

#[test]
fn a_leap_day_is_waited_for_over_a_century_that_has_none() {
    assert_eq!(
        ticks("cron(0 0 29 2 ? *)", "2026-01-01T00:00:00Z", 2),
        ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]
    );
    assert_eq!(ticks("cron(0 0 29 FEB ? *)", "2096-03-01T00:00:00Z", 1), ["2104-02-29T00:00:00Z"]);
    let leap = schedule("cron(0 0 29 2 ? *)");
    let now = at("2103-12-31T00:00:00Z");
    assert_eq!(leap.latest_at_or_before(now, now), Some(at("2096-02-29T00:00:00Z")));
}

#[test]
fn a_schedule_that_never_fires_is_refused() {
    for text in ["cron(0 0 30 2 ? *)", "cron(0 0 31 4,6,9,11 ? *)", "cron(0 0 29 2 ? 2027)"] {
        assert!(message(text).ends_with("it never fires: none of its years has such a day"), "{text}");
    }
}

#[test]
fn years_bound_a_schedule_at_both_ends() {
    let years = schedule("cron(0 0 1 1 ? 2027-2028)");
    let (before, after) = (at("2020-06-01T00:00:00Z"), at("2030-01-01T00:00:00Z"));
    assert_eq!(years.next_after(before, before), Some(at("2027-01-01T00:00:00Z")));
    assert_eq!(years.latest_at_or_before(before, before), None);
    assert_eq!(years.next_after(before, at("2028-01-01T00:00:00Z")), None);
    assert_eq!(years.latest_at_or_before(before, after), Some(at("2028-01-01T00:00:00Z")));
    assert_eq!(years.interval_hint(at("2027-06-01T00:00:00Z")), None);
    let always = schedule("cron(0 0 * * ? *)");
    let end = at("2199-12-31T00:00:00Z");
    assert_eq!(always.next_after(end, end), None);
    assert_eq!(always.latest_at_or_before(end, at("9000-01-01T00:00:00Z")), Some(end));
    for time in [Timestamp::MIN, Timestamp::MAX] {
        assert_eq!(always.next_after(end, time).is_some(), time == Timestamp::MIN);
        assert_eq!(always.latest_at_or_before(end, time).is_some(), time == Timestamp::MAX);
        assert!(schedule("rate(30 days)").next_after(Timestamp::MIN, time).is_none_or(|tick| tick > time));
    }
    for text in ["cron(0 0 1 1 ? 1969)", "cron(0 0 1 1 ? 2200)", "cron(0 0 1 1 ? 2028-2027)"] {
        assert!(Schedule::parse(text).is_err(), "{text}");
    }
}

#[test]
fn lists_ranges_and_steps_mean_what_they_mean_on_aws() {
    let hours = |text: &str| -> Vec<i8> {
        let text = format!("cron(0 {text} * * ? *)");
        let ticks = ticks(&text, "2026-11-01T23:30:00Z", 24);
        let day = ticks.iter().take_while(|tick| tick.starts_with("2026-11-02"));
        day.map(|tick| tick[11..13].parse().unwrap()).collect()
    };
    assert_eq!(hours("0/8"), [0, 8, 16]);
    assert_eq!(hours("5/8"), [5, 13, 21]);
    assert_eq!(hours("*/12"), [0, 12]);
    assert_eq!(hours("8-17/4"), [8, 12, 16]);
    assert_eq!(hours("22-2"), [0, 1, 2, 22, 23]);
    assert_eq!(hours("1,3,3,2"), [1, 2, 3]);
    assert_eq!(
        ticks("cron(0 0 ? * FRI-MON *)", "2026-11-02T12:00:00Z", 2),
        ["2026-11-06T00:00:00Z", "2026-11-07T00:00:00Z"]
    );
    assert_eq!(
        ticks("cron(0/30 * * * ? *)", "2026-11-01T00:10:00Z", 2),
        ["2026-11-01T00:30:00Z", "2026-11-01T01:00:00Z"]
    );
}

#[test]
fn what_aws_does_not_know_is_refused_with_the_field_and_the_mend() {
    for (text, part) in [
        ("", "use rate(30 minutes), cron("),
        ("0 2 * * *", "use rate(30 minutes), cron("),
        ("every(5 minutes)", "use rate(30 minutes), cron("),
        ("cron(0 2 * * *)", "write six fields"),
        ("cron(5 0 2 * * ? *)", "seconds, which have to be 0"),
        ("cron(0 2 * * * *)", "one of day of month and day of week has to be ?"),
        ("cron(0 2 ? * ? *)", "cannot both be ?"),
        ("cron(? 2 ? * SUN *)", "minutes \"?\": ? belongs to day of month or day of week"),
        ("cron(60 2 ? * SUN *)", "minutes \"60\": \"60\" is not a number from 0 to 59"),
        ("cron(*/90 * ? * SUN *)", "the step after / has to be a number from 1 to 59"),
        ("cron(*/0 * ? * SUN *)", "the step after / has to be a number from 1 to 59"),
        ("cron(0 2 ? * SUX *)", "day of week \"SUX\": \"SUX\" is not a number from 1 to 7, or SUN to SAT"),
        ("cron(0 2 ? * SUN,FRIL *)", "L has to stand alone"),
        ("cron(0 2 ? * 3#1,6#3 *)", "no second day"),
        ("cron(0 2 ? * 3#6 *)", "1 to 5"),
        ("cron(0 2 1,15W * ? *)", "have to stand alone"),
        ("cron(0 2 L-3 * ? *)", "have to stand alone"),
        ("cron(0 2 W * ? *)", "is not a number from 1 to 31"),
        ("cron(0 2 32W * ? *)", "is not a number from 1 to 31"),
        ("cron(0 2 ? 13 SUN *)", "or JAN to DEC"),
        ("cron(0,,1 2 ? * SUN *)", "\"\" is not a number"),
        ("cron(@daily)", "write six fields"),
    ] {
        assert!(message(text).contains(part), "{text}: {}", message(text));
    }
}

#[test]
fn leading_seconds_of_zero_are_accepted_and_the_text_is_kept() {
    let text = "cron(0 0 2 ? * SUN *)";
    assert_eq!(ticks(text, "2026-11-01T12:00:00Z", 1), ["2026-11-08T02:00:00Z"]);
    assert_eq!(schedule(text).to_string(), text);
    assert!(!schedule(text).is_rate() && !schedule(text).is_at());
    assert_eq!(
        schedule(text).interval_hint(at("2026-11-01T12:00:00Z")),
        Some(SignedDuration::from_hours(168))
    );
}

/// Whether a day is one of an expression's, by the calendar and not by the engine.
type OnDay = fn(Date) -> bool;

#[test]
fn two_years_of_ticks_agree_with_the_calendar_day_by_day() {
    let cases: [(&str, OnDay); 8] = [
        ("cron(30 6 * * ? *)", |_| true),
        ("cron(30 6 ? * MON-FRI *)", |day| !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)),
        ("cron(30 6 ? * 3L *)", |day| {
            day.weekday() == Weekday::Tuesday && day.day() + 7 > day.days_in_month()
        }),
        ("cron(30 6 ? * THU#4 *)", |day| {
            day.weekday() == Weekday::Thursday && (22..=28).contains(&day.day())
        }),
        ("cron(30 6 L * ? *)", |day| day.day() == day.days_in_month()),
        ("cron(30 6 1/7 * ? *)", |day| day.day() % 7 == 1),
        ("cron(30 6 29,30 2,4 ? *)", |day| {
            [2, 4].contains(&day.month()) && day.day() >= 29 && day.day() <= 30
        }),
        ("cron(30 6 15W * ? *)", |day| match day.weekday() {
            Weekday::Saturday | Weekday::Sunday => false,
            Weekday::Friday => [14, 15].contains(&day.day()),
            Weekday::Monday => [15, 16].contains(&day.day()),
            _ => day.day() == 15,
        }),
    ];
    for (text, on_day) in cases {
        let (start, end) = (at("2027-06-30T23:00:00Z"), at("2029-07-01T00:00:00Z"));
        let schedule = schedule(text);
        let found: Vec<Timestamp> = std::iter::successors(schedule.next_after(start, start), |tick| {
            schedule.next_after(start, *tick)
        })
        .take_while(|tick| *tick < end)
        .collect();
        let mut expected = Vec::new();
        let mut day = jiff::civil::date(2027, 7, 1);
        while day < jiff::civil::date(2029, 7, 1) {
            if on_day(day) {
                expected.push(at(&format!("{day}T06:30:00Z")));
            }
            day = day.checked_add(1.day()).unwrap();
        }
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn the_due_tick_and_the_next_tick_enclose_every_moment() {
    let anchor = at("2015-02-28T23:59:59Z");
    for text in [
        "rate(1 minute)",
        "rate(7 hours)",
        "rate(30 days)",
        "cron(*/5 * * * ? *)",
        "cron(0 2 ? * SUN#1 *)",
        "cron(15 3 LW 2,12 ? *)",
        "cron(0 0 29 2 ? *)",
        "cron(0 0 1 1 ? 2000-2150/3)",
    ] {
        let schedule = schedule(text);
        for now in times(42).take(200) {
            let due = schedule.latest_at_or_before(anchor, now).unwrap();
            let next = schedule.next_after(anchor, now).unwrap();
            assert!(due <= now && now < next, "{text} {now}");
            assert_eq!(schedule.next_after(anchor, due), Some(next), "{text} {now}");
            assert_eq!(schedule.latest_at_or_before(anchor, next), Some(next), "{text} {now}");
            let just_before = next - SignedDuration::from_nanos(1);
            assert_eq!(schedule.latest_at_or_before(anchor, just_before), Some(due), "{text} {now}");
        }
    }
}
