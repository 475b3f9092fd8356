//! What is remembered of Associations between looks. All of it can be lost: it is found again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use keelson_api::{Association, AssociationStatus};
use keelson_core::target::TargetQuery;
use kube::ResourceExt as _;

use super::accept::Problem;

/// How long the cache may take to show a status that was written.
const ECHO: Duration = Duration::from_secs(2);

/// What came of checking a spec.
pub type Verdict = Result<Arc<TargetQuery>, Problem>;

/// Namespace and name.
type Key = (String, String);

/// Remembers Associations by namespace and name.
#[derive(Default)]
pub struct Memory(Mutex<HashMap<Key, Remembered>>);

#[derive(Default)]
struct Remembered {
    fingerprint: String,
    verdict: Option<Verdict>,
    gathering: Option<Instant>,
    recording: Option<(String, Instant)>,
    written: Option<(AssociationStatus, Instant)>,
}

impl Memory {
    /// The verdict on exactly this spec and document, if it was reached before.
    pub fn verdict(&self, association: &Association, fingerprint: &str) -> Option<Verdict> {
        self.with(association, |known| known.verdict.clone().filter(|_| known.fingerprint == fingerprint))
    }

    /// Keeps a verdict, and hands it back.
    pub fn judge(&self, association: &Association, fingerprint: String, verdict: Verdict) -> Verdict {
        self.with(association, |known| {
            known.fingerprint = fingerprint;
            known.verdict = Some(verdict.clone());
        });
        verdict
    }

    /// Which nodes it is for, as last checked; `None` where it was not, or is not valid.
    pub fn query(&self, association: &Association) -> Option<Arc<TargetQuery>> {
        self.with(association, |known| known.verdict.as_ref()?.as_ref().ok().cloned())
    }

    /// How long there have been nodes that missed a run, if there are any now.
    pub fn gathered(&self, association: &Association, any: bool, now: Instant) -> Option<Duration> {
        self.with(association, |known| {
            let since = if any { Some(*known.gathering.get_or_insert(now)) } else { None };
            known.gathering = since;
            since.map(|since| now.saturating_duration_since(since))
        })
    }

    /// How long the results of a Command have been being written down; starts to count at the first question.
    pub fn recording(&self, association: &Association, command_uid: &str, now: Instant) -> Duration {
        self.with(association, |known| match &known.recording {
            Some((uid, since)) if uid == command_uid => now.saturating_duration_since(*since),
            _ => {
                known.recording = Some((command_uid.to_owned(), now));
                Duration::ZERO
            }
        })
    }

    /// Keeps a status that was written.
    pub fn wrote(&self, association: &Association, status: AssociationStatus, now: Instant) {
        self.with(association, |known| known.written = Some((status, now)));
    }

    /// Whether exactly this status was written last, a moment ago, so that it is the cache that is behind.
    pub fn has_just_written(
        &self,
        association: &Association,
        status: &AssociationStatus,
        now: Instant,
    ) -> bool {
        self.with(association, |known| {
            let last = known.written.as_ref();
            last.is_some_and(|(last, at)| last == status && now.saturating_duration_since(*at) < ECHO)
        })
    }

    /// Forgets an Association that is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.lock().remove(&(namespace.to_owned(), name.to_owned()));
    }

    fn with<R>(&self, association: &Association, read: impl FnOnce(&mut Remembered) -> R) -> R {
        let key = (association.namespace().unwrap_or_default(), association.name_any());
        read(self.lock().entry(key).or_default())
    }

    /// A panic elsewhere leaves entries whole: go on with them.
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::association::fixtures::association;

    #[test]
    fn gathering_counts_from_the_first_node_and_starts_anew_when_none_is_left() {
        let (memory, association, now) = (Memory::default(), association(), Instant::now());
        let later = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(memory.gathered(&association, false, now), None);
        assert_eq!(memory.gathered(&association, true, now), Some(Duration::ZERO));
        assert_eq!(memory.gathered(&association, true, later(9)), Some(Duration::from_secs(9)));
        assert_eq!(memory.gathered(&association, false, later(10)), None);
        assert_eq!(memory.gathered(&association, true, later(20)), Some(Duration::ZERO));
    }

    #[test]
    fn a_status_is_not_written_twice_in_a_row_but_again_when_the_cache_does_not_show_it() {
        let (memory, association, now) = (Memory::default(), association(), Instant::now());
        let status = AssociationStatus::default();
        memory.wrote(&association, status.clone(), now);
        assert!(memory.has_just_written(&association, &status, now));
        assert!(!memory.has_just_written(&association, &status, now + ECHO));
        let other = AssociationStatus { current_command: Some("c".into()), ..status };
        assert!(!memory.has_just_written(&association, &other, now));
    }

    #[test]
    fn a_verdict_holds_for_what_was_checked_only() {
        let (memory, association) = (Memory::default(), association());
        let refused = Err(Problem { reason: "InvalidTargets", message: String::new() });
        assert!(memory.judge(&association, "a".into(), refused).is_err());
        assert!(memory.verdict(&association, "a").is_some());
        assert!(memory.verdict(&association, "b").is_none());
        memory.forget("fleet", "web-servers");
        assert!(memory.verdict(&association, "a").is_none());
    }
}
