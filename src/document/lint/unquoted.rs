//! `{{ parameter }}` in a script: a value that the shell acts on is run as root.

use std::collections::BTreeMap;

use super::harmless::{Harm, Place};
use super::script::{Language, Script};
use super::{Rule, Warnings};
use crate::errors::quoted;
use crate::interpolate::reference;
use crate::parameter::{ParameterDefinition, ParameterType};

/// One warning for each parameter of a script, at the first of the lines that use it.
pub(super) fn check(
    scripts: &[Script<'_>],
    parameters: &BTreeMap<String, ParameterDefinition>,
    warnings: &mut Warnings,
) {
    let harm: BTreeMap<&str, Harm> =
        parameters.iter().map(|(name, definition)| (name.as_str(), Harm::of(definition))).collect();
    for script in scripts {
        let has_here_document = script.texts.iter().any(|(_, text)| text.contains("<<"));
        let mut uses: BTreeMap<&str, Uses<'_>> = BTreeMap::new();
        for (index, (_, text)) in script.texts.iter().enumerate() {
            for Reference { name, place, line } in references(text) {
                let (Some(definition), Some(harm)) = (parameters.get(name), harm.get(name)) else { continue };
                // In a here-document it may be data.
                let is_on_purpose = is_the_command(line) && !has_here_document;
                if harm.is_possible(place) && !is_on_purpose {
                    let first = || Uses { text: index, line, count: 0, definition };
                    uses.entry(name).or_insert_with(first).count += 1;
                }
            }
        }
        let mut uses: Vec<_> = uses.into_iter().collect();
        uses.sort_by_key(|(_, uses)| uses.text);
        for (name, uses) in uses {
            warnings.add(Rule::UnquotedParameter, script.path_of(uses.text), message(name, &uses, script));
        }
    }
}

/// Where a script uses one parameter.
struct Uses<'a> {
    text: usize,
    line: &'a str,
    count: usize,
    definition: &'a ParameterDefinition,
}

fn message(name: &str, uses: &Uses<'_>, script: &Script<'_>) -> String {
    let others = match uses.count {
        0 | 1 => String::new(),
        2 => ", and in one more place".to_owned(),
        count => format!(", and in {} more places", count - 1),
    };
    format!(
        "{name:?} becomes part of the script in {}{others}, and a value may break out of it even where there are quotes \
         around it: {}",
        quoted(uses.line.trim()),
        mend(name, uses.definition, script)
    )
}

fn mend(name: &str, definition: &ParameterDefinition, script: &Script<'_>) -> String {
    let bound = "let its allowedPattern admit nothing but harmless characters, such as \"^[A-Za-z0-9._-]+$\"";
    let variable = match script.language {
        Language::Shell => format!("\"$SSM_{name}\""),
        Language::PowerShell => format!("$env:SSM_{name}"),
    };
    match definition.kind {
        _ if !script.has_environment => bound.to_owned(),
        ParameterType::String if definition.is_environment() => {
            format!("the value is in the environment too, so write {variable} instead")
        }
        ParameterType::String => {
            format!(
                "set interpolationType: ENV_VAR on the parameter and write {variable} instead, or {bound}"
            )
        }
        ParameterType::StringMap | ParameterType::MapList => format!(
            "take it as a String of JSON with interpolationType: ENV_VAR and write {variable} instead"
        ),
        _ => bound.to_owned(),
    }
}

/// A line that is nothing but a reference runs the value on purpose.
fn is_the_command(line: &str) -> bool {
    reference(line.trim()).is_some_and(|(_, after)| after.is_empty())
}

/// A reference in a script.
struct Reference<'a> {
    name: &'a str,
    place: Place,
    /// The line it begins in.
    line: &'a str,
}

/// The references of a text. What is between quotes is told line by line, so that an apostrophe in a comment misleads no
/// further than to the end of its line.
fn references(text: &str) -> Vec<Reference<'_>> {
    let mut found = Vec::new();
    let mut offset = 0;
    for line in text.split('\n') {
        let mut quote = None;
        let mut escaped = false;
        for (start, character) in line.char_indices() {
            // From the whole text, since a reference may go on in the next line.
            if let Some((name, _)) = text.get(offset + start..).and_then(reference) {
                let place = if quote.is_some() { Place::Quoted } else { Place::Bare };
                found.push(Reference { name, place, line });
            }
            match (character, quote) {
                _ if escaped => escaped = false,
                ('\\', None | Some('"')) => escaped = true,
                ('"' | '\'', None) => quote = Some(character),
                (_, Some(open)) if open == character => quote = None,
                _ => {}
            }
        }
        offset += line.len() + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_quoted_if_an_open_quote_stands_before_it() {
        let place = |line| references(line).first().map(|reference| reference.place);
        for line in ["echo \"{{ p }}\"", "echo 'a {{ p }}'", "a=\"x 'y\" b='z\\' c=\"{{ p }}\""] {
            assert_eq!(place(line), Some(Place::Quoted), "{line}");
        }
        for line in ["echo {{ p }}", "echo \"a\" {{p}} 'b'", "echo \\\"{{p}}\\\"", "echo \"'\"{{ p }}"] {
            assert_eq!(place(line), Some(Place::Bare), "{line}");
        }
        assert_eq!(place("{{ {{ p }}"), Some(Place::Bare));
        assert_eq!(place("{{ no reference"), None);
        assert_eq!(place("echo 'it\n{{ p }}"), Some(Place::Bare));
        assert_eq!(place("echo \"{{\n p\n}}\""), Some(Place::Quoted));
    }
}
