//! Keeps the steps of a run within what an Invocation's status may hold: 16 KiB of JSON in all.
//!
//! Outputs are shortened evenly first: short ones stay whole, long ones get the same room. A document of so many
//! steps that their names alone fill the status loses digests and keys, and then the steps that went well. All of it
//! is whole in the archive's `result.json`.

use keelson_core::fleet::StepReport;
use keelson_core::status::StepStatus;

/// What the steps may take, with 2 KiB left for the rest of the status.
const ROOM: usize = 14 * 1024;
/// What names, digests and the like may take of that, so that there is room for outputs too.
const FRAMES: usize = ROOM / 4 * 3;
/// Field names, times, numbers and punctuation of a step.
const FRAME: usize = 304;
/// What ends an output that was shortened here, as AWS ends one.
const MARK: &str = "\n---Output truncated---";

/// Shortens what has to be; tells how many steps were left out.
pub(super) fn fit(steps: &mut Vec<StepReport>) -> usize {
    if frames(steps) > FRAMES {
        for step in steps.iter_mut() {
            step.stdout_sha256.clear();
            step.stderr_sha256.clear();
            step.output_key.clear();
        }
    }
    let before = steps.len();
    leave_out(steps, |step| matches!(step.status, StepStatus::Success | StepStatus::Skipped));
    leave_out(steps, |_| true);
    let room = ROOM.saturating_sub(frames(steps));
    let limit = even_limit(steps.iter().map(|step| escaped(&step.output)).collect(), room);
    for step in steps.iter_mut() {
        shorten(&mut step.output, limit);
    }
    before - steps.len()
}

/// Leaves out steps that may go, the first ones first, until the others' frames fit.
fn leave_out(steps: &mut Vec<StepReport>, may_go: impl Fn(&StepReport) -> bool) {
    let mut size = frames(steps);
    steps.retain(|step| {
        let goes = size > FRAMES && may_go(step);
        if goes {
            size -= frame(step);
        }
        !goes
    });
}

fn frames(steps: &[StepReport]) -> usize {
    steps.iter().map(frame).sum()
}

fn frame(step: &StepReport) -> usize {
    let digests = step.stdout_sha256.len() + step.stderr_sha256.len();
    FRAME + escaped(&step.name) + escaped(&step.action) + digests + escaped(&step.output_key)
}

/// The size up to which texts of these lengths may go so that together they fill no more than `room`.
fn even_limit(mut lengths: Vec<usize>, mut room: usize) -> usize {
    lengths.sort_unstable();
    let mut left = lengths.len();
    for length in lengths {
        let share = room / left;
        if length > share {
            return share;
        }
        room -= length;
        left -= 1;
    }
    usize::MAX
}

fn shorten(text: &mut String, limit: usize) {
    if escaped(text) <= limit {
        return;
    }
    let Some(room) = limit.checked_sub(escaped(MARK)) else {
        text.clear();
        return;
    };
    let mut size = 0;
    let end = text.char_indices().find_map(|(index, character)| {
        size += escaped_character(character);
        (size > room).then_some(index)
    });
    text.truncate(end.unwrap_or(text.len()));
    text.push_str(MARK);
}

/// The length of a text in JSON.
fn escaped(text: &str) -> usize {
    text.chars().map(escaped_character).sum()
}

fn escaped_character(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => character.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str, status: StepStatus, output: &str) -> StepReport {
        StepReport {
            name: name.into(),
            action: "aws:runShellScript".into(),
            status,
            code: 0,
            output: output.into(),
            started_unix_ms: 0,
            ended_unix_ms: 0,
            stdout_bytes: 1,
            stderr_bytes: 1,
            stdout_sha256: "a".repeat(64),
            stderr_sha256: "b".repeat(64),
            output_key: "v1/web/2027-01-15/c1/mi-1/0".into(),
        }
    }

    fn size(steps: &[StepReport]) -> usize {
        frames(steps) + steps.iter().map(|step| escaped(&step.output)).sum::<usize>()
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let mut steps = vec![step("a", StepStatus::Success, &"x".repeat(2500)); 4];
        let before = steps.clone();
        assert_eq!(fit(&mut steps), 0);
        assert_eq!(steps, before);
    }

    #[test]
    fn long_outputs_are_shortened_evenly_and_short_ones_not_at_all() {
        let mut steps = vec![step("long", StepStatus::Success, &"x".repeat(2500)); 12];
        steps.push(step("short", StepStatus::Failed, "why it failed"));
        assert_eq!(fit(&mut steps), 0);
        let (short, long) = steps.split_last().unwrap();
        assert_eq!(short.output, "why it failed");
        assert!(long.iter().all(|step| step.output == long[0].output && step.output.ends_with(MARK)));
        assert!(size(&steps) <= ROOM && size(&steps) > ROOM - 100, "{}", size(&steps));
    }

    #[test]
    fn what_json_makes_longer_is_counted_as_in_json() {
        for odd in ["\u{1}", "\"", "é", "\n", "😀", "\u{7f}"] {
            let text = odd.repeat(2500);
            assert_eq!(escaped(&text) + 2, serde_json::to_string(&text).unwrap().len(), "{odd:?}");
            let mut steps = vec![step("a", StepStatus::Success, &text); 10];
            fit(&mut steps);
            assert!(size(&steps) <= ROOM, "{odd:?}: {}", size(&steps));
        }
    }

    #[test]
    fn of_a_hundred_steps_those_that_failed_stay() {
        let mut steps = vec![step("good", StepStatus::Success, "fine"); 100];
        steps.insert(7, step("bad", StepStatus::Failed, "broken"));
        let left_out = fit(&mut steps);
        assert_eq!(left_out + steps.len(), 101);
        assert!(left_out > 50 && size(&steps) <= ROOM, "{left_out}: {}", size(&steps));
        assert!(steps.iter().any(|step| step.name == "bad" && step.output == "broken"));
        let mut failing = vec![step("bad", StepStatus::Failed, "broken"); 200];
        fit(&mut failing);
        assert!(!failing.is_empty() && size(&failing) <= ROOM);
    }
}
