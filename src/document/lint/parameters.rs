//! Parameters that nothing refers to, and references to no parameter.

use std::collections::{BTreeMap, BTreeSet};

use super::subject::{Text, collect};
use super::{Rule, Warnings};
use crate::automation::Automation;
use crate::errors::member;
use crate::interpolate::references;
use crate::parameter::ParameterDefinition;
use crate::suggest;

pub(super) fn check(
    parameters: &BTreeMap<String, ParameterDefinition>,
    texts: &[Text<'_>],
    warnings: &mut Warnings,
) {
    let used: BTreeSet<&str> = texts.iter().flat_map(|(_, text)| references(text)).collect();
    for (name, definition) in parameters.iter().filter(|(name, _)| !used.contains(name.as_str())) {
        let variable = format!("SSM_{name}");
        if !definition.is_environment() {
            unused(name, &format!("{{{{ {name} }}}}"), warnings);
        } else if !texts.iter().any(|(_, text)| text.contains(&variable)) {
            unused(name, &variable, warnings);
        }
    }
    // Each name once: what else is written so is mended along with it.
    let mut reported = BTreeSet::new();
    for (path, text) in texts {
        for name in references(text).filter(|name| is_name(name) && !parameters.contains_key(*name)) {
            if reported.insert(name) {
                let hint = suggest::hint(name, parameters.keys().map(String::as_str));
                warnings.add(
                    Rule::UndeclaredParameter,
                    path,
                    format!(
                        "{{{{ {name} }}}} is no parameter of the document and stays as it is{hint}: declare it under \
                         parameters"
                    ),
                );
            }
        }
    }
}

/// References of a runbook may be to outputs of steps and to variables, so only unused parameters are looked for.
pub(super) fn check_automation(automation: &Automation, warnings: &mut Warnings) {
    let mut texts = Vec::new();
    for (key, value) in automation.source.as_object().into_iter().flatten() {
        if key != "parameters" {
            collect(value, String::new(), &mut texts);
        }
    }
    let used: BTreeSet<&str> = texts.iter().flat_map(|(_, text)| references(text)).collect();
    for name in automation.parameters.iter().filter(|name| !used.contains(name.as_str())) {
        unused(name, &format!("{{{{ {name} }}}}"), warnings);
    }
}

fn unused(name: &str, reference: &str, warnings: &mut Warnings) {
    warnings.add(
        Rule::UnusedParameter,
        member("parameters", name),
        format!("nothing uses this parameter: write {reference} where it belongs, or take it away"),
    );
}

/// Whether a reference is to a parameter and not to a parameter store, or part of another language's template.
fn is_name(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric())
}
