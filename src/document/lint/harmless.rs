//! Whether the values of a parameter can do harm where they become part of a script.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

use crate::parameter::{ParameterDefinition, ParameterType};
use crate::pattern::Pattern;

/// The widest range of characters that is looked through; a wider one is not taken for harmless.
const WIDEST_RANGE: usize = 1024;

/// Where in its line a value is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Between quotes, as far as one line shows. A blank does no harm there.
    Quoted,
    /// Elsewhere.
    Bare,
}

/// Where the values of a parameter can do harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Harm {
    bare: bool,
    quoted: bool,
}

impl Harm {
    /// Looks for characters that a shell could act on in the values that a parameter may have.
    ///
    /// Quotes around the reference make nothing but blanks harmless, since a value may hold the quote that ends them.
    pub fn of(definition: &ParameterDefinition) -> Self {
        let possible = |harmless: &dyn Fn(char) -> bool| match definition.kind {
            ParameterType::Integer | ParameterType::Boolean => false,
            ParameterType::String | ParameterType::StringList => !admits_only(definition, harmless),
            ParameterType::StringMap | ParameterType::MapList => true,
        };
        let bare = possible(&is_harmless_character);
        // A list is written as JSON, whose quotes end those around it, so that its values stand bare.
        let quoted = bare
            && (definition.kind != ParameterType::String
                || possible(&|c| c == ' ' || is_harmless_character(c)));
        Self { bare, quoted }
    }

    /// Whether a value can do harm in such a place.
    pub fn is_possible(self, place: Place) -> bool {
        match place {
            Place::Bare => self.bare,
            Place::Quoted => self.quoted,
        }
    }
}

/// Letters, digits and the punctuation that means nothing to a shell within a word.
fn is_harmless_character(character: char) -> bool {
    character.is_alphanumeric() || "_-./:,@%+=".contains(character)
}

fn admits_only(definition: &ParameterDefinition, harmless: &dyn Fn(char) -> bool) -> bool {
    let listed = definition.allowed_values.as_ref();
    listed.is_some_and(|values| values.iter().all(|value| value.chars().all(harmless)))
        || definition.allowed_pattern.as_ref().is_some_and(|pattern| matches_only(pattern, harmless))
}

/// Whether a text that matches consists of harmless characters: the pattern has to span the text from end to end, and no
/// part of it may match another character.
fn matches_only(pattern: &Pattern, harmless: &dyn Fn(char) -> bool) -> bool {
    let Ok(hir) = regex_syntax::parse(pattern.translated()) else { return false };
    let properties = hir.properties();
    properties.look_set_prefix().contains(Look::Start)
        && properties.look_set_suffix().contains(Look::End)
        && consists_of(&hir, harmless)
}

fn consists_of(hir: &Hir, harmless: &dyn Fn(char) -> bool) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => {
            std::str::from_utf8(&literal.0).is_ok_and(|text| text.chars().all(harmless))
        }
        HirKind::Class(Class::Unicode(class)) => class
            .iter()
            .all(|range| range.len() <= WIDEST_RANGE && (range.start()..=range.end()).all(harmless)),
        HirKind::Class(Class::Bytes(class)) => {
            class.iter().all(|range| (range.start()..=range.end()).all(|byte| harmless(char::from(byte))))
        }
        HirKind::Repetition(repetition) => consists_of(&repetition.sub, harmless),
        HirKind::Capture(capture) => consists_of(&capture.sub, harmless),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().all(|part| consists_of(part, harmless))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::from_value;

    fn harmless(parameter: &Value, place: Place) -> bool {
        let document = from_value(json!({"schemaVersion": "2.2", "parameters": {"p": parameter},
            "mainSteps": [{"name": "a", "action": "aws:runShellScript", "inputs": {}}]}))
        .unwrap();
        !Harm::of(&document.parameters["p"]).is_possible(place)
    }

    fn pattern(pattern: &str) -> bool {
        harmless(&json!({"type": "String", "allowedPattern": pattern}), Place::Bare)
    }

    #[test]
    fn a_pattern_of_harmless_characters_from_end_to_end_is_safe() {
        for safe in [
            r"^[A-Za-z0-9_.-]+$",
            r"^\d{1,5}$",
            r"^(?:start|stop)$",
            r"^a$|^b$",
            r"^((i|snap)-[0-9a-f]{8,17})?$",
            r"^$",
            r"\A[\w./]*\z",
            r"(?i)^[k-s]+$",
            r"^https://[a-z0-9.]+/[\w/.]*$",
        ] {
            assert!(pattern(safe), "{safe}");
        }
    }

    #[test]
    fn a_pattern_that_lets_one_other_character_through_is_not() {
        for unsafe_pattern in [
            r"[A-Za-z0-9]+",
            r"^[A-Za-z0-9]+",
            r"[A-Za-z0-9]+$",
            r"^.*$",
            r"^[^;]+$",
            r"^[a-z ]+$",
            r"^[a-z\n]+$",
            r"^\S+$",
            r"^a$|b",
            r"(?m)^[a-z]+$",
            r#"^[a-z"]+$"#,
            r"^[a-z']+$",
            r"^[a-z`]+$",
            r"^[a-z$]+$",
            r"^[a-z\\]+$",
            r"^[a-z(]+$",
            r"^[a-z*]+$",
            r"^[!-~]+$",
            r"^\W$",
        ] {
            assert!(!pattern(unsafe_pattern), "{unsafe_pattern}");
        }
    }

    #[test]
    fn blanks_do_no_harm_between_quotes_but_in_a_list() {
        let words = json!({"type": "String", "allowedPattern": "^[a-z ]*$"});
        assert!(harmless(&words, Place::Quoted) && !harmless(&words, Place::Bare));
        let list = json!({"type": "StringList", "allowedPattern": "^[a-z ]*$"});
        assert!(!harmless(&list, Place::Quoted));
        assert!(harmless(&json!({"type": "StringList", "allowedPattern": "^[a-z]*$"}), Place::Bare));
        let quotes = json!({"type": "String", "allowedPattern": "^[a-z']*$"});
        assert!(!harmless(&quotes, Place::Quoted));
    }

    #[test]
    fn the_allowed_values_decide_where_they_are_listed() {
        assert!(harmless(&json!({"type": "String", "allowedValues": ["Install", "Uninstall"]}), Place::Bare));
        assert!(!harmless(&json!({"type": "String", "allowedValues": ["a", "$(b)"]}), Place::Quoted));
        assert!(harmless(
            &json!({"type": "String", "allowedValues": ["a"], "allowedPattern": ".*"}),
            Place::Bare
        ));
    }

    #[test]
    fn the_type_decides_where_it_says_enough() {
        assert!(harmless(&json!({"type": "Integer"}), Place::Bare));
        assert!(harmless(&json!({"type": "Boolean"}), Place::Bare));
        assert!(!harmless(&json!({"type": "String"}), Place::Quoted));
        assert!(!harmless(&json!({"type": "StringMap", "allowedPattern": "^[a-z]*$"}), Place::Quoted));
    }
}
