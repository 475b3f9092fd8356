//! The command line of `keelson`.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use keelson_document::DocumentType;
use keelson_document::lint::Rule;

/// AWS Systems Manager as a Kubernetes operator: the command line.
#[derive(Debug, Parser)]
#[command(name = "keelson", version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check documents before anything runs them.
    ///
    /// Errors are what the cluster or a node would refuse; warnings are what is legal and harmful. Exits with 1 if there
    /// are errors, with 2 if a file cannot be read, else with 0.
    Lint(LintArguments),
}

/// `lint`
#[derive(Debug, Args)]
pub struct LintArguments {
    /// SSM documents or manifests of Documents, in YAML or JSON. A folder stands for all such files in it, - for stdin.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<OsString>,
    /// How to write what is found.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// The type of the documents, such as Command or Automation. Else a manifest says it, or the document's form does.
    #[arg(long, value_name = "TYPE", value_parser = document_type)]
    pub document_type: Option<DocumentType>,
    /// Exit with 1 if there are warnings.
    #[arg(long)]
    pub deny_warnings: bool,
    /// Do not warn by this rule, such as no-set-e. May be given several times.
    #[arg(long, value_name = "RULE", value_parser = rule)]
    pub allow: Vec<Rule>,
}

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One line each, for people and editors, and a summary on stderr.
    Human,
    /// One JSON array of objects.
    Json,
}

/// The arguments of this process. Prints help or what is wrong with them, and ends it, where they ask for that.
pub fn parse() -> Arguments {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    parse_from(&arguments).unwrap_or_else(|error| error.exit())
}

fn parse_from(arguments: &[OsString]) -> Result<Arguments, clap::Error> {
    let command = Arguments::command().bin_name(called_as(arguments.first()));
    Arguments::from_arg_matches(&command.try_get_matches_from(arguments)?)
}

/// The words a user typed to get here: kubectl runs `kubectl-keelson` for `kubectl keelson`.
fn called_as(program: Option<&OsString>) -> &'static str {
    let stem = program.and_then(|path| Path::new(path).file_stem()).and_then(OsStr::to_str);
    if stem.is_some_and(|stem| stem.starts_with("kubectl-")) { "kubectl keelson" } else { "keelson" }
}

fn document_type(name: &str) -> Result<DocumentType, String> {
    let found = DocumentType::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name));
    found.ok_or_else(|| format!("use one of {}", listed(DocumentType::ALL.map(DocumentType::as_str))))
}

fn rule(name: &str) -> Result<Rule, String> {
    let found = Rule::ALL.into_iter().find(|rule| rule.as_str() == name);
    found.ok_or_else(|| format!("use one of {}", listed(Rule::ALL.map(Rule::as_str))))
}

fn listed<const N: usize>(names: [&str; N]) -> String {
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, clap::Error> {
        parse_from(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn help_shows_the_name_that_was_typed() {
        let help = |line| parsed(line).unwrap_err().to_string();
        assert!(help("/usr/bin/keelson lint --help").contains("Usage: keelson lint "));
        assert!(help("/usr/bin/kubectl-keelson lint --help").contains("Usage: kubectl keelson lint "));
        assert!(help("kubectl-keelson --help").contains("Usage: kubectl keelson <COMMAND>"));
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_what_can() {
        let refused = |line: &str, mend: &str| {
            let error = parsed(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains(mend), "{error}");
        };
        refused("keelson lint --document-type Comand a.yaml", "Command, Policy, Automation");
        refused("keelson lint --allow no-set-f a.yaml", "unquoted-parameter, no-set-e");
        refused("keelson lint --format xml a.yaml", "human, json");
        refused("keelson lint", "<FILE>");
    }

    #[test]
    fn types_and_rules_are_found_by_name() {
        let Command::Lint(lint) =
            parsed("keelson lint --document-type automation --allow no-set-e --allow no-fail-fast a.yaml -")
                .unwrap()
                .command;
        assert_eq!(lint.document_type, Some(DocumentType::Automation));
        assert_eq!(lint.allow, [Rule::NoSetE, Rule::NoFailFast]);
        assert_eq!(lint.files, ["a.yaml", "-"]);
    }
}
