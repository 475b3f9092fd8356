//! What can be seen of a Command's targets, from caches alone.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use keelson_api::{Command, RunStatus};
use kube::ResourceExt as _;
use kube::runtime::reflector::ObjectRef;

use super::deadline::Elapsed;
use super::freeze::{Frozen, FrozenTarget, is_online};
use super::plan::{Limits, NodeState, Observation};
use super::runs::Run;
use super::validate;
use crate::context::{Context, now};
use crate::error::Error;
use crate::index::InvocationRecord;

/// A Command that has begun, and where to look.
pub struct Sight<'a> {
    /// The caches.
    pub context: &'a Context,
    /// The Command.
    pub command: &'a Command,
    /// What was frozen.
    pub frozen: &'a Frozen,
}

/// This moment by both clocks.
#[derive(Clone, Copy)]
struct Moment {
    wall: Timestamp,
    monotonic: Instant,
}

impl Moment {
    fn now() -> Self {
        Self { wall: now(), monotonic: Instant::now() }
    }

    fn age(self, run: &Run, key: &str, since: Timestamp) -> Duration {
        run.ages.age(key, since, self.wall, self.monotonic)
    }

    /// How long this process has known it.
    fn known_for(self, run: &Run, key: &str) -> Duration {
        self.age(run, key, self.wall)
    }
}

impl Sight<'_> {
    /// Its Invocations by name.
    pub fn records(&self) -> BTreeMap<String, InvocationRecord> {
        self.context.index.invocations.of_command(&self.command.uid().unwrap_or_default())
    }

    /// What rate control and a user allow.
    pub fn limits(&self, run: &mut Run) -> Result<Limits, Error> {
        let spec = &self.command.spec;
        let rate = match run.rate {
            Some(rate) => rate,
            // It was checked when the Command began and cannot change.
            None => {
                *run.rate.insert(validate::rate(spec).map_err(|refusal| Error::Corrupt(refusal.message))?)
            }
        };
        let lost = usize::try_from(self.frozen.lost).unwrap_or(usize::MAX);
        let targets = u32::try_from(self.frozen.targets.len().saturating_add(lost)).unwrap_or(u32::MAX);
        Ok(Limits {
            max_concurrency: rate.max_concurrency.resolve(targets),
            max_errors: rate.max_errors.resolve(targets),
            delivery_timeout: Duration::from_secs(u64::try_from(spec.timeout_seconds).unwrap_or(0)),
            grace: self.context.settings.deadline_grace,
            cancelled: spec.cancel || self.command.metadata.deletion_timestamp.is_some(),
        })
    }

    /// How long ago somebody deleted it.
    pub fn since_deletion(&self, run: &Run) -> Duration {
        let moment = Moment::now();
        let deleted = self.command.metadata.deletion_timestamp.as_ref();
        moment.age(run, "deletion", deleted.map_or(moment.wall, |time| time.0))
    }

    /// Every target with its Invocation and node.
    pub fn observe<'b>(
        &'b self,
        run: &Run,
        records: &'b BTreeMap<String, InvocationRecord>,
    ) -> Vec<Observation<'b>> {
        let moment = Moment::now();
        let namespace = self.command.namespace().unwrap_or_default();
        let by_node: HashMap<_, _> =
            records.values().map(|record| (record.node_uid.as_str(), record)).collect();
        let observe = |target: &'b FrozenTarget| {
            let invocation = by_node.get(target.uid.as_str()).copied();
            let unfinished = invocation.filter(|record| !record.is_terminal());
            let ended = invocation.is_some() && unfinished.is_none();
            Observation {
                target,
                invocation,
                elapsed: unfinished.map(|record| elapsed(run, record, moment)).unwrap_or_default(),
                // Where the node of an ended Invocation is does not matter.
                node: if ended { NodeState::Online } else { self.node(run, &namespace, target, moment) },
            }
        };
        self.frozen.targets.iter().map(observe).collect()
    }

    fn node(&self, run: &Run, namespace: &str, target: &FrozenTarget, moment: Moment) -> NodeState {
        let node = self.context.index.nodes.get(&ObjectRef::new(&target.name).within(namespace));
        let Some(node) = node.filter(|node| node.metadata.uid.as_deref() == Some(&target.uid)) else {
            return NodeState::Gone;
        };
        if is_online(&node) {
            return NodeState::Online;
        }
        let started = run.status.start_time.as_ref().map_or(moment.wall, |time| time.0);
        let of_command = moment.age(run, "start", started);
        let agent = node.status.as_ref().and_then(|status| status.agent.as_ref());
        let Some(lost) = agent.and_then(|agent| agent.ping_status_time.as_ref()) else {
            return NodeState::Offline(of_command); // never connected
        };
        // Away again is away anew: a gateway that restarts must not end what waits for its turn.
        let of_absence = moment.age(run, &format!("{}@{}", target.uid, lost.0), lost.0);
        NodeState::Offline(of_command.min(of_absence))
    }
}

fn elapsed(run: &Run, record: &InvocationRecord, moment: Moment) -> Elapsed {
    let accepted = matches!(record.status, Some(RunStatus::InProgress | RunStatus::Cancelling));
    let known = |wanted: bool, what: &str| {
        if wanted { moment.known_for(run, &format!("{}/{what}", record.uid)) } else { Duration::ZERO }
    };
    Elapsed {
        created: moment.age(run, &record.uid, record.created.unwrap_or(moment.wall)),
        accepted: known(accepted, "accepted"),
        cancelled: known(record.cancel, "cancel"),
    }
}
