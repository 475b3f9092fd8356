//! A control plane in memory, for tests: remembers what it was told, and can be made to fail.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use keelson_core::fleet::{
    Assignment, EnrolRequest, Epoch, Fleet, NodeFacts, NodeIdentity, Order, Placement, RecordError, Refusal,
    Report,
};
use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use tokio::sync::watch;
use tokio::time::timeout;

pub(crate) const CODE: &str = "the right code";
/// The day all runs of tests were made.
pub(crate) const DATE: &str = "2026-11-23";

/// How long a store hangs.
pub(crate) const HOURS: Duration = Duration::from_secs(10_000);

/// A store that takes hours for every write.
pub(crate) fn hanging() -> ThrottledStore<InMemory> {
    let config = ThrottleConfig { wait_put_per_call: HOURS, ..ThrottleConfig::default() };
    ThrottledStore::new(InMemory::new(), config)
}

/// What happened, for assertions.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub nodes: HashMap<String, NodeIdentity>,
    pub epochs: HashMap<String, Epoch>,
    pub assignments: Vec<Assignment>,
    pub records: Vec<(String, Report)>,
    pub disconnected: Vec<(String, Epoch)>,
    /// Every call that writes fails.
    pub unavailable: bool,
    /// Calls that failed because of that.
    pub failures: u32,
    pub facts: Option<NodeFacts>,
    pub placements_asked: u32,
}

#[derive(Debug, Default)]
pub(crate) struct FakeFleet {
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

impl FakeFleet {
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let result = act(&mut self.lock());
        self.changes.send_modify(|count| *count += 1);
        result
    }

    /// Waits until something holds.
    pub async fn until(&self, what: &str, holds: impl Fn(&State) -> bool) {
        let mut changes = self.changes.subscribe();
        let wait = changes.wait_for(|_| holds(&self.lock()));
        let held = timeout(Duration::from_secs(20), wait).await.map(drop);
        assert!(held.is_ok(), "{what} did not come about: {:?}", self.lock());
    }

    pub fn assign(&self, invocation: &str) {
        self.change(|state| state.assignments.push(assignment(invocation)));
    }

    pub fn records(&self) -> Vec<Report> {
        self.lock().records.iter().map(|(_, report)| report.clone()).collect()
    }

    fn available(&self) -> Result<(), String> {
        self.change(|state| {
            state.failures += u32::from(state.unavailable);
            if state.unavailable { Err("the test says so".to_owned()) } else { Ok(()) }
        })
    }
}

pub(crate) fn assignment(invocation: &str) -> Assignment {
    Assignment {
        invocation: invocation.into(),
        command_uid: command_uid(invocation),
        in_progress: false,
        cancel: false,
        expires_in: Duration::from_secs(600),
    }
}

pub(crate) fn command_uid(invocation: &str) -> String {
    format!("uid-of-{invocation}")
}

impl Fleet for FakeFleet {
    async fn enrol(&self, request: EnrolRequest) -> Result<NodeIdentity, Refusal> {
        self.available().map_err(Refusal::Unavailable)?;
        if request.code != CODE {
            return Err(Refusal::Unauthenticated("look at the Activation's Secret".into()));
        }
        if request.activation == "expired" {
            return Err(Refusal::Denied("the activation \"expired\" has expired".into()));
        }
        Ok(self.change(|state| {
            state.facts = Some(request.facts);
            let next = format!("mi-{:017x}", state.nodes.len());
            let known = state.nodes.values().find(|node| node.fingerprint == request.fingerprint).cloned();
            let node = known.unwrap_or_else(|| NodeIdentity {
                namespace: request.namespace,
                uid: format!("uid-of-{next}"),
                name: next,
                fingerprint: request.fingerprint,
            });
            state.nodes.insert(node.name.clone(), node.clone());
            node
        }))
    }

    async fn may_renew(&self, node: &NodeIdentity) -> Result<(), Refusal> {
        self.available().map_err(Refusal::Unavailable)?;
        match self.lock().nodes.get(&node.name) {
            Some(known) if known == node => Ok(()),
            _ => Err(Refusal::Unknown(node.name.clone())),
        }
    }

    async fn unenrol(&self, node: &NodeIdentity) -> Result<(), Refusal> {
        self.may_renew(node).await?;
        self.change(|state| state.nodes.remove(&node.name));
        Ok(())
    }

    async fn claim(&self, node: &NodeIdentity, facts: &NodeFacts, _boot_id: &str) -> Result<Epoch, Refusal> {
        self.may_renew(node).await?;
        Ok(self.change(|state| {
            state.facts = Some(facts.clone());
            let epoch = state.epochs.entry(node.name.clone()).or_default();
            *epoch += 1;
            *epoch
        }))
    }

    async fn disconnected(&self, node: &NodeIdentity, epoch: Epoch) {
        self.change(|state| state.disconnected.push((node.name.clone(), epoch)));
    }

    fn assignments(&self, _node: &NodeIdentity) -> Vec<Assignment> {
        self.lock().assignments.clone()
    }

    async fn order(&self, _node: &NodeIdentity, invocation: &str) -> Result<Order, RecordError> {
        self.available().map_err(RecordError::Unavailable)?;
        if invocation.starts_with("deleted") {
            return Err(RecordError::NotFound);
        }
        let padding = match invocation.split('-').next() {
            Some("big") => 100_000,
            Some("huge") => 5_000_000,
            _ => 0,
        };
        Ok(Order {
            document_name: "say-hello".into(),
            document_version: "3".into(),
            document: format!(r#"{{"schemaVersion":"2.2"{}}}"#, " ".repeat(padding)),
            parameters: "{}".into(),
            fail_fast: false,
            strict_scripts: false,
            called_documents: Vec::new(),
        })
    }

    async fn placement(
        &self,
        node: &NodeIdentity,
        invocation: &str,
        command_uid: &str,
    ) -> Result<Placement, RecordError> {
        self.available().map_err(RecordError::Unavailable)?;
        self.change(|state| state.placements_asked += 1);
        if invocation.starts_with("deleted") || invocation.starts_with("of-another-node") {
            return Err(RecordError::NotFound);
        }
        Ok(Placement {
            namespace: node.namespace.clone(),
            date: DATE.into(),
            command_uid: command_uid.into(),
            node: node.name.clone(),
        })
    }

    async fn record(
        &self,
        node: &NodeIdentity,
        epoch: Epoch,
        invocation: &str,
        _command_uid: &str,
        report: Report,
    ) -> Result<(), RecordError> {
        self.available().map_err(RecordError::Unavailable)?;
        self.change(|state| {
            if state.epochs.get(&node.name).is_some_and(|newest| *newest > epoch) {
                return Err(RecordError::Superseded);
            }
            if invocation.starts_with("deleted") {
                return Err(RecordError::NotFound);
            }
            let ended = report != Report::InProgress;
            state.records.push((invocation.to_owned(), report));
            for assignment in state.assignments.iter_mut().filter(|one| one.invocation == invocation) {
                assignment.in_progress = true;
            }
            state.assignments.retain(|one| !(ended && one.invocation == invocation));
            Ok(())
        })
    }
}
