//! The YAML documents of a text, which `---` divides.

/// A part of a text that is a YAML document of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its text, with blanks in place of the mark that it begins with.
    pub text: String,
    /// How many lines stand before it.
    pub lines_before: u32,
}

/// The documents of a text that is not all comments. JSON is one document.
///
/// A line that begins with the mark ends a document wherever it stands, also within a block of text: YAML says so.
pub fn pieces(text: &str) -> Vec<Piece> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with(['{', '[']) {
        return vec![Piece { text: text.to_owned(), lines_before: 0 }];
    }
    let mut pieces = vec![Piece { text: String::new(), lines_before: 0 }];
    for (number, line) in (0_u32..).zip(text.split_inclusive('\n')) {
        let rest = ["---", "..."].iter().find_map(|mark| line.strip_prefix(mark));
        if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace)) {
            pieces.push(Piece { text: format!("   {rest}"), lines_before: number });
        } else if let Some(piece) = pieces.last_mut() {
            piece.text.push_str(line);
        }
    }
    pieces.retain(|piece| piece.text.lines().any(is_content));
    pieces
}

fn is_content(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with(['#', '%'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(u32, String)> {
        pieces(text).into_iter().map(|piece| (piece.lines_before, piece.text)).collect()
    }

    #[test]
    fn a_mark_divides_documents_and_lines_are_still_counted() {
        let text = "# a list\n---\na: 1\n--- # next\nb: |\n  ---\n  x\n...\n";
        assert_eq!(
            lines(text),
            [(1, "   \na: 1\n".to_owned()), (3, "    # next\nb: |\n  ---\n  x\n".to_owned())]
        );
    }

    #[test]
    fn text_without_a_mark_is_one_document() {
        assert_eq!(lines("a: 1"), [(0, "a: 1".to_owned())]);
        assert_eq!(lines("{\n\"a\": \"\n--- x\"}").len(), 1);
        assert_eq!(lines("---x: 1"), [(0, "---x: 1".to_owned())]);
        assert!(pieces("\n# nothing\n---\n%YAML 1.2\n---\n").is_empty());
    }
}
