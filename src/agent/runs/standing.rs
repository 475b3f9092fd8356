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

/// Looks at a run's folder, in the boot `boot_id`. `begun_in` is the last boot in which the journal has it begun:
/// a folder is not made durable, so after a power cut it may know less.
pub fn standing(
    directory: &RunDirectory,
    boot_id: &str,
    begun_in: Option<&str>,
) -> Result<Standing, RunDirectoryError> {
    let alive = directory.has_worker()?;
    let marked_in = directory.worker()?.map(|mark| (mark.boot_id, mark.pid));
    let this_boot = |boot: &str| boot == boot_id;
    if alive {
        let pid = marked_in.filter(|(boot, _)| this_boot(boot)).map(|(_, pid)| pid);
        return Ok(Standing::Running(pid));
    }
    let marked_in = marked_in.map(|(boot, _)| boot);
    let progress = directory.progress()?;
    Ok(match progress {
        None if marked_in.is_none() && begun_in.is_none_or(this_boot) => Standing::Fresh,
        Some(progress) if progress.finished && progress.status != StepStatus::SuccessAndReboot => {
            Standing::Ended(progress)
        }
        Some(progress) if progress.finished => match (marked_in.as_deref(), begun_in) {
            (Some(marked), _) if this_boot(marked) => Standing::AwaitsReboot,
            (_, None) => Standing::Resumes,
            // Begun for the last time by the worker that asked for the reboot, or about to be in this boot.
            (marked, Some(begun)) if marked == begun_in || this_boot(begun) => Standing::Resumes,
            // It had gone on after that reboot, and the machine was cut off.
            _ => Standing::Died { rebooted: true, progress: Some(progress) },
        },
        progress => {
            let rebooted = !marked_in.as_deref().or(begun_in).is_some_and(this_boot);
            Standing::Died { rebooted, progress }
        }
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
        assert_eq!(standing(&directory, "boot-1", Some("boot-1")).unwrap(), Standing::Fresh);
        let _lock = directory.begin_work("boot-1").unwrap();
        let pid = std::process::id().cast_signed();
        assert_eq!(standing(&directory, "boot-1", Some("boot-1")).unwrap(), Standing::Running(Some(pid)));
    }

    #[test]
    fn a_finished_run_has_ended_in_whatever_boot() {
        let (_folder, directory) = begun_in("boot-1", StepStatus::Failed, true);
        for boot in ["boot-1", "boot-2"] {
            let expected = Standing::Ended(progress(StepStatus::Failed, true));
            assert_eq!(standing(&directory, boot, Some("boot-1")).unwrap(), expected);
        }
    }

    #[test]
    fn a_run_whose_worker_is_gone_died_with_or_by_a_reboot() {
        let (_folder, directory) = begun_in("boot-1", StepStatus::InProgress, false);
        let died =
            |rebooted| Standing::Died { rebooted, progress: Some(progress(StepStatus::InProgress, false)) };
        assert_eq!(standing(&directory, "boot-1", Some("boot-1")).unwrap(), died(false));
        assert_eq!(standing(&directory, "boot-2", Some("boot-1")).unwrap(), died(true));
    }

    #[test]
    fn a_run_that_asked_for_a_reboot_goes_on_after_it() {
        let (_folder, directory) = begun_in("boot-1", StepStatus::SuccessAndReboot, true);
        assert_eq!(standing(&directory, "boot-1", Some("boot-1")).unwrap(), Standing::AwaitsReboot);
        assert_eq!(standing(&directory, "boot-2", Some("boot-1")).unwrap(), Standing::Resumes);
    }

    #[test]
    fn a_run_that_the_journal_has_begun_is_not_begun_again_when_a_power_cut_took_its_folder() {
        let (_folder, directory) = prepared();
        let died = Standing::Died { rebooted: true, progress: None };
        assert_eq!(standing(&directory, "boot-2", Some("boot-1")).unwrap(), died);
        assert_eq!(standing(&directory, "boot-2", None).unwrap(), Standing::Fresh);
    }

    #[test]
    fn a_run_that_had_gone_on_after_its_reboot_does_not_go_on_twice() {
        let (_folder, directory) = begun_in("boot-1", StepStatus::SuccessAndReboot, true);
        let died =
            Standing::Died { rebooted: true, progress: Some(progress(StepStatus::SuccessAndReboot, true)) };
        assert_eq!(standing(&directory, "boot-2", Some("boot-2")).unwrap(), Standing::Resumes);
        assert_eq!(standing(&directory, "boot-3", Some("boot-2")).unwrap(), died);
    }

    #[test]
    fn a_folder_alone_says_enough_when_the_journal_was_lost() {
        let (_folder, directory) = begun_in("boot-1", StepStatus::InProgress, false);
        for (boot, rebooted) in [("boot-1", false), ("boot-2", true)] {
            let found = standing(&directory, boot, None).unwrap();
            assert!(matches!(found, Standing::Died { rebooted: found, .. } if found == rebooted));
        }
    }
}
