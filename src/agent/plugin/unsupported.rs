//! The plugins that AWS's agent has on Linux and Keelson does not: their steps fail and say what to do instead.

use keelson_document::Ended;

use super::failed;
use crate::worker::StepOutput;

/// Fails the step.
pub fn run(action: &str, output: &mut StepOutput) -> Ended {
    match action {
        // AWS's agent refuses these too, in these words.
        "aws:cloudWatch" => {
            let reason = "Plugin aws:cloudWatch is not registered by agent";
            output.error = Some(reason.to_owned());
            failed(1, reason, output)
        }
        "aws:softwareInventory" => {
            failed(1, "aws:softwareInventory plugin can only be invoked via ssm-associate", output)
        }
        other => failed(1, &reason(other), output),
    }
}

fn reason(action: &str) -> String {
    let mend = match action {
        "aws:configureDocker" => {
            "install Docker with the node's package manager in an aws:runShellScript step"
        }
        "aws:runDockerAction" => "run the docker command in an aws:runShellScript step",
        "aws:configurePackage" => {
            "install the package with the node's package manager in an aws:runShellScript step, or fetch it by \
             aws:downloadContent"
        }
        "aws:domainJoin" => {
            "join the domain with the node's own tools, such as realm, in an aws:runShellScript step"
        }
        _ => "do its work in an aws:runShellScript step",
    };
    format!("keelson-agent does not have the plugin {action} yet: {mend}")
}
