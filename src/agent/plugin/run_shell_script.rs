//! `aws:runShellScript`: writes the step's commands to a file and has `sh` run it.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use keelson_document::{Ended, ScriptInputs, strict_arguments};
use serde_json::Value;

use super::script::{self, folder};
use super::{StepContext, failed, program};
use crate::worker::StepOutput;

const SCRIPT: &str = "_script.sh";
const NO_BASH: &str = "the run is strict (strictScripts), for which this node needs bash, and there is none in the agent's PATH: \
                       install bash, or run without strictScripts";

/// Runs one step's script to its end.
pub fn run(inputs: &Value, context: &StepContext<'_>, output: &mut StepOutput) -> Ended {
    let inputs = match ScriptInputs::parse(inputs) {
        Ok(inputs) => inputs,
        Err(error) => return failed(1, &error.to_string(), output),
    };
    let text = inputs.script_text();
    let path = match script::write(&inputs, SCRIPT, &text, context, output) {
        Ok(path) => path,
        Err(ended) => return ended,
    };
    let strict = strict_arguments(&text).filter(|_| context.order.strict_scripts);
    let (command, interpreter) = match strict {
        None => plain(&path),
        Some(arguments) => match program::find("bash") {
            Some(bash) => strictly(bash, &arguments, &path),
            None => return failed(1, NO_BASH, output),
        },
    };
    script::run(command, &interpreter, inputs, context, output)
}

/// `sh -c` with the script's path, so that a `#!` line decides what reads it.
fn plain(path: &Path) -> (Command, PathBuf) {
    let shell = program::find("sh").unwrap_or_else(|| PathBuf::from("/bin/sh"));
    let mut command = Command::new(&shell);
    command.arg0("sh").arg("-c").arg(folder::shell_word(path));
    (command, shell)
}

/// bash reads the script, and its arguments have it end at the first command that fails.
fn strictly(bash: PathBuf, arguments: &[String], path: &Path) -> (Command, PathBuf) {
    let mut command = Command::new(&bash);
    command.args(arguments).arg(path);
    (command, bash)
}
