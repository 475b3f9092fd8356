//! AWS's ways to cut a script's output, byte for byte as its agent does.
//!
//! The limits count bytes of what the script wrote. A cut inside a character, like any other byte that is not
//! UTF-8, becomes U+FFFD afterwards, so a text can be a few bytes longer than its limit.

/// The most that the merged output of a step holds, in bytes.
pub const MERGED_LIMIT: usize = 2500;
/// The most that a step's standard output, and its standard error, hold in a result, in bytes.
pub const STREAM_LIMIT: usize = 24_000;

const ERROR_TITLE_TEXT: &str = "\n----------ERROR-------\n";
const ERROR_TITLE: &[u8] = ERROR_TITLE_TEXT.as_bytes();
const OUTPUT_CUT: &[u8] = b"\n---Output truncated---";
const ERROR_CUT: &[u8] = b"\n---Error truncated----";
const STREAM_CUT: &[u8] = b"--output truncated--";

/// Standard output and, under a title, standard error in one text of at most [`MERGED_LIMIT`] bytes.
///
/// What does not fit is cut with a mark. Where both streams are longer than half of the room, each gets half;
/// otherwise the longer one is cut. The first [`MERGED_LIMIT`] bytes of a stream are all that is needed of it.
pub fn merged_output(stdout: impl AsRef<[u8]>, stderr: impl AsRef<[u8]>) -> String {
    let (stdout, stderr) = (stdout.as_ref(), stderr.as_ref());
    let title = if stderr.is_empty() { &[][..] } else { ERROR_TITLE };
    let room = MERGED_LIMIT - title.len();
    let half = room / 2;
    let mut merged = Vec::with_capacity(MERGED_LIMIT);
    if stdout.len() + stderr.len() < room {
        append(&mut merged, &[stdout, title, stderr]);
    } else if stdout.len() > half && stderr.len() > half {
        let (output, error) = (head(stdout, half, OUTPUT_CUT), head(stderr, half, ERROR_CUT));
        append(&mut merged, &[output, OUTPUT_CUT, title, error, ERROR_CUT]);
    } else if stdout.len() > half {
        let output = head(stdout, room - stderr.len(), OUTPUT_CUT);
        append(&mut merged, &[output, OUTPUT_CUT, title, stderr]);
    } else {
        let error = head(stderr, room - stdout.len(), ERROR_CUT);
        append(&mut merged, &[stdout, title, error, ERROR_CUT]);
    }
    lossy(&merged)
}

/// What of a merged output is standard error; all of it where there is none.
pub fn error_part(merged: &str) -> &str {
    merged.split_once(ERROR_TITLE_TEXT).map_or(merged, |(_, error)| error)
}

/// A stream's text, cut to `limit` bytes with a mark that counts inside the limit. A text that is exactly as
/// long as the limit is cut too. The first `limit` bytes are all that is needed.
pub fn truncate(text: &[u8], limit: usize) -> String {
    if text.len() < limit {
        return lossy(text);
    }
    lossy(&[head(text, limit, STREAM_CUT), STREAM_CUT].concat())
}

/// What of `text` remains when it and the mark shall have `room` bytes.
fn head<'a>(text: &'a [u8], room: usize, mark: &[u8]) -> &'a [u8] {
    text.get(..room.saturating_sub(mark.len())).unwrap_or(text)
}

fn append(merged: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        merged.extend_from_slice(part);
    }
}

/// Replaces each byte that belongs to no UTF-8 character by one U+FFFD. The standard library would replace
/// several such bytes by one, which changes the length.
pub fn lossy(mut bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    while !bytes.is_empty() {
        match std::str::from_utf8(bytes) {
            Ok(valid) => {
                text.push_str(valid);
                break;
            }
            Err(error) => {
                let (valid, rest) = bytes.split_at(error.valid_up_to());
                text.push_str(&String::from_utf8_lossy(valid));
                text.push(char::REPLACEMENT_CHARACTER);
                bytes = rest.get(1..).unwrap_or_default();
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_part_is_found_again() {
        assert_eq!(error_part(&merged_output("out", "bad")), "bad");
        assert_eq!(error_part(&merged_output("", "bad")), "bad");
        assert_eq!(error_part(&merged_output("out", "")), "out");
    }

    fn x(count: usize) -> String {
        "x".repeat(count)
    }

    fn e(count: usize) -> String {
        "e".repeat(count)
    }

    const TITLE: &str = "\n----------ERROR-------\n";
    const OUT: &str = "\n---Output truncated---";
    const ERR: &str = "\n---Error truncated----";

    #[test]
    fn short_streams_are_joined_under_a_title() {
        assert_eq!(merged_output("", ""), "");
        assert_eq!(merged_output("a\n", ""), "a\n");
        assert_eq!(merged_output("", "b\n"), format!("{TITLE}b\n"));
        assert_eq!(merged_output("a\n", "b\n"), format!("a\n{TITLE}b\n"));
        assert_eq!(merged_output(x(1200), e(1200)), format!("{}{TITLE}{}", x(1200), e(1200)));
    }

    #[test]
    fn output_of_exactly_the_limit_is_cut_and_one_byte_less_is_not() {
        assert_eq!(merged_output(x(2499), ""), x(2499));
        for length in [2500, 2501, 4_000_000] {
            assert_eq!(merged_output(x(length), ""), format!("{}{OUT}", x(2477)));
        }
    }

    #[test]
    fn a_long_error_alone_is_cut_under_its_title() {
        for length in [7999, 24000, 48000] {
            assert_eq!(merged_output("", e(length)), format!("{TITLE}{}{ERR}", e(2453)));
        }
    }

    #[test]
    fn the_longer_stream_is_cut_and_two_long_ones_get_half_each() {
        let halves = format!("{}{OUT}{TITLE}{}{ERR}", x(1215), e(1215));
        assert_eq!(merged_output(x(1300), e(1300)), halves);
        assert_eq!(merged_output(x(1239), e(1239)), halves);
        assert_eq!(merged_output(x(100_000), e(100_000)), halves);
        assert_eq!(merged_output(x(2400), e(300)), format!("{}{OUT}{TITLE}{}", x(2153), e(300)));
        assert_eq!(merged_output(x(300), e(2400)), format!("{}{TITLE}{}{ERR}", x(300), e(2153)));
        assert_eq!(merged_output(x(1238), e(1238)), format!("{}{TITLE}{}{ERR}", x(1238), e(1215)));
        let reason = "failed to run commands: exit status 3";
        assert_eq!(merged_output(x(3000), reason), format!("{}{OUT}{TITLE}{reason}", x(2476 - 37 - 23)));
    }

    #[test]
    fn nothing_beyond_the_limits_is_needed() {
        for (output, error) in [(0, 9000), (9000, 0), (9000, 9000), (9000, 1238), (1238, 9000), (1239, 9000)]
        {
            let whole = merged_output(x(output), e(error));
            assert_eq!(merged_output(x(output.min(MERGED_LIMIT)), e(error.min(MERGED_LIMIT))), whole);
            assert_eq!(whole.len(), MERGED_LIMIT);
        }
        assert_eq!(
            truncate(x(STREAM_LIMIT).as_bytes(), STREAM_LIMIT),
            truncate(x(90_000).as_bytes(), STREAM_LIMIT)
        );
    }

    #[test]
    fn a_cut_inside_a_character_becomes_a_replacement_character() {
        let text = "é".repeat(13_000);
        let merged = merged_output(&text, "");
        assert_eq!(merged, format!("{}\u{FFFD}{OUT}", "é".repeat(1238)));
        assert_eq!(merged.len(), 2502);
        assert_eq!(merged_output(format!("a{text}"), "").len(), 2500);
        let odd = truncate(format!("a{text}").as_bytes(), STREAM_LIMIT);
        assert_eq!(odd, format!("a{}\u{FFFD}--output truncated--", "é".repeat(11_989)));
        assert_eq!(odd.len(), 24_002);
    }

    #[test]
    fn a_stream_is_cut_from_its_limit_on_with_the_mark_inside_it() {
        assert_eq!(truncate(x(23_999).as_bytes(), STREAM_LIMIT), x(23_999));
        for length in [24_000, 100_000] {
            let expected = format!("{}--output truncated--", x(23_980));
            assert_eq!(truncate(x(length).as_bytes(), STREAM_LIMIT), expected);
        }
    }

    #[test]
    fn control_characters_pass_and_invalid_bytes_are_replaced_one_by_one() {
        assert_eq!(lossy(b"a\0b\x1b[31m\r\n"), "a\0b\x1b[31m\r\n");
        assert_eq!(lossy(b"a\xff\xfeb"), "a\u{FFFD}\u{FFFD}b");
        assert_eq!(lossy(b"\xf0\x9f\x98"), "\u{FFFD}\u{FFFD}\u{FFFD}");
        assert_eq!(lossy("ä€😀".as_bytes()), "ä€😀");
    }
}
