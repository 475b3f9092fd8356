//! The daemon as a service of systemd: which program it runs, how it is started anew, and what it tells of itself.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use semver::Version;

use crate::status::{self, Daemon};

/// The agent's unit.
const UNIT: &str = "keelson-agent.service";
/// A program that is asked something answers within this.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(20);

/// Why systemd, or a program, did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// It cannot be started.
    #[error("cannot run {}: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It ran and said no.
    #[error("{program:?} ended with {status}: {said:?}")]
    Refused {
        /// The program and what it was to do.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        said: String,
    },
    /// It did not end.
    #[error("{} did not answer within {} s", .0.display(), ANSWER_LIMIT.as_secs())]
    Silent(PathBuf),
    /// There is no such unit here.
    #[error(
        "systemd has no {UNIT} with a program to update: install the unit, or replace the program by hand and start it anew"
    )]
    NoUnit,
    /// What it said is no version.
    #[error("{} is no keelson-agent: to --version it says {said:?}", program.display())]
    NoVersion {
        /// The program.
        program: PathBuf,
        /// What it said.
        said: String,
    },
}

/// What an update needs of the machine.
pub trait Service {
    /// Starts the daemon anew, from the program that is installed now.
    fn restart(&self) -> Result<(), ServiceError>;

    /// Has `previous recover program` run apart from this process, so that a trial ends well although whoever
    /// watches it is killed.
    fn guard(&self, previous: &Path, program: &Path) -> Result<(), ServiceError>;

    /// What the daemon tells of itself; nothing while it does not run.
    fn daemon(&self) -> Option<Daemon>;

    /// The version that a program says it has.
    fn version_of(&self, program: &Path) -> Result<Version, ServiceError>;

    /// Lets time pass.
    fn pause(&self, time: Duration);
}

/// The service manager of this machine.
#[derive(Debug, Clone)]
pub struct Systemd {
    state: PathBuf,
}

impl Systemd {
    /// With the daemon that works on this state folder.
    pub fn new(state: &Path) -> Self {
        Self { state: state.to_owned() }
    }

    /// The program that the agent's unit runs.
    pub fn program() -> Result<PathBuf, ServiceError> {
        let shown = run("systemctl", ["show", "--property=ExecStart", UNIT])?;
        program_in(&shown).ok_or(ServiceError::NoUnit)
    }
}

impl Service for Systemd {
    fn restart(&self) -> Result<(), ServiceError> {
        run("systemctl", ["restart", "--no-block", UNIT]).map(drop)
    }

    fn guard(&self, previous: &Path, program: &Path) -> Result<(), ServiceError> {
        let unit = format!("--unit=keelson-agent-recover-{}", std::process::id());
        let options = [
            "--quiet",
            "--collect",
            &unit,
            "--description=Watch over an update of the Keelson node agent",
            "--",
        ];
        let recover = [previous.as_os_str(), OsStr::new("recover"), program.as_os_str()];
        run("systemd-run", options.map(OsStr::new).into_iter().chain(recover)).map(drop)
    }

    fn daemon(&self) -> Option<Daemon> {
        status::daemon(&self.state)
    }

    fn version_of(&self, program: &Path) -> Result<Version, ServiceError> {
        let said = run(program, ["--version"])?;
        let version = said.trim().strip_prefix("keelson-agent ").and_then(|text| Version::parse(text).ok());
        version.ok_or_else(|| ServiceError::NoVersion { program: program.to_owned(), said: beginning(&said) })
    }

    fn pause(&self, time: Duration) {
        thread::sleep(time);
    }
}

/// The path in what systemd shows of a unit's `ExecStart`.
fn program_in(shown: &str) -> Option<PathBuf> {
    let path = shown.split_once("path=")?.1.split(" ;").next()?;
    path.starts_with('/').then(|| PathBuf::from(path))
}

/// Runs a program that answers soon, and returns its standard output.
fn run<A: AsRef<OsStr>>(
    program: impl AsRef<Path>,
    arguments: impl IntoIterator<Item = A>,
) -> Result<String, ServiceError> {
    let program = program.as_ref();
    let start = |source| ServiceError::Start { program: program.to_owned(), source };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output =
        answer(&mut command).map_err(start)?.ok_or_else(|| ServiceError::Silent(program.to_owned()))?;
    if !output.status.success() {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
        return Err(ServiceError::Refused {
            program: words.join(" "),
            status: output.status,
            said: beginning(&String::from_utf8_lossy(&output.stderr)),
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What a process says that is killed if it does not end in time. It must say little: nobody reads meanwhile.
fn answer(command: &mut Command) -> io::Result<Option<Output>> {
    let mut child = command.spawn()?;
    let give_up = Instant::now() + ANSWER_LIMIT;
    while child.try_wait()?.is_none() {
        if Instant::now() > give_up {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(LOOK);
    }
    child.wait_with_output().map(Some)
}

/// As much of a text as a message can hold.
fn beginning(text: &str) -> String {
    text.trim().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_units_program_is_found_in_what_systemd_shows() {
        let shown = "ExecStart={ path=/usr/local/bin/keelson-agent ; argv[]=/usr/local/bin/keelson-agent run ; pid=7 }\n";
        assert_eq!(program_in(shown), Some("/usr/local/bin/keelson-agent".into()));
        assert_eq!(program_in("\n"), None);
    }

    #[test]
    fn a_program_is_asked_for_its_version_and_one_that_has_none_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let asked = |script: &str| {
            let program = folder.path().join("program");
            fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
            // Under `sh`, because another test's child may hold the file open for writing for a moment.
            let said = run("/bin/sh", [program.as_os_str(), OsStr::new("--version")]);
            said.map_err(|error| error.to_string())
        };
        assert_eq!(asked("echo keelson-agent 1.2.3").unwrap(), "keelson-agent 1.2.3\n");
        let broken = asked("echo no such library >&2; exit 127").unwrap_err();
        assert!(broken.contains("exit status: 127") && broken.contains("no such library"), "{broken}");
        let systemd = Systemd::new(folder.path());
        let other = systemd.version_of(Path::new("/bin/echo")).unwrap_err().to_string();
        assert!(other.contains("is no keelson-agent"), "{other}");
        assert!(
            systemd.version_of(Path::new("/nonexistent")).unwrap_err().to_string().contains("cannot run")
        );
    }
}
