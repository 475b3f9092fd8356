//! Brings one run to its result: starts its worker or finds it, waits, and looks at what it left.

use std::sync::Arc;
use std::time::Duration;

use keelson_protocol::v1::RunResult;

use super::outcome::{self, Subject};
use super::process;
use super::standing::{Standing, standing};
use super::{Permission, Runs};
use crate::journal::JournalError;
use crate::reboot;
use crate::run_directory::{Progress, RunDirectory, RunDirectoryError};

/// A worker that ends without a trace is started again this often.
const ATTEMPTS: u32 = 3;
/// Between looking at a folder that is just changing, and looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// A machine that was asked to reboot and still runs is asked again after this.
const REBOOT_AGAIN: Duration = Duration::from_secs(600);

/// Why an attempt to bring a run forward did not.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Folder(#[from] RunDirectoryError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the worker process cannot be started: {0}")]
    Start(#[from] std::io::Error),
    #[error("the worker process ended before it began the document")]
    NotBegun,
}

/// What came of looking at a run once.
enum Turn {
    /// Look again.
    Again,
    /// It was refused, which is journalled.
    Refused,
    /// This is its result.
    Result(Box<RunResult>),
}

/// Works on the run until its result is journalled.
pub async fn supervise(runs: Arc<Runs>, uid: String, invocation: String) {
    let directory = runs.setting().directory(&uid);
    let run = Run { runs, uid, invocation, directory };
    let mut troubles = 0;
    let result = loop {
        match run.advance().await {
            Ok(Turn::Again) => {}
            Ok(Turn::Refused) => return,
            Ok(Turn::Result(result)) => break *result,
            Err(trouble) => {
                troubles += 1;
                tracing::warn!(command = run.uid, %trouble, "a run does not go forward");
                if troubles == ATTEMPTS {
                    break outcome::failed(run.subject(), &trouble.to_string());
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    };
    run.runs.finish(&run.uid, &result).await;
}

struct Run {
    runs: Arc<Runs>,
    uid: String,
    invocation: String,
    directory: RunDirectory,
}

impl Run {
    fn subject(&self) -> Subject<'_> {
        Subject { command_uid: &self.uid, invocation: &self.invocation }
    }

    async fn advance(&self) -> Result<Turn, Trouble> {
        match self.standing()? {
            Standing::Fresh => match self.runs.permission(&self.uid)? {
                Permission::Granted => self.start().await,
                Permission::Refused => Ok(Turn::Refused),
            },
            Standing::Resumes => {
                self.runs.begin(&self.uid)?;
                self.start().await
            }
            Standing::Running(Some(pid)) => {
                process::wait_for_worker(pid, &self.directory).await;
                Ok(Turn::Again)
            }
            Standing::Running(None) => {
                tokio::time::sleep(LOOK_AGAIN).await;
                Ok(Turn::Again)
            }
            Standing::Ended(progress) => Ok(Turn::Result(Box::new(outcome::ended(self.subject(), progress)))),
            Standing::AwaitsReboot => Ok(self.reboot().await),
            Standing::Died { rebooted, progress } => Ok(self.died(rebooted, progress).await),
        }
    }

    fn standing(&self) -> Result<Standing, Trouble> {
        let begun_in = self.runs.begun_in(&self.uid)?;
        Ok(standing(&self.directory, &self.runs.setting().boot_id, begun_in.as_deref())?)
    }

    async fn start(&self) -> Result<Turn, Trouble> {
        process::run_worker(&self.runs.setting().program, &self.directory).await?;
        match self.standing()? {
            Standing::Fresh | Standing::Resumes => Err(Trouble::NotBegun),
            _ => Ok(Turn::Again),
        }
    }

    async fn died(&self, rebooted: bool, progress: Option<Progress>) -> Turn {
        let message = if rebooted {
            "the node rebooted while the document ran"
        } else {
            "the worker process of this document died"
        };
        let (uid, invocation) = (self.uid.clone(), self.invocation.clone());
        let directory = self.directory.clone();
        // Apart from the daemon's thread: it reads all that the interrupted step wrote.
        let made = tokio::task::spawn_blocking(move || {
            let subject = Subject { command_uid: &uid, invocation: &invocation };
            outcome::died(subject, &directory, progress, message)
        });
        let result = made.await.unwrap_or_else(|_| outcome::failed(self.subject(), message));
        Turn::Result(Box::new(result))
    }

    /// Asks for the reboot and waits for it, which ends this process too. The run goes on after it.
    async fn reboot(&self) -> Turn {
        self.runs.await_reboot(&self.uid);
        let command = self.runs.setting().reboot_command.clone();
        tracing::warn!(command = self.uid, "a document asks to reboot this machine");
        let asked = tokio::task::spawn_blocking(move || reboot::reboot(&command)).await;
        let refusal = match asked {
            Ok(Ok(())) => {
                tokio::time::sleep(REBOOT_AGAIN).await;
                return Turn::Again;
            }
            Ok(Err(refusal)) => refusal.to_string(),
            Err(error) => error.to_string(),
        };
        let message = format!("the document asked for a reboot, and this machine does not do it: {refusal}");
        let progress = self.directory.progress().ok().flatten();
        Turn::Result(Box::new(outcome::died(self.subject(), &self.directory, progress, &message)))
    }
}
