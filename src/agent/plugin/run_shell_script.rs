//! `aws:runShellScript`: writes the step's commands to a file and has `sh` run it.

use std::env;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use keelson_core::status::StepStatus;
use keelson_document::{Ended, ScriptInputs};
use serde_json::Value;

use super::{StepContext, failed};
use crate::worker::{End, StepOutput, run_process};

mod environment;
mod folder;

/// Code of a script that the agent killed.
const STOPPED: i32 = 137;
/// Code by which a script asks for a reboot, after which it runs again.
const REBOOT: i32 = 194;
/// Code of a script whose shell died by a signal.
const NO_CODE: i32 = -1;

/// Runs one step's script to its end.
pub fn run(inputs: &Value, context: &StepContext<'_>, output: &mut StepOutput) -> Ended {
    let inputs = match ScriptInputs::parse(inputs) {
        Ok(inputs) => inputs,
        Err(error) => return failed(1, &error.to_string(), output),
    };
    let root = context.directory.path();
    let folder = folder::of_step(root, context.index, context.name, &inputs.id);
    let script = match folder::write_script(&folder, &inputs.script_text()) {
        Ok(path) => path,
        Err(error) => return failed(1, &error.to_string(), output),
    };
    let shell = shell();
    let mut command = Command::new(&shell);
    command.arg0("sh").arg("-c").arg(folder::shell_word(&script));
    command.envs(environment::variables(context.order, context.document, inputs.environment));
    let wanted = inputs.working_directory.as_deref().unwrap_or_default();
    if let Some(folder) = folder::working_directory(root, wanted) {
        command.current_dir(folder);
    }
    match run_process(&mut command, output, context.control, inputs.timeout) {
        Ok(End::Exited(status)) => exited(status, output),
        Ok(End::TimedOut) => Ended { status: StepStatus::TimedOut, code: STOPPED },
        Ok(End::Cancelled) => Ended { status: StepStatus::Cancelled, code: STOPPED },
        Err(error) => {
            let reason = format!("failed to run commands: fork/exec {}: {}", shell.display(), reason(&error));
            failed(1, &reason, output)
        }
    }
}

/// What a script's own end means. 137 is taken for a kill by the agent, whoever killed it.
fn exited(status: ExitStatus, output: &mut StepOutput) -> Ended {
    match status.code() {
        Some(0) => Ended { status: StepStatus::Success, code: 0 },
        Some(REBOOT) => Ended { status: StepStatus::SuccessAndReboot, code: REBOOT },
        Some(STOPPED) => Ended { status: StepStatus::TimedOut, code: STOPPED },
        Some(code) => failed(code, &format!("failed to run commands: exit status {code}"), output),
        None => {
            let signal = signal_name(status.signal().unwrap_or_default());
            let dumped = if status.core_dumped() { " (core dumped)" } else { "" };
            failed(NO_CODE, &format!("failed to run commands: signal: {signal}{dumped}"), output)
        }
    }
}

/// The `sh` of the agent's own PATH: a document's PATH is for its script only.
fn shell() -> PathBuf {
    let is_program = |path: &Path| {
        path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    let path = env::var_os("PATH").unwrap_or_default();
    let mut candidates =
        env::split_paths(&path).filter(|folder| folder.is_absolute()).map(|folder| folder.join("sh"));
    candidates.find(|path| is_program(path)).unwrap_or_else(|| PathBuf::from("/bin/sh"))
}

/// An error of the system in the real agent's words: without number, in lower case.
fn reason(error: &io::Error) -> String {
    if error.raw_os_error().is_none() {
        // A NUL in an argument, a variable or the working directory.
        return "invalid argument".to_owned();
    }
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// The names of the signals that end a process, as the real agent has them.
fn signal_name(number: i32) -> String {
    let name = match number {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        10 => "user defined signal 1",
        11 => "segmentation fault",
        12 => "user defined signal 2",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        _ => return format!("signal {number}"),
    };
    name.to_owned()
}
