//! Cancelling a run, wherever it stands.

use std::sync::Arc;

use super::{Inner, Phase, Runs, outcome};

impl Runs {
    /// Cancels a run: at once if it waits, through its worker if it has one. One that has ended stays as it is; if
    /// it is done with, the answer is how it ended.
    pub fn cancel(self: &Arc<Self>, uid: &str) {
        let mut inner = self.lock();
        if !inner.active.contains_key(uid) {
            self.look_up(&mut inner, uid);
        }
        let Some(active) = inner.active.get_mut(uid) else { return };
        match active.phase {
            Phase::Queued => {
                active.phase = Phase::Running; // until its result is kept, at once: not to be started any more
                let invocation = active.invocation.clone();
                inner.queue.retain(|queued| queued != uid);
                let runs = Arc::clone(self);
                let uid = uid.to_owned();
                tokio::spawn(async move {
                    let subject = outcome::Subject { command_uid: &uid, invocation: &invocation };
                    runs.finish(&uid, &outcome::cancelled(subject)).await;
                });
            }
            Phase::Running | Phase::AwaitsReboot => {
                if let Err(error) = self.setting.directory(uid).cancel() {
                    tracing::error!(%error, "cannot cancel a run");
                }
            }
            Phase::Finished { .. } | Phase::Reported { .. } | Phase::Refused => {}
        }
    }

    /// Takes up a run that only the journal knows, or tells how it ended.
    fn look_up(self: &Arc<Self>, inner: &mut Inner, uid: &str) {
        match inner.journal.entry(uid) {
            Ok(Some(entry)) => {
                self.take_up(inner, uid, &entry);
                if !inner.active.contains_key(uid) {
                    inner.answer_again(uid, &entry);
                }
            }
            Ok(None) => tracing::warn!(command = uid, "a run that is to be cancelled is not known here"),
            Err(error) => tracing::error!(%error, "cannot look up a run that is to be cancelled"),
        }
    }
}
