//! One recorded case: a document, its parameters, and what is special about running it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::web::Files;

/// A case that says nothing of how long it takes has ended by then.
const WAIT: u64 = 60;

/// NEL, line separator and paragraph separator.
const LINE_ENDS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

/// A case as its file has it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Case {
    /// The file's name without `.yaml`.
    #[serde(skip)]
    pub name: String,
    /// The document, in whatever state it is in.
    pub document: Value,
    /// Typed values, as the real agent got them.
    pub parameters: Option<Map<String, Value>>,
    /// Seconds after the run began at which it is cancelled; 0 or less: from the beginning.
    pub cancel_after: Option<f64>,
    /// Seconds it may take.
    pub wait: Option<u64>,
    /// It wants the node to itself.
    pub alone: bool,
    /// It measures how long steps take.
    pub timing: bool,
    /// It reboots the node.
    pub reboots: bool,
    /// How often it is sent.
    pub copies: Option<u32>,
    /// Seconds to wait behind its end for what may come yet.
    pub settle: Option<f64>,
    /// Documents that the document store holds, by the names they are called by.
    pub documents: Map<String, Value>,
    /// What the web server holds, by the path of a request.
    pub files: Map<String, Value>,
}

impl Case {
    /// Reads a case from YAML. `<<repeat N TEXT>>` in its texts stands for TEXT N times.
    pub fn read(name: &str, yaml: &str) -> anyhow::Result<Self> {
        // The recording was written in YAML 1.1, where these end a line too: blanks behind them are no text.
        let yaml = LINE_ENDS.iter().fold(yaml.to_owned(), |yaml, end| without_indentation(&yaml, *end));
        // Whatever wrote it knew more booleans than YAML 1.2 and put texts such as `on` in quotes, but not `y`.
        let options = serde_saphyr::options! { strict_booleans: true };
        let mut value: Value = serde_saphyr::from_str_with_options(&yaml, options)
            .with_context(|| format!("case {name} is not YAML"))?;
        expand(&mut value).with_context(|| format!("case {name}"))?;
        let case: Self =
            serde_json::from_value(value).with_context(|| format!("case {name} has another form"))?;
        Ok(Self { name: name.to_owned(), ..case })
    }

    /// The name of its Document and its Command.
    pub fn object_name(&self) -> String {
        self.name.to_lowercase().replace('_', "-")
    }

    /// The number its name begins with.
    pub fn number(&self) -> Option<u32> {
        self.name.split('-').next()?.parse().ok()
    }

    /// The document's `schemaVersion`, where it is a text.
    pub fn schema(&self) -> Option<&str> {
        self.document.get("schemaVersion")?.as_str()
    }

    /// How long it may take.
    pub fn time_allowed(&self) -> Duration {
        Duration::from_secs(self.wait.unwrap_or(WAIT))
    }

    /// Whether others would disturb it, or it them: cases share the document store and the web server.
    pub fn wants_the_node_alone(&self) -> bool {
        self.alone || self.timing || self.reboots || !self.documents.is_empty() || !self.files.is_empty()
    }

    /// Whether it has a value that a Command cannot carry, which takes lists of texts as AWS's API does: a list for
    /// a String, a number, a map in a list.
    pub fn sends_what_no_command_can(&self) -> bool {
        let values = self.parameters.iter().flatten();
        values.into_iter().any(|(name, value)| {
            let declared = &self.document["parameters"][name]["type"];
            match (declared.as_str().unwrap_or("String"), value) {
                ("StringMap", value) => !value.is_object() && !value.is_string(),
                ("StringList", Value::Array(items)) => !items.iter().all(Value::is_string),
                ("StringList", _) => true,
                (_, value) => !value.is_string(),
            }
        })
    }

    /// Whether it sends a value for a name that is not letters and digits alone.
    pub fn sends_to_odd_names(&self) -> bool {
        let mut names = self.parameters.iter().flat_map(Map::keys);
        names.any(|name| !name.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    }

    /// The files as a web server takes them.
    pub fn web_files(&self) -> Files {
        self.files.iter().map(|(path, content)| (path.clone(), text(content).into_bytes())).collect()
    }

    /// The parameters in the form a Command takes: each value a list of texts.
    pub fn command_parameters(&self) -> BTreeMap<String, Vec<String>> {
        let values = self.parameters.iter().flatten();
        values.map(|(name, value)| (name.clone(), texts(value))).collect()
    }
}

fn without_indentation(yaml: &str, line_end: char) -> String {
    let mut lines = yaml.split(line_end);
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |text, line| text + &String::from(line_end) + line.trim_start_matches(' '))
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(text).collect(),
        other => vec![text(other)],
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn expand(value: &mut Value) -> anyhow::Result<()> {
    match value {
        Value::String(text) => *text = repeated(text)?,
        Value::Array(items) => items.iter_mut().try_for_each(expand)?,
        Value::Object(members) => members.values_mut().try_for_each(expand)?,
        _ => {}
    }
    Ok(())
}

/// Writes out every `<<repeat N TEXT>>`.
pub fn repeated(text: &str) -> anyhow::Result<String> {
    let mut whole = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("<<repeat ") {
        let (inside, after) = behind.split_once(">>").context("a <<repeat without its >>")?;
        let (count, piece) = inside.split_once(' ').context("a <<repeat N TEXT>> without TEXT")?;
        let count: usize = count.parse().with_context(|| format!("{count:?} is no number of repetitions"))?;
        whole.push_str(before);
        whole.push_str(&piece.repeat(count));
        rest = after;
    }
    whole.push_str(rest);
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn repetitions_are_written_out_where_they_stand() {
        assert_eq!(repeated("a<<repeat 3 xy>>b<<repeat 2 z>>").unwrap(), "axyxyxybzz");
        assert_eq!(repeated("plain").unwrap(), "plain");
        assert!(repeated("<<repeat x y>>").is_err());
    }

    #[test]
    fn a_line_separator_ends_a_line_as_in_the_recordings_yaml() {
        let case = Case::read("001-x", "document: {}\nparameters:\n  a: 'x\u{2028}    y'").unwrap();
        assert_eq!(case.command_parameters()["a"], ["x\u{2028}y"]);
    }

    #[test]
    fn values_that_a_command_cannot_carry_are_found() {
        let sends = |parameters: &str| {
            let declared = "{p: {type: String}, l: {type: StringList}, m: {type: StringMap}}";
            let yaml = format!("document: {{parameters: {declared}}}\nparameters: {parameters}");
            Case::read("001-x", &yaml).unwrap().sends_what_no_command_can()
        };
        for parameters in ["{p: a}", "{l: [a, b]}", "{m: {k: v}}", "{other: a}", "{}"] {
            assert!(!sends(parameters), "{parameters}");
        }
        for parameters in ["{p: [a]}", "{p: 5}", "{p: null}", "{l: a}", "{l: [1]}", "{other: {k: v}}"] {
            assert!(sends(parameters), "{parameters}");
        }
    }

    #[test]
    fn a_letter_is_a_text() {
        let case = Case::read("001-x", "document: {a: y}\nparameters: {a_b: n}").unwrap();
        assert_eq!(case.document, json!({ "a": "y" }));
        assert!(case.sends_to_odd_names());
        assert_eq!(case.command_parameters()["a_b"], ["n"]);
    }

    #[test]
    fn a_key_that_nobody_knows_does_no_harm() {
        let case =
            Case::read("001-x", "document: {}\nnote: n\nrepeat: 32\nssmParameters: {a: {type: String}}");
        assert_eq!(case.unwrap().name, "001-x");
    }

    #[test]
    fn typed_parameters_become_lists_of_texts() {
        let case = Case::read(
            "001-x",
            "document: {schemaVersion: '2.2'}\nparameters: {a: text, b: [1, two], c: true, d: {k: v}, e: null}",
        );
        let parameters = serde_json::to_value(case.unwrap().command_parameters()).unwrap();
        assert_eq!(
            parameters,
            json!({ "a": ["text"], "b": ["1", "two"], "c": ["true"], "d": [r#"{"k":"v"}"#], "e": [] })
        );
    }
}
