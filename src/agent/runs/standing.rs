//! Where a run stands, by what is in its folder: the same answer for a daemon that started the worker and for
//! one that was started after it.

use keelson_core::status::StepStatus;

use crate::run_directory::{Progress, RunDirectory, RunDirectoryError};

/// What is to be done about a run that is accepted and has no result.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// Nobody has begun it.
    Fresh,
    /// A worker is at it; its process id, if it has said it yet.
    Running(Option<i32>),
    /// It has ended.
    Ended(Progress),
    /// It goes on after a reboot, which is still to come.
    AwaitsReboot,
    /// It goes on now, after the reboot it asked for.
    Resumes,
    /// Its worker is gone and will not come back.
    Died {
        /// Because the machine was booted again.
        rebooted: bool,
        /// How far it came.
        progress: Option<Progress>,
    },
}

/// Looks at a run's folder, in the boot `boot_id`.
pub fn standing(directory: &RunDirectory, boot_id: &str) -> Result<Standing, RunDirectoryError> {
    let alive = directory.has_worker()?;
    let mark = directory.worker()?;
    if alive {
        let pid = mark.filter(|mark| mark.boot_id == boot_id).map(|mark| mark.pid);
        return Ok(Standing::Running(pid));
    }
    let Some(mark) = mark else { return Ok(Standing::Fresh) };
    let rebooted = mark.boot_id != boot_id;
    Ok(match directory.progress()? {
        Some(progress) if progress.finished && progress.status == StepStatus::SuccessAndReboot => {
            if rebooted { Standing::Resumes } else { Standing::AwaitsReboot }
        }
        Some(progress) if progress.finished => Standing::Ended(progress),
        progress => Standing::Died { rebooted, progress },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Durability;
    use crate::runs::fixture::{order, progress};

    fn prepared() -> (tempfile::TempDir, RunDirectory) {
        let folder = tempfile::tempdir().unwrap();
        let directory = RunDirectory::new(folder.path().join("uid-1"));
        directory.prepare(&order("uid-1")).unwrap();
        (folder, directory)
    }

    fn begun_in(boot: &str, status: StepStatus, finished: bool) -> (tempfile::TempDir, RunDirectory) {
        let (folder, directory) = prepared();
        drop(directory.begin_work(boot).unwrap());
        directory.write_progress(&progress(status, finished), Durability::Atomic).unwrap();
        (folder, directory)
    }

    #[test]
    fn a_run_nobody_began_is_fresh_and_one_with_a_worker_runs() {
        let (_folder, directory) = prepared();
        assert_eq!(standing(&directory, "boot-1").unwrap(), Standing::Fresh);
        let _lock = directory.begin_work("boot-1").unwrap();
        let pid = std::process::id().cast_signed();
        assert_eq!(standing(&directory, "boot-1").unwrap(), Standing::Running(Some(pid)));
    }

    #[test]
    fn a_finished_run_has_ended_in_whatever_boot() {
        let (_folder, directory) = begun_in("boot-1", StepStatus::Failed, true);
        for boot in ["boot-1", "boot-2"] {
            let expected = Standing::Ended(progress(StepStatus::Failed, true));
            assert_eq!(standing(&directory, boot).unwrap(), expected);
        }
    }

    #[test]
    fn a_run_whose_worker_is_gone_died_with_or_by_a_reboot() {
        let (_folder, directory) = begun_in("boot-1", StepStatus::InProgress, false);
        let died =
            |rebooted| Standing::Died { rebooted, progress: Some(progress(StepStatus::InProgress, false)) };
        assert_eq!(standing(&directory, "boot-1").unwrap(), died(false));
        assert_eq!(standing(&directory, "boot-2").unwrap(), died(true));
    }

    #[test]
    fn a_run_that_asked_for_a_reboot_goes_on_after_it() {
        let (_folder, directory) = begun_in("boot-1", StepStatus::SuccessAndReboot, true);
        assert_eq!(standing(&directory, "boot-1").unwrap(), Standing::AwaitsReboot);
        assert_eq!(standing(&directory, "boot-2").unwrap(), Standing::Resumes);
    }
}
