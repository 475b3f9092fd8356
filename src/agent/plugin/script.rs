//! What the script plugins share: the step's commands go to a file, an interpreter of the node runs it, and its end is
//! the step's.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use keelson_core::status::StepStatus;
use keelson_document::{Ended, ScriptInputs};

use super::{STOPPED, StepContext, failed};
use crate::worker::{End, StepOutput, run_process};

mod environment;
pub mod folder;

/// Code by which a script asks for a reboot, after which it runs again.
const REBOOT: i32 = 194;
/// Code of a script whose shell died by a signal.
const NO_CODE: i32 = -1;

/// Writes the text of a step's script into the step's folder and returns its path, or fails the step.
pub fn write(
    inputs: &ScriptInputs,
    file: &str,
    text: &str,
    context: &StepContext<'_>,
    output: &mut StepOutput,
) -> Result<PathBuf, Ended> {
    let folder = folder::of_step(context.root, context.index, context.name, &inputs.id);
    folder::write_script(&folder, file, text).map_err(|error| failed(1, &error.to_string(), output))
}

/// Runs a command, whose program is `interpreter`, where and as long as the inputs say.
pub fn run(
    mut command: Command,
    interpreter: &Path,
    inputs: ScriptInputs,
    context: &StepContext<'_>,
    output: &mut StepOutput,
) -> Ended {
    command.envs(environment::variables(context, inputs.environment));
    let wanted = inputs.working_directory.as_deref().unwrap_or_default();
    if let Some(folder) = folder::working_directory(&context.downloads(), wanted) {
        command.current_dir(folder);
    }
    match run_process(&mut command, output, context.control, inputs.timeout) {
        Ok(End::Exited(status)) => exited(status, output),
        Ok(End::TimedOut) => Ended { status: StepStatus::TimedOut, code: STOPPED },
        Ok(End::Cancelled) => Ended { status: StepStatus::Cancelled, code: STOPPED },
        Err(error) => {
            let reason =
                format!("failed to run commands: fork/exec {}: {}", interpreter.display(), reason(&error));
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
