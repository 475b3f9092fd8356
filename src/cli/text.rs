//! Words and lines for people.

/// `1 node`, `2 nodes`
pub fn counted(count: u32, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A line without what could move the cursor or change the terminal: a node may print anything.
pub fn printable(line: &str) -> String {
    let plain =
        |character: char| if character.is_control() && character != '\t' { '\u{FFFD}' } else { character };
    line.trim_end_matches('\r').chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_change_the_terminal() {
        assert_eq!(printable("a\tb\u{1b}[2J\r"), "a\tb\u{FFFD}[2J");
    }
}
