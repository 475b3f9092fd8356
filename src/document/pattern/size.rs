//! How large a pattern becomes when it is compiled, told before it is: a few characters (`((.{999}){999}){999}`) can
//! ask for more than any machine has.

use regex_syntax::hir::{Class, Hir, HirKind};

/// About how many states the compiled pattern has. To compile it takes time in proportion, and to match a text with it
/// at most that many steps a character.
pub(super) fn states(pattern: &Hir) -> u64 {
    match pattern.kind() {
        HirKind::Empty => 0,
        HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len() as u64,
        HirKind::Class(Class::Bytes(class)) => class.ranges().len() as u64,
        HirKind::Class(Class::Unicode(class)) => {
            let lengths = |range: &regex_syntax::hir::ClassUnicodeRange| {
                (range.end().len_utf8() - range.start().len_utf8()) as u64
            };
            // A range is at least one sequence of bytes, and a few for each length that it spans.
            let range = |range| 3 * lengths(range);
            class.ranges().iter().map(|r| r.end().len_utf8() as u64 + range(r)).sum()
        }
        HirKind::Repetition(repetition) => {
            let times = u64::from(repetition.max.unwrap_or(repetition.min.saturating_add(1)));
            states(&repetition.sub).saturating_add(1).saturating_mul(times.max(1))
        }
        HirKind::Capture(capture) => states(&capture.sub).saturating_add(2),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(|part| states(part).saturating_add(1)).fold(0, u64::saturating_add)
        }
    }
}
