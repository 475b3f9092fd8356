//! Which cases of a folder to run.

use anyhow::Context as _;

use super::case::Case;

/// For both arguments: no limit.
pub const ALL: &str = "all";

/// Arguments that choose cases; each narrows the choice.
#[derive(Debug, Clone)]
pub struct Selection {
    numbers: Option<Vec<(u32, u32)>>,
    schema: Option<String>,
    pattern: Option<String>,
}

impl Selection {
    /// `cases` is `all` or numbers and ranges, such as `001-077,210`; `schema` is `all` or a `schemaVersion`; `pattern` is a piece
    /// of the name.
    pub fn new(cases: &str, schema: &str, pattern: Option<&str>) -> anyhow::Result<Self> {
        let numbers = match cases {
            ALL => None,
            list => Some(list.split(',').map(range).collect::<Result<_, _>>()?),
        };
        let schema = (schema != ALL).then(|| schema.to_owned());
        Ok(Self { numbers, schema, pattern: pattern.map(str::to_owned) })
    }

    /// Whether the case is chosen.
    pub fn takes(&self, case: &Case) -> bool {
        let number = self.numbers.as_ref().is_none_or(|ranges| {
            case.number()
                .is_some_and(|number| ranges.iter().any(|(from, to)| (*from..=*to).contains(&number)))
        });
        let schema = self.schema.as_deref().is_none_or(|schema| case.schema() == Some(schema));
        number && schema && self.pattern.as_ref().is_none_or(|pattern| case.name.contains(pattern))
    }
}

fn range(text: &str) -> anyhow::Result<(u32, u32)> {
    let number = |text: &str| {
        text.trim().parse().with_context(|| format!("{text:?} is no case number: write 001-077,210 or {ALL}"))
    };
    match text.split_once('-') {
        Some((from, to)) => Ok((number(from)?, number(to)?)),
        None => Ok((number(text)?, number(text)?)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn case(name: &str, schema: &str) -> Case {
        Case { name: name.into(), document: json!({ "schemaVersion": schema }), ..Case::default() }
    }

    #[test]
    fn numbers_schema_and_pattern_narrow_the_choice() {
        let selection = Selection::new("001-077,210", "2.2", None).unwrap();
        assert!(selection.takes(&case("002-exit-1", "2.2")));
        assert!(selection.takes(&case("210-timeout-number", "2.2")));
        assert!(!selection.takes(&case("072-pre-in-2.0", "2.0")));
        assert!(!selection.takes(&case("090-unknown-plugin", "2.2")));
        let selection = Selection::new("all", "all", Some("exit")).unwrap();
        assert!(selection.takes(&case("902-exit", "1.2")));
        assert!(!selection.takes(&case("902-enter", "2.2")));
    }

    #[test]
    fn what_is_no_number_is_an_error_with_the_mend() {
        let error = Selection::new("first", "2.2", None).unwrap_err().to_string();
        assert!(error.contains("write 001-077,210"), "{error}");
    }
}
