//! What the control plane is told of the runs, and what it acknowledges.

use std::time::Instant;

use keelson_protocol::v1::{Accepted, AgentMessage, Dispatch};
use tokio::sync::mpsc;

use super::notice::{self, Notice, RefusalReason};
use super::{Inner, Phase, Runs, folder};
use crate::journal::{Entry, JournalError, State};

impl Runs {
    /// Begins to tell the control plane what happens, on a new connection: what is not finished, for Hello, and
    /// everything else from then on. What is over and not acknowledged is told again.
    pub fn attach(&self) -> (Vec<Accepted>, mpsc::UnboundedReceiver<Notice>) {
        let mut inner = self.lock();
        let (sender, receiver) = mpsc::unbounded_channel();
        inner.notices = Some(sender);
        inner.attached = Instant::now();
        let (mut running, mut over) = (Vec::new(), Vec::new());
        for (uid, active) in &mut inner.active {
            match &mut active.phase {
                Phase::Queued | Phase::Running | Phase::AwaitsReboot => {}
                // Its output may take a while; until the result follows, the gateway knows that one will.
                Phase::Finished { announced, .. } => *announced = None,
                Phase::Refused | Phase::Reported { complete: true } => {
                    over.push(uid.clone());
                    continue;
                }
                Phase::Reported { complete: false } => continue,
            }
            running.push(Accepted { command_uid: uid.clone(), invocation: active.invocation.clone() });
        }
        for uid in over {
            inner.say_again(&uid);
        }
        drop(inner);
        self.output.notify_one();
        (running, receiver)
    }

    /// Tells again where a run stands.
    pub fn say_again(&self, uid: &str) {
        self.lock().say_again(uid);
    }

    /// The connection is gone: nobody listens.
    pub fn detach(&self) {
        self.lock().notices = None;
    }

    /// The message that says `notice`.
    pub fn message(&self, notice: Notice) -> Option<AgentMessage> {
        notice::message(notice, |uid| match self.lock().journal.result(uid) {
            Ok(result) => result,
            Err(error) => {
                tracing::error!(%error, "cannot read a result");
                None
            }
        })
    }

    /// Tells the result of a run that has ended, with its output in the archive or with some of it pending. Whether
    /// that was not told before on this connection.
    pub fn announce(&self, uid: &str, output_pending: bool) -> bool {
        let mut inner = self.lock();
        let Some(active) = inner.active.get_mut(uid) else { return false };
        let Phase::Finished { announced, .. } = &mut active.phase else { return false };
        if *announced == Some(output_pending) {
            return false;
        }
        *announced = Some(output_pending);
        inner.say(Notice::Finished { command_uid: uid.to_owned(), output_pending });
        true
    }

    /// The control plane has the result of a run, `output_pending` as it was in that result, or its refusal.
    pub async fn acknowledged(&self, uid: &str, output_pending: bool) {
        let folder_bytes = self.folder_bytes(uid).await;
        let mut inner = self.lock();
        let Some(phase) = inner.active.get(uid).map(|active| active.phase.clone()) else { return };
        let kept = match phase {
            Phase::Finished { announced, .. } => inner.retire(uid, announced, output_pending, folder_bytes),
            Phase::Reported { complete: true } if !output_pending => {
                inner.journal.complete_output(uid).map(|()| None)
            }
            Phase::Refused => inner.journal.acknowledge_refusal(uid).map(|()| None),
            Phase::Queued | Phase::Running | Phase::AwaitsReboot | Phase::Reported { .. } => return,
        };
        match kept {
            Ok(None) => drop(inner.active.remove(uid)),
            Ok(Some(phase)) => {
                if let Some(active) = inner.active.get_mut(uid) {
                    active.phase = phase;
                }
            }
            // It stays unacknowledged, is told again on the next connection and acknowledged again.
            Err(error) => return tracing::error!(%error, "cannot keep an acknowledgement"),
        }
        drop(inner);
        self.retired.notify_one();
        self.changed.notify_one();
    }

    /// What the folder of a run that has ended takes; measured apart from the daemon's thread, because a script may
    /// have left any number of files.
    async fn folder_bytes(&self, uid: &str) -> u64 {
        let ended =
            self.lock().active.get(uid).is_some_and(|active| matches!(active.phase, Phase::Finished { .. }));
        if !ended {
            return 0;
        }
        let folder = self.setting.directory(uid).path().to_owned();
        tokio::task::spawn_blocking(move || folder::size(&folder)).await.unwrap_or(0)
    }
}

impl Inner {
    /// Says it on the present connection. Without one it is told when there is: everything durable is.
    pub(super) fn say(&self, notice: Notice) {
        if let Some(notices) = &self.notices {
            let _connection_may_be_gone = notices.send(notice);
        }
    }

    /// Keeps that a result is acknowledged; what is left of the run, if anything.
    fn retire(
        &mut self,
        uid: &str,
        announced: Option<bool>,
        output_pending: bool,
        folder_bytes: u64,
    ) -> Result<Option<Phase>, JournalError> {
        // One that was acknowledged without having been told on this connection may have output left. One that was
        // told twice, the second time without output pending, is acknowledged twice.
        let complete = announced == Some(false);
        let pending = output_pending || !complete;
        self.journal.acknowledge(uid, folder_bytes, pending)?;
        self.retired_bytes = self.retired_bytes.saturating_add(folder_bytes);
        Ok(pending.then_some(Phase::Reported { complete }))
    }

    fn say_again(&mut self, uid: &str) {
        match self.journal.entry(uid) {
            Ok(Some(entry)) => self.answer_again(uid, &entry),
            Ok(None) => tracing::warn!(command = uid, "a run that is asked about is not known here"),
            Err(error) => tracing::error!(%error, "cannot look up a run"),
        }
    }

    pub(super) fn answer_again(&mut self, uid: &str, entry: &Entry) {
        let (command_uid, invocation) = (uid.to_owned(), entry.invocation.clone());
        match &entry.state {
            State::Accepted => self.say(Notice::Accepted { command_uid, invocation }),
            State::Finished => match self.active.get(uid).map(|active| &active.phase) {
                Some(Phase::Finished { announced: Some(pending), .. }) => {
                    self.say(Notice::Finished { command_uid, output_pending: *pending });
                }
                // Its output is on the way; the result follows.
                _ => self.say(Notice::Accepted { command_uid, invocation }),
            },
            State::Acknowledged(retired) => {
                let complete = matches!(
                    self.active.get(uid).map(|active| &active.phase),
                    Some(Phase::Reported { complete: true })
                );
                let output_pending =
                    !complete && retired.as_ref().is_some_and(|retired| retired.output_pending);
                self.say(Notice::Finished { command_uid, output_pending });
            }
            State::Refused(message) | State::RefusalAcknowledged(message) => self.say(Notice::Refused {
                command_uid,
                invocation,
                reason: RefusalReason::Expired,
                message: message.clone(),
            }),
        }
    }

    pub(super) fn refuse_unjournalled(&self, dispatch: &Dispatch, reason: RefusalReason, message: &str) {
        tracing::warn!(command = dispatch.command_uid, message, "refused");
        self.say(Notice::Refused {
            command_uid: dispatch.command_uid.clone(),
            invocation: dispatch.invocation.clone(),
            reason,
            message: message.to_owned(),
        });
    }
}
