//! The Command that the arguments ask for.

use keelson_api::{Command, CommandSpec, Target};
use serde_json::{Value, json};

use super::parameters::parameters;
use crate::args::RunArguments;

/// Of a document's name, so much goes into the Command's: there has to be room for what makes it unique.
const NAME_LENGTH: usize = 50;

/// Makes it, without its name, which the API server ends.
pub fn command(arguments: &RunArguments) -> Result<Command, String> {
    let mut targets: Vec<Target> = arguments.targets.iter().flat_map(|given| given.0.clone()).collect();
    if !arguments.instance_ids.is_empty() {
        targets.push(Target { key: "InstanceIds".to_owned(), values: arguments.instance_ids.clone() });
    }
    if targets.is_empty() && arguments.selector.is_none() {
        return Err("say which nodes: --targets tag:Role=web, --instance-ids mi-..., --selector LABELS, or \
                    --targets 'InstanceIds=*' for every node of the namespace"
            .to_owned());
    }
    let exclude: Vec<Target> = arguments.exclude.iter().flat_map(|given| given.0.clone()).collect();
    // What is not given is left to the API server's defaults.
    let mut spec = json!({
        "documentName": arguments.document,
        "parameters": parameters(&arguments.parameters).map_err(|reason| format!("--parameters: {reason}"))?,
        "targets": targets,
        "exclude": exclude,
    });
    let given = [
        ("labelSelector", arguments.selector.as_ref().map(|selector| json!(selector))),
        ("documentVersion", arguments.document_version.as_ref().map(|version| json!(version))),
        ("maxConcurrency", arguments.max_concurrency.as_ref().map(|number| json!(number))),
        ("maxErrors", arguments.max_errors.as_ref().map(|number| json!(number))),
        ("timeoutSeconds", arguments.timeout_seconds.map(|seconds| json!(seconds))),
        ("comment", arguments.comment.as_ref().map(|comment| json!(comment))),
    ];
    if let Value::Object(fields) = &mut spec {
        fields.extend(given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    let spec: CommandSpec = serde_json::from_value(spec).map_err(|error| error.to_string())?;
    let mut command = Command::new("", spec);
    command.metadata.name = None;
    command.metadata.generate_name = Some(generate_name(&arguments.document));
    Ok(command)
}

/// `aws-runshellscript-` of `AWS-RunShellScript`: what a Kubernetes name may begin with.
fn generate_name(document: &str) -> String {
    let last = document.rsplit(['/', ':']).next().unwrap_or(document);
    let allowed = |character: char| {
        if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '-' }
    };
    let name: String = last.chars().map(allowed).take(NAME_LENGTH).collect();
    match name.trim_matches('-') {
        "" => "command-".to_owned(),
        name => format!("{name}-"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{self, Arguments};

    fn made(words: &[&str]) -> Result<Value, String> {
        let words: Vec<_> = ["keelson", "run"].iter().chain(words).map(Into::into).collect();
        let Arguments { command: args::Command::Run(arguments) } = args::parse_from(&words).unwrap() else {
            return Err("another subcommand".into());
        };
        command(&arguments).map(|command| serde_json::to_value(command).unwrap())
    }

    #[test]
    fn arguments_become_a_command() {
        let made = made(&[
            "AWS-RunShellScript",
            "--targets",
            "tag:Role=web",
            "Key=tag:Env,Values=prod,test",
            "--instance-ids",
            "mi-1",
            "mi-2",
            "--exclude",
            "tag-key=Old",
            "--parameters",
            "commands=echo a,b",
            "--max-errors",
            "10%",
        ])
        .unwrap();
        assert_eq!(made["metadata"]["generateName"], "aws-runshellscript-");
        assert_eq!(made["metadata"]["name"], Value::Null);
        let spec = &made["spec"];
        assert_eq!(
            spec["targets"],
            json!([
                { "key": "tag:Role", "values": ["web"] },
                { "key": "tag:Env", "values": ["prod", "test"] },
                { "key": "InstanceIds", "values": ["mi-1", "mi-2"] },
            ])
        );
        assert_eq!(spec["exclude"], json!([{ "key": "tag-key", "values": ["Old"] }]));
        assert_eq!(spec["parameters"], json!({ "commands": ["echo a,b"] }));
        assert_eq!((&spec["maxErrors"], &spec["maxConcurrency"]), (&json!("10%"), &json!("50")));
    }

    #[test]
    fn a_selector_alone_is_enough_and_nothing_is_not() {
        let selected = made(&["uptime", "--selector", "env=prod"]).unwrap();
        assert_eq!(selected["spec"]["labelSelector"]["matchExpressions"][0]["values"], json!(["prod"]));
        assert!(made(&["uptime"]).unwrap_err().contains("--targets 'InstanceIds=*' for every node"));
    }

    #[test]
    fn names_of_documents_begin_names_of_commands() {
        assert_eq!(generate_name("arn:aws:ssm:eu-west-1:1:document/My_Doc.v2"), "my-doc-v2-");
        assert_eq!(generate_name("___"), "command-");
        assert_eq!(generate_name(&"a".repeat(128)).len(), 51);
    }
}
