//! Near misses: which known name a user probably meant.

/// The known name that `found` is most likely a slip of, if any is close enough.
///
/// Names of four letters or fewer may differ by one edit, longer ones by two. A name that differs in case alone is
/// the nearest.
pub(crate) fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .filter_map(|name| {
            let allowed = if name.chars().count() <= 4 { 1 } else { 2 };
            // Also keeps the cost of a comparison in bounds, whatever a user writes.
            if found.chars().count().abs_diff(name.chars().count()) > allowed {
                return None;
            }
            let distance =
                if name.eq_ignore_ascii_case(found) { 0 } else { strsim::osa_distance(found, name) };
            (distance <= allowed && found.chars().count() > distance).then_some((distance, name))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// ` (did you mean "x"?)` or nothing, to end a message with.
pub(crate) fn hint<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(found, known).map(|name| format!(" (did you mean {name:?}?)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 4] = ["name", "action", "inputs", "precondition"];

    #[test]
    fn a_slip_finds_the_name_that_was_meant() {
        assert_eq!(nearest("preconditions", KEYS), Some("precondition"));
        assert_eq!(nearest("input", KEYS), Some("inputs"));
        assert_eq!(nearest("acttion", KEYS), Some("action"));
        assert_eq!(nearest("NAME", KEYS), Some("name"));
        assert_eq!(hint("inptus", KEYS), " (did you mean \"inputs\"?)");
    }

    #[test]
    fn another_word_is_no_slip() {
        for word in ["outputs", "foo", "isEnd", "n", ""] {
            assert_eq!(nearest(word, KEYS), None, "{word}");
        }
    }
}
