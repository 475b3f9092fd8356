//! `keelson-agent worker DIR`: one small process that runs one document and outlives the daemon that started it.
//!
//! It has one thread, and no runtime. Whatever it knows is in the run's folder, so it may die at any time: the
//! daemon reads from the folder how far it came.

use std::io::Write;
use std::path::{self, Path};
use std::process::ExitCode;

use rustix::fs::Mode;

use crate::facts;
use crate::run_directory::{RunDirectory, RunDirectoryError};

mod control;
mod output;
mod process;
mod run;
mod texts;

pub use control::Control;
pub use output::StepOutput;
pub use process::{End, run as run_process};

/// Exit code of a worker for which there is nothing to do: the run is another's, or was begun before.
const NOT_MINE: u8 = 3;

/// Runs the document of the folder `directory` to its end, which is then in the folder.
pub fn main(directory: &Path) -> ExitCode {
    // Scripts expect it, whatever the daemon was started with.
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    // A terminal or a daemon that goes must not take the run along. It fails where this is so already.
    let _ = rustix::process::setsid();
    match work(directory) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(NOT_MINE),
        Err(error) => {
            // The daemon's log may be gone: then nobody can be told.
            let _ = writeln!(std::io::stderr(), "keelson-agent worker: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Takes the run and does it; false if it is not this process's to do.
fn work(directory: &Path) -> Result<bool, RunDirectoryError> {
    // Scripts run elsewhere, so their paths must not depend on where this process is.
    let directory = RunDirectory::new(path::absolute(directory).unwrap_or_else(|_| directory.to_owned()));
    let progress = directory.progress()?;
    let may_begin = match &progress {
        Some(progress) => run::waits_for_reboot(progress),
        // Without progress there was no step yet, but one may have been started just before the power went.
        None => directory.worker()?.is_none(),
    };
    if !may_begin {
        return Ok(false);
    }
    let Some(_lock) = directory.begin_work(&facts::boot_id())? else { return Ok(false) };
    run::execute(&directory, progress)?;
    Ok(true)
}
