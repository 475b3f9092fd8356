//! `aws:runPowerShellScript`: writes the step's commands to a file and has PowerShell run it, where the node has it.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use keelson_document::{Ended, ScriptInputs};
use serde_json::Value;

use super::{StepContext, failed, program, script};
use crate::worker::StepOutput;

const SCRIPT: &str = "_script.ps1";
/// Tells PowerShell that the file is UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';
/// Preferred, as AWS's agent does: the name of a PowerShell that came as a package of its own.
const POWERSHELL: &str = "/usr/bin/powershell";
/// What the failure of a node without any PowerShell names.
const PWSH: &str = "/usr/bin/pwsh";

/// Runs one step's script to its end.
pub fn run(inputs: &Value, context: &StepContext<'_>, output: &mut StepOutput) -> Ended {
    let mut inputs = match ScriptInputs::parse(inputs) {
        Ok(inputs) => inputs,
        Err(error) => return failed(1, &error.to_string(), output),
    };
    let text = format!("{BYTE_ORDER_MARK}{}", inputs.script_text());
    let path = match script::write(&inputs, SCRIPT, &text, context, output) {
        Ok(path) => path,
        Err(ended) => return ended,
    };
    let interpreter = interpreter();
    let mut command = Command::new(&interpreter);
    command.arg("-f").arg(path);
    inputs.environment.insert("HOME".to_owned(), "/".to_owned());
    forget_terminal(&mut command, &mut inputs.environment);
    script::run(command, &interpreter, inputs, context, output)
}

/// Leaves out the first variable that speaks of a TERM: with a terminal's name PowerShell writes colours into the output.
fn forget_terminal(command: &mut Command, environment: &mut BTreeMap<String, String>) {
    let speaks_of_it = |text: &OsStr| text.as_encoded_bytes().windows(4).any(|part| part == b"TERM");
    let own = env::vars_os().find(|(name, value)| speaks_of_it(name) || speaks_of_it(value));
    if let Some((name, _)) = own {
        command.env_remove(name);
        return;
    }
    let mut wanted = environment.iter();
    let name = wanted.find(|(name, value)| speaks_of_it(name.as_ref()) || speaks_of_it(value.as_ref()));
    if let Some(name) = name.map(|(name, _)| name.clone()) {
        environment.remove(&name);
    }
}

fn interpreter() -> PathBuf {
    let preferred = Path::new(POWERSHELL);
    if program::is_program(preferred) {
        return preferred.to_owned();
    }
    program::find("pwsh").unwrap_or_else(|| PathBuf::from(PWSH))
}
