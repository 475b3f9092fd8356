//! The command line of `keelson`.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use keelson_api::Target;
use keelson_document::DocumentType;
use keelson_document::lint::Rule;

use crate::cluster::ClusterArguments;
use crate::run::targets;

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
    /// Run a document on nodes, and print what each prints.
    ///
    /// Makes a Command and waits for it. Exits with 0 only if every node succeeded, with 1 if one did not or there was
    /// none, with 2 if it could not be asked for or no longer be watched, with 130 if it was interrupted.
    Run(Box<RunArguments>),
    /// Show what there is.
    #[command(subcommand)]
    Get(Get),
}

/// `get`
#[derive(Debug, Subcommand)]
pub enum Get {
    /// Show how a Command went, node by node.
    Results(ResultsArguments),
}

/// `run`
#[derive(Debug, Args)]
pub struct RunArguments {
    /// The Document to run, of the namespace or of the library.
    pub document: String,
    /// Which nodes, all of these: tag:Role=web,db or tag-key=Role or InstanceIds=mi-1 (* for every node), also as
    /// Key=tag:Role,Values=web,db or JSON.
    #[arg(long, value_name = "KEY=VALUE[,VALUE]", num_args = 1.., value_parser = given_targets)]
    pub targets: Vec<Given>,
    /// Which nodes, by the names of their ManagedNodes.
    #[arg(long, value_name = "NODE", num_args = 1..)]
    pub instance_ids: Vec<String>,
    /// Which nodes, by labels of their ManagedNodes: env=prod,tier!=db,zone in (a,b).
    #[arg(short = 'l', long, value_name = "LABELS", value_parser = targets::selector)]
    pub selector: Option<LabelSelector>,
    /// Nodes to leave out, in the forms of --targets.
    #[arg(long, value_name = "KEY=VALUE[,VALUE]", num_args = 1.., value_parser = given_targets)]
    pub exclude: Vec<Given>,
    /// Values of the document's parameters: NAME=VALUE (taken whole; a name given again makes a list), a JSON object,
    /// or @FILE with one.
    #[arg(long, value_name = "NAME=VALUE", num_args = 1..)]
    pub parameters: Vec<String>,
    /// $DEFAULT, $LATEST, a number or a version's name.
    #[arg(long, value_name = "VERSION")]
    pub document_version: Option<String>,
    /// How many nodes run it at once: a number or a percentage [default: 50].
    #[arg(long, value_name = "NUMBER")]
    pub max_concurrency: Option<String>,
    /// How many errors are tolerated before nothing more is sent: a number or a percentage [default: 0].
    #[arg(long, value_name = "NUMBER")]
    pub max_errors: Option<String>,
    /// How long a node may take to accept it [default: 600].
    #[arg(long, value_name = "SECONDS")]
    pub timeout_seconds: Option<i64>,
    /// What it is for.
    #[arg(long, value_name = "TEXT")]
    pub comment: Option<String>,
    /// Print the Command's name and do not wait for it.
    #[arg(long)]
    pub no_wait: bool,
    /// Cancel the Command on an interrupt (Ctrl-C), instead of leaving it to run.
    #[arg(long, conflicts_with = "no_wait")]
    pub cancel_on_interrupt: bool,
    /// Print all results in one JSON object at the end, instead of what nodes print.
    #[arg(short, long, value_enum, conflicts_with = "no_wait")]
    pub output: Option<OutputFormat>,
    /// Where.
    #[command(flatten)]
    pub cluster: ClusterArguments,
}

/// `get results`
#[derive(Debug, Args)]
pub struct ResultsArguments {
    /// The Command.
    pub command: String,
    /// How to write them, other than as a table.
    #[arg(short, long, value_enum)]
    pub output: Option<TableFormat>,
    /// Where.
    #[command(flatten)]
    pub cluster: ClusterArguments,
}

/// The targets of one word.
#[derive(Debug, Clone)]
pub struct Given(pub Vec<Target>);

/// How a run's results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// One JSON object.
    Json,
}

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// One JSON object.
    Json,
    /// With where the output is, and whole first lines.
    Wide,
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

pub(crate) fn parse_from(arguments: &[OsString]) -> Result<Arguments, clap::Error> {
    let command = Arguments::command().bin_name(called_as(arguments.first()));
    Arguments::from_arg_matches(&command.try_get_matches_from(arguments)?)
}

/// The words a user typed to get here: kubectl runs `kubectl-keelson` for `kubectl keelson`.
fn called_as(program: Option<&OsString>) -> &'static str {
    let stem = program.and_then(|path| Path::new(path).file_stem()).and_then(OsStr::to_str);
    if stem.is_some_and(|stem| stem.starts_with("kubectl-")) { "kubectl keelson" } else { "keelson" }
}

fn given_targets(word: &str) -> Result<Given, String> {
    targets::targets(word).map(Given)
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
        refused("keelson run uptime --targets Role=web", "write tag:KEY=VALUE[,VALUE]");
        refused("keelson run uptime --selector a,,b", "is no condition on a label");
        refused("keelson run", "<DOCUMENT>");
    }

    #[test]
    fn types_and_rules_are_found_by_name() {
        let line = "keelson lint --document-type automation --allow no-set-e --allow no-fail-fast a.yaml -";
        let Command::Lint(lint) = parsed(line).unwrap().command else { panic!("another subcommand") };
        assert_eq!(lint.document_type, Some(DocumentType::Automation));
        assert_eq!(lint.allow, [Rule::NoSetE, Rule::NoFailFast]);
        assert_eq!(lint.files, ["a.yaml", "-"]);
    }
}
