//! The scripts of a document, with the path of each of their texts.

use serde_json::Value;

use super::subject::{input, step_inputs};
use crate::document::Document;
use crate::errors::{element, member};
use crate::plugins;
use crate::session::Session;

/// What reads a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// A Unix shell, unless the script's first line names another interpreter.
    Shell,
    /// PowerShell.
    PowerShell,
}

/// A script of a document.
pub(super) struct Script<'a> {
    /// What reads it.
    pub language: Language,
    /// Whether the parameters with `interpolationType: ENV_VAR` are in its environment.
    pub has_environment: bool,
    /// Its texts, each of one line or many, with their paths. Empty where a parameter is the whole script.
    pub texts: Vec<(String, &'a str)>,
}

impl<'a> Script<'a> {
    /// The lines of the script, each with the index of the text that holds it.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &'a str)> + '_ {
        let texts = self.texts.iter().enumerate();
        texts.flat_map(|(index, (_, text))| text.lines().map(move |line| (index, line)))
    }

    /// The path of the text with this index.
    pub fn path_of(&self, index: usize) -> &str {
        self.texts.get(index).map_or("", |(path, _)| path)
    }
}

/// All scripts of a Command document, in its order.
pub(super) fn of_command(document: &Document) -> Vec<Script<'_>> {
    let mut scripts = Vec::new();
    for (index, step) in document.steps.iter().enumerate() {
        let language = match step.action.as_str() {
            plugins::RUN_SHELL_SCRIPT => Language::Shell,
            plugins::RUN_POWER_SHELL_SCRIPT => Language::PowerShell,
            _ => continue,
        };
        for (path, inputs) in step_inputs(document, index) {
            let Some((key, Value::Array(lines))) = input(inputs, "runCommand") else { continue };
            let path = member(&path, key);
            let texts = lines
                .iter()
                .enumerate()
                .map(|(place, line)| (element(&path, place), line.as_str().unwrap_or_default()))
                .collect();
            scripts.push(Script { language, has_environment: true, texts });
        }
    }
    scripts
}

/// The commands of a Session document, one a platform.
pub(super) fn of_session(session: &Session) -> Vec<Script<'_>> {
    let mut scripts = Vec::new();
    for (platform, properties) in session.properties.as_object().into_iter().flatten() {
        let Some((key, Value::String(commands))) = input(properties, "commands") else { continue };
        let is_windows = platform.eq_ignore_ascii_case("windows");
        scripts.push(Script {
            language: if is_windows { Language::PowerShell } else { Language::Shell },
            has_environment: false,
            texts: vec![(member(&member("properties", platform), key), commands.as_str())],
        });
    }
    scripts
}
