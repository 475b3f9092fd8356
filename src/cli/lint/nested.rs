//! Places in a text that is itself a value of another text, such as `content: |` of a manifest.

use keelson_document::Position;

/// The place in `outer` of a place in `inner`, which is written in `outer` as a block whose text begins at `start`.
///
/// It is `start` where the lines of `outer` are not those of `inner`, as in a text between quotes.
pub fn position(outer: &str, start: Position, inner: &str, place: Position) -> Position {
    let (Some(first), Some(at)) = (start.line.checked_sub(1), place.line.checked_sub(1)) else {
        return start;
    };
    let line = |text: &'_ str, index: u32| text.lines().nth(usize::try_from(index).ok()?).map(str::to_owned);
    // The place of a block may be that of its first line, or of the mark before it.
    for number in [first + at, first + at + 1] {
        let (Some(wanted), Some(found)) = (line(inner, at), line(outer, number)) else { continue };
        let Some(indent) = found.strip_suffix(wanted.as_str()) else { continue };
        if !wanted.trim().is_empty() && indent.trim().is_empty() {
            let indent = u32::try_from(indent.chars().count()).unwrap_or_default();
            return Position { line: number + 1, column: place.column + indent };
        }
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTER: &str = "spec:\n  content: |\n    a: 1\n    b:\n      - c\n";
    const INNER: &str = "a: 1\nb:\n  - c\n";

    #[test]
    fn a_place_in_a_block_is_found_outside() {
        for start in [Position { line: 3, column: 5 }, Position { line: 2, column: 12 }] {
            let place = position(OUTER, start, INNER, Position { line: 3, column: 5 });
            assert_eq!(place, Position { line: 5, column: 9 });
        }
    }

    #[test]
    fn a_place_in_a_quoted_text_is_where_the_text_begins() {
        let start = Position { line: 1, column: 10 };
        let outer = "content: \"a: 1\\nb:\\n  - c\"\n";
        assert_eq!(position(outer, start, INNER, Position { line: 2, column: 1 }), start);
        assert_eq!(position("", start, "", Position { line: 9, column: 9 }), start);
    }
}
