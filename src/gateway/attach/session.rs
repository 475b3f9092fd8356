//! One node's stream while it is open: looks at what the node is to do, hears what it says, and gives each run a
//! task of its own, so that nothing that has to wait delays anything else.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use keelson_core::fleet::{Assignment, Epoch, Fleet, NodeIdentity};
use keelson_protocol::v1::agent_message::Message as FromAgent;
use keelson_protocol::v1::gateway_message::Message as FromGateway;
use keelson_protocol::v1::{Accepted, AgentMessage, GatewayMessage, Hello, Welcome};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tonic::{Status, Streaming};

use super::registry::Link;
use super::run::{Event, NodeReport, Room, Run, RunEnd, Start, Unheard};
use super::{Close, Item};
use crate::convert;
use crate::shared::Shared;

/// Assignments are looked at this often even without news, against news that were lost.
const RESYNC: Duration = Duration::from_secs(60);
/// The most results of a node that are in memory at once, each up to 4 MiB. There is no place for more: the node says
/// them again when there is.
const MAX_REPORTS: usize = 8;
/// The most orders of a node that are being fetched or sent at once; a document can be a megabyte.
const MAX_ORDERS: usize = 4;
/// The most runs of a node that are followed at once.
const MAX_RUNS: usize = 2000;
/// Messages for one run that wait for it.
const RUN_EVENTS: usize = 8;
/// The longest name a node may give for a run.
const MAX_NAME: usize = 253;

/// A run that is being followed.
struct Followed {
    id: u64,
    events: mpsc::Sender<Event>,
    room: Arc<Room>,
    cancelled: bool,
}

/// See the module.
pub(super) struct Session<F> {
    shared: Arc<Shared<F>>,
    node: Arc<NodeIdentity>,
    epoch: Epoch,
    outbound: mpsc::WeakSender<Item>,
    /// By Command uid.
    runs: HashMap<String, Followed>,
    /// Runs that ended on this stream, by Command uid, while the control plane's cache may still show them.
    settled: HashSet<String>,
    tasks: JoinSet<(String, u64, RunEnd)>,
    last_id: u64,
    orders: Arc<Semaphore>,
    reports: Arc<Semaphore>,
}

impl<F: Fleet> Session<F> {
    /// A stream of a node that has been claimed with this epoch.
    pub fn new(
        shared: Arc<Shared<F>>,
        node: Arc<NodeIdentity>,
        epoch: Epoch,
        outbound: mpsc::WeakSender<Item>,
    ) -> Self {
        Self {
            shared,
            node,
            epoch,
            outbound,
            runs: HashMap::new(),
            settled: HashSet::new(),
            tasks: JoinSet::new(),
            last_id: 0,
            orders: Arc::new(Semaphore::new(MAX_ORDERS)),
            reports: Arc::new(Semaphore::new(MAX_REPORTS)),
        }
    }

    /// Serves the stream until it has to end, and tells why.
    pub async fn serve(
        mut self,
        hello: Hello,
        mut inbound: Streaming<AgentMessage>,
        link: Link,
        outbound: mpsc::Sender<Item>,
    ) -> (Close, Self) {
        let close = match self.welcome(hello, &outbound).await {
            Ok(()) => self.converse(&mut inbound, &link, &outbound).await,
            Err(close) => close,
        };
        self.runs.clear(); // each run learns by this that the stream is over
        (close, self)
    }

    /// Lets the runs store what they know, for at most `limit`.
    pub async fn finish(mut self, limit: Duration) {
        let stored = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(limit, stored).await.is_err() {
            let left = self.tasks.len();
            tracing::warn!(
                node = self.node.name,
                left,
                "not every report was stored; the node keeps its results"
            );
        }
    }

    async fn welcome(&mut self, hello: Hello, outbound: &mpsc::Sender<Item>) -> Result<(), Close> {
        let welcome = FromGateway::Welcome(Welcome {
            gateway: self.shared.settings.name.clone(),
            ca_bundle: self.shared.authority.bundle_pem().to_owned(),
            addresses: self.shared.settings.addresses.clone(),
        });
        outbound.send(Ok(GatewayMessage { message: Some(welcome) })).await.map_err(|_| Close::Gone)?;
        let assignments = self.assignments().into_iter().filter(|one| one.in_progress);
        let recorded: HashSet<_> = assignments.map(|one| one.command_uid).collect();
        for Accepted { command_uid, invocation } in hello.running {
            let recorded = recorded.contains(&command_uid);
            self.tell(command_uid, invocation, Event::Accepted { recorded })?;
        }
        Ok(())
    }

    async fn converse(
        &mut self,
        inbound: &mut Streaming<AgentMessage>,
        link: &Link,
        outbound: &mpsc::Sender<Item>,
    ) -> Close {
        let mut resync = tokio::time::interval(RESYNC); // its first tick comes at once
        resync.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let outcome = tokio::select! {
                // In this order, so that what a node said before it was cut off is heard before it is given up.
                biased;
                close = link.closed() => Err(close),
                message = inbound.message() => match message {
                    Ok(Some(message)) => self.hear(message),
                    _ => Err(Close::Gone),
                },
                Some(ended) = self.tasks.join_next() => match ended {
                    Ok((command_uid, id, end)) => self.ended(command_uid, id, end),
                    Err(error) => Err(Close::Refused(Status::internal(format!("a run's task broke: {error}")))),
                },
                () = link.woken() => self.look(),
                _ = resync.tick() => self.look(),
                () = outbound.closed() => Err(Close::Gone),
            };
            if let Err(close) = outcome {
                return close;
            }
        }
    }

    fn assignments(&self) -> Vec<Assignment> {
        self.shared.fleet.assignments(&self.node)
    }

    /// Starts and cancels what the node's assignments say.
    fn look(&mut self) -> Result<(), Close> {
        let assignments = self.assignments();
        let present: HashSet<_> = assignments.iter().map(|one| one.command_uid.as_str()).collect();
        self.settled.retain(|command_uid| present.contains(command_uid.as_str()));
        for assignment in assignments {
            if self.settled.contains(&assignment.command_uid) {
                continue;
            }
            // The rest waits until some of these have ended, which the next look sees.
            if self.tasks.len() >= MAX_RUNS {
                break;
            }
            if assignment.cancel {
                self.cancel(assignment)?;
            } else if self.is_to_be_sent(&assignment) {
                let Assignment { command_uid, invocation, expires_in, .. } = assignment;
                self.follow(command_uid, invocation, Start::Dispatch { expires_in, since: Instant::now() })?;
            }
        }
        Ok(())
    }

    /// A run whose status says that the node has it is never sent again: should the node have lost it, it may
    /// have run all the same.
    fn is_to_be_sent(&self, assignment: &Assignment) -> bool {
        !assignment.in_progress
            && !assignment.expires_in.is_zero()
            && !self.runs.contains_key(&assignment.command_uid)
    }

    fn cancel(&mut self, assignment: Assignment) -> Result<(), Close> {
        let Assignment { command_uid, invocation, in_progress, .. } = assignment;
        match self.runs.get_mut(&command_uid) {
            Some(run) if run.cancelled => {}
            // Where its events are full, the next look tries again.
            Some(run) => run.cancelled = run.events.try_send(Event::Cancel).is_ok(),
            None => {
                self.follow(command_uid.clone(), invocation, Start::Cancel { in_progress })?;
                if let Some(run) = self.runs.get_mut(&command_uid) {
                    run.cancelled = true;
                }
            }
        }
        Ok(())
    }

    fn hear(&mut self, message: AgentMessage) -> Result<(), Close> {
        match message.message {
            Some(FromAgent::Accepted(Accepted { command_uid, invocation })) => {
                self.tell(command_uid, invocation, Event::Accepted { recorded: false })
            }
            Some(FromAgent::Refused(refused)) => {
                let refused = convert::short(refused);
                let (command_uid, invocation) = (refused.command_uid.clone(), refused.invocation.clone());
                self.tell(command_uid, invocation, Event::Report(NodeReport::Refused(refused.into()), None))
            }
            Some(FromAgent::Result(result)) => {
                let (command_uid, invocation) = (result.command_uid.clone(), result.invocation.clone());
                let event = if let Some(place) = self.place_for(&command_uid) {
                    Event::Report(NodeReport::Finished(result.into()), Some(place))
                } else {
                    self.shared.metrics.results_put_off.increment();
                    Event::Unheard
                };
                self.tell(command_uid, invocation, event)
            }
            // A second Hello says nothing new; what an agent of a later version may say is not understood.
            Some(FromAgent::Hello(_)) | None => Ok(()),
        }
    }

    /// A place for a result: the one that is kept for it, or any.
    fn place_for(&self, command_uid: &str) -> Option<OwnedSemaphorePermit> {
        let kept = self.runs.get(command_uid).and_then(|run| run.room.take());
        kept.or_else(|| Arc::clone(&self.reports).try_acquire_owned().ok())
    }

    /// Hands an event to the run it is about, and starts to follow one that is not known here.
    fn tell(&mut self, command_uid: String, invocation: String, event: Event) -> Result<(), Close> {
        if command_uid.is_empty() || command_uid.len() > MAX_NAME || invocation.len() > MAX_NAME {
            return Err(Close::Refused(Status::invalid_argument("a run's name is empty or too long")));
        }
        let event = match self.runs.get(&command_uid) {
            None => event,
            Some(run) => match run.events.try_send(event) {
                // A full run has the same report already; the node sends it again until it is acknowledged.
                Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => return Ok(()),
                Err(mpsc::error::TrySendError::Closed(event)) => event,
            },
        };
        if self.tasks.len() >= MAX_RUNS && !matches!(event, Event::Accepted { .. }) {
            // The node keeps it. To send it away for that would have it say the same when it is back.
            tracing::warn!(
                node = self.node.name,
                "too many runs at once: a result waits for the next connection"
            );
            return Ok(());
        }
        self.follow(command_uid, invocation, Start::Event(event))
    }

    fn follow(&mut self, command_uid: String, invocation: String, start: Start) -> Result<(), Close> {
        if self.tasks.len() >= MAX_RUNS {
            return Err(Close::Refused(Status::resource_exhausted("too many runs at once on one node")));
        }
        let (sender, events) = mpsc::channel(RUN_EVENTS);
        self.last_id += 1;
        let id = self.last_id;
        let room = Arc::<Room>::default();
        let followed = Followed { id, events: sender, room: Arc::clone(&room), cancelled: false };
        self.runs.insert(command_uid.clone(), followed);
        let run = Run {
            shared: Arc::clone(&self.shared),
            node: Arc::clone(&self.node),
            epoch: self.epoch,
            command_uid: command_uid.clone(),
            invocation,
            outbound: self.outbound.clone(),
            orders: Arc::clone(&self.orders),
            reports: Arc::clone(&self.reports),
            room,
            events,
            unheard: Unheard::default(),
        };
        self.tasks.spawn(async move { (command_uid, id, run.follow(start).await) });
        Ok(())
    }

    fn ended(&mut self, command_uid: String, id: u64, end: RunEnd) -> Result<(), Close> {
        if self.runs.get(&command_uid).is_some_and(|run| run.id == id) {
            self.runs.remove(&command_uid);
        }
        match end {
            RunEnd::Settled => {
                self.settled.insert(command_uid);
                Ok(())
            }
            RunEnd::NotSent => Ok(()),
            RunEnd::Superseded => {
                self.shared.metrics.streams_superseded.increment();
                Err(Close::Replaced)
            }
        }
    }
}
