//! Shell scripts that go on after a command that failed: only the last one decides what becomes of the step.

use super::script::{Language, Script};
use super::{Rule, Warnings};
use crate::errors::quoted;

/// The interpreters that know `set -e`.
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "ksh", "zsh"];
/// What a line can begin with that does not fail, or whose failure `set -e` would not act on either.
const NOT_JUDGED: [&str; 31] = [
    "echo", "printf", "sleep", "export", "readonly", "local", "declare", "set", "shopt", "unset", "trap",
    "umask", "true", ":", "exit", "return", "if", "then", "elif", "else", "fi", "for", "while", "until",
    "do", "done", "case", "esac", "function", "{", "}",
];

/// Commands that ask a question: with `&&` behind them, a no is an answer and no failure.
const QUESTIONS: [&str; 8] = ["[", "[[", "test", "which", "command", "type", "pgrep", "grep"];

pub(super) fn check(scripts: &[Script<'_>], warnings: &mut Warnings) {
    for script in scripts {
        if script.language != Language::Shell || stops_at_failures(script) {
            continue;
        }
        if let [(text, line), _, ..] = commands(script).as_slice() {
            warnings.add(
                Rule::NoSetE,
                script.path_of(*text),
                format!(
                    "if {} fails, the script goes on and may end as Success: begin the script with set -e, or set \
                     strictScripts where the document is used",
                    quoted(line)
                ),
            );
        }
    }
}

/// Whether something in the script makes a failure end it, or its interpreter is not a shell.
fn stops_at_failures(script: &Script<'_>) -> bool {
    if let Some(shebang) = script.texts.first().and_then(|(_, text)| text.strip_prefix("#!")) {
        let line = shebang.lines().next().unwrap_or_default();
        let mut words =
            line.split_whitespace().filter_map(|word| word.rsplit('/').next()).filter(|word| *word != "env");
        let is_shell = words.next().is_some_and(|name| SHELLS.contains(&name));
        if !is_shell || words.any(is_errexit_flag) {
            return true;
        }
    }
    script.lines().any(|(_, line)| line.split([';', '&', '|']).any(|command| sets_errexit(command.trim())))
}

/// `set -e`, `set -euo pipefail`, `set -o errexit`, or a trap on failures.
fn sets_errexit(command: &str) -> bool {
    let mut words = command.split_whitespace();
    match words.next() {
        Some("set") => {
            let words: Vec<&str> = words.collect();
            words.iter().any(|word| is_errexit_flag(word) || *word == "errexit")
        }
        Some("trap") => words.next_back() == Some("ERR"),
        _ => false,
    }
}

fn is_errexit_flag(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|flags| flags.contains('e') && flags.chars().all(char::is_alphabetic))
}

/// The commands whose failure nothing looks at, each with the index of the text that holds it; the last command of the
/// script is among them, though its failure is the step's.
fn commands<'a>(script: &Script<'a>) -> Vec<(usize, &'a str)> {
    let mut commands = Vec::new();
    let mut here_document = None;
    let mut continued = false;
    for (text, line) in script.lines() {
        let line = line.trim();
        if here_document.is_some() {
            here_document = here_document.filter(|end| *end != line);
            continue;
        }
        here_document = here_document_end(line);
        let goes_on = std::mem::replace(&mut continued, line.ends_with(['\\', '|']) || line.ends_with("&&"));
        if !goes_on && is_judged(line) {
            commands.push((text, line));
        }
    }
    commands
}

/// Whether a line is a command that can fail and does not handle that itself.
fn is_judged(line: &str) -> bool {
    let first = line.split([' ', '\t', ';', '(']).next().unwrap_or_default();
    let runs_another = line.contains("$(") || line.contains('`');
    let assigns = first.split_once('=').is_some_and(|(name, _)| is_variable(name));
    let leaves = line.rsplit_once("&&").is_some_and(|(_, last)| last.trim().starts_with("exit"));
    let defines = line.split_once("()").is_some_and(|(name, _)| is_variable(name.trim()));
    !(first.is_empty()
        || first.starts_with('#')
        || first.ends_with(')')
        || NOT_JUDGED.contains(&first)
        || defines
        || (assigns && !runs_another)
        || leaves
        || line.contains("||")
        || (line.contains("&&") && QUESTIONS.contains(&first)))
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// The line that ends the here-document which this line begins, if it does.
fn here_document_end(line: &str) -> Option<&str> {
    let (_, after) = line.split_once("<<")?;
    let word = after.trim_start_matches('-').split_whitespace().next()?;
    let word = word.trim_matches(['"', '\'']);
    (!word.is_empty() && is_variable(word)).then_some(word)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Rule, warnings};
    use crate::{DocumentType, from_value_as};

    /// The commands that the rule names for a script.
    fn named(lines: &[&str]) -> Vec<String> {
        let document = json!({"schemaVersion": "2.2", "mainSteps": [
            {"name": "a", "action": "aws:runShellScript", "inputs": {"runCommand": lines}}]});
        let content = from_value_as(DocumentType::Command, document).unwrap();
        let found = warnings(&content).into_iter().filter(|warning| warning.code == Rule::NoSetE);
        found
            .map(|warning| {
                let rest = warning.message.split_once("if \"").unwrap().1;
                rest.split_once("\" fails").unwrap().0.to_owned()
            })
            .collect()
    }

    #[test]
    fn a_failure_that_nothing_looks_at_is_named() {
        assert_eq!(named(&["echo start", "cd /srv", "make install"]), ["cd /srv"]);
        assert_eq!(
            named(&["#!/bin/bash\nset -u\napt-get update\napt-get install -y nginx\n"]),
            ["apt-get update"]
        );
        assert_eq!(named(&["A=$(false)", "use \\\"$A\\\""]), ["A=$(false)"]);
        assert_eq!(named(&["f() {", "  one", "}", "f"]), ["one"]);
    }

    #[test]
    fn a_script_that_stops_at_failures_is_left_alone() {
        for lines in [
            &["set -e", "one", "two"][..],
            &["#!/bin/bash -e", "one", "two"],
            &["#!/usr/bin/env bash\nset -euo pipefail\none\ntwo"],
            &["cd /tmp; set -o errexit", "one", "two"],
            &["trap 'exit 1' ERR", "one", "two"],
        ] {
            assert_eq!(named(lines), [""; 0], "{lines:?}");
        }
    }

    #[test]
    fn a_script_whose_failure_cannot_be_missed_is_left_alone() {
        for lines in [
            &["one"][..],
            &[],
            &["echo a", "B=2", "one"],
            &["one || exit 1", "two"],
            &["one && \\", "  two"],
            &["[ -e /etc/motd ] && exit", "two"],
            &["one && exit 0", "sleep 1", "two"],
            &["if one; then", "fi", "two"],
            &["cat <<EOF > /etc/motd", "one", "two", "EOF"],
            &["# one", "", "two"],
            &["#!/usr/bin/python3", "one()", "two()"],
        ] {
            assert_eq!(named(lines), [""; 0], "{lines:?}");
        }
    }
}
