//! `aws:updateSsmAgent`: updates keelson-agent, which is the agent that a document means here.
//!
//! This process outlives the daemon that is replaced, and tells how it went. A cancel ends the download; what has
//! been begun to install goes to its end.

use std::process::Command;
use std::time::Duration;

use keelson_core::status::StepStatus;
use keelson_document::{Ended, input};
use semver::Version;
use serde_json::Value;

use super::{STOPPED, StepContext, failed};
use crate::update::{Source, Update, UpdateError, Wanted};
use crate::worker::{End, StepOutput, run_process};

/// Getting the program takes no longer. It may wait for its turn at the gateway several times.
const FETCH_LIMIT: Duration = Duration::from_secs(1800);

/// Inputs that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum InputsError {
    #[error("agentName is {0:?}: only keelson-agent can be updated (amazon-ssm-agent means it, too)")]
    OtherAgent(String),
    #[error("allowDowngrade is {0:?}: true or false")]
    AllowDowngrade(String),
    #[error("targetVersion {0:?} is no version of keelson-agent, such as {current}: leave it out for the gateway's", current = crate::version::version())]
    Version(String),
    #[error("{0} is no text")]
    NoText(&'static str),
    #[error(transparent)]
    Source(#[from] crate::update::SourceError),
}

/// What a document asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Inputs {
    wanted: Wanted,
    source: String,
}

impl Inputs {
    /// Reads interpolated inputs; keys are found without regard to case.
    fn parse(inputs: &Value) -> Result<Self, InputsError> {
        let agent = text(inputs, "agentName")?;
        if !["", "amazon-ssm-agent", "keelson-agent"].contains(&agent.as_str()) {
            return Err(InputsError::OtherAgent(agent));
        }
        let allow_downgrade = match text(inputs, "allowDowngrade")?.to_ascii_lowercase().as_str() {
            "" | "false" => false,
            "true" => true,
            other => return Err(InputsError::AllowDowngrade(other.to_owned())),
        };
        let version = match text(inputs, "targetVersion")? {
            latest if latest.is_empty() || latest.eq_ignore_ascii_case("latest") => None,
            version => Some(Version::parse(&version).map_err(|_| InputsError::Version(version))?),
        };
        let source = text(inputs, "source")?;
        Source::parse(&source)?;
        Ok(Self { wanted: Wanted { version, allow_downgrade, force: false }, source })
    }
}

/// A text of the inputs, empty where there is none; `true` is as good as `"true"`.
fn text(inputs: &Value, name: &'static str) -> Result<String, InputsError> {
    match inputs.as_object().and_then(|inputs| input(inputs, name)) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.trim().to_owned()),
        Some(Value::Bool(value)) => Ok(value.to_string()),
        Some(_) => Err(InputsError::NoText(name)),
    }
}

/// Updates the agent.
pub fn run(inputs: &Value, context: &StepContext<'_>, output: &mut StepOutput) -> Ended {
    let inputs = match Inputs::parse(inputs) {
        Ok(inputs) => inputs,
        Err(error) => return failed(1, &error.to_string(), output),
    };
    // The run's folder is STATE/NODE/document/orchestration/COMMAND.
    let Some(state) = context.directory.path().ancestors().nth(4) else {
        return failed(1, "the agent's state folder is not found from the run's folder", output);
    };
    let update = match Update::begin(state) {
        Ok(update) => update,
        Err(error) => return failed(1, &error.to_string(), output),
    };
    let mut command = Command::new(update.program());
    command.arg("--state-dir").arg(state).args(["fetch-agent", "--to"]).arg(update.staged());
    command.args(["--installed", &update.installed().to_string(), "--source", &inputs.source]);
    if let Some(version) = &inputs.wanted.version {
        command.args(["--target-version", &version.to_string()]);
    }
    if inputs.wanted.allow_downgrade {
        command.arg("--allow-downgrade");
    }
    match run_process(&mut command, output, context.control, FETCH_LIMIT) {
        Ok(End::Exited(status)) if status.success() => ended(update.install(&inputs.wanted), output),
        Ok(End::Exited(status)) => failed(1, &format!("the new agent was not fetched: {status}"), output),
        Ok(End::TimedOut) => Ended { status: StepStatus::TimedOut, code: STOPPED },
        Ok(End::Cancelled) => Ended { status: StepStatus::Cancelled, code: STOPPED },
        Err(error) => failed(1, &format!("cannot run {}: {error}", update.program().display()), output),
    }
}

fn ended(outcome: Result<crate::update::Outcome, UpdateError>, output: &mut StepOutput) -> Ended {
    match outcome {
        Ok(outcome) => {
            output.stdout.note_line(&format!("{outcome}\n"));
            Ended { status: StepStatus::Success, code: 0 }
        }
        Err(error) => failed(1, &error.to_string(), output),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problem(inputs: &Value) -> String {
        Inputs::parse(inputs).unwrap_err().to_string()
    }

    #[test]
    fn awss_own_document_means_this_agent_and_the_gateways_version() {
        let inputs = json!({
            "agentName": "amazon-ssm-agent",
            "source": "https://s3.{Region}.amazonaws.com/amazon-ssm-{Region}/ssm-agent-manifest.json",
            "allowDowngrade": "false",
            "targetVersion": "latest",
        });
        let parsed = Inputs::parse(&inputs).unwrap();
        assert_eq!((parsed.wanted, Source::parse(&parsed.source)), (Wanted::default(), Ok(Source::Gateway)));
        assert_eq!(Inputs::parse(&json!(null)).unwrap().wanted, Wanted::default());
    }

    #[test]
    fn a_version_and_a_downgrade_can_be_asked_for_in_any_spelling_of_the_names() {
        let inputs = json!({"AllowDowngrade": true, "TARGETVERSION": "1.2.3", "source": "/opt/agent"});
        let wanted = Inputs::parse(&inputs).unwrap().wanted;
        assert_eq!((wanted.version, wanted.allow_downgrade), (Some(Version::new(1, 2, 3)), true));
    }

    #[test]
    fn what_cannot_be_followed_is_refused_with_the_mend() {
        assert!(problem(&json!({"agentName": "cron"})).contains("only keelson-agent"));
        assert!(problem(&json!({"allowDowngrade": "yes"})).contains("true or false"));
        assert!(problem(&json!({"targetVersion": "3.3.987.0"})).contains("no version of keelson-agent"));
        assert!(problem(&json!({"targetVersion": ["1.0.0"]})).contains("targetVersion is no text"));
        assert!(problem(&json!({"source": "https://example.com/x"})).contains("#sha256="));
    }
}
