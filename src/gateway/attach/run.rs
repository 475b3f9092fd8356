//! One run on one node, from its dispatch to the acknowledgement of its result, as one task reads it.
//!
//! The task does one thing after the other, so what is recorded of a run is recorded in order. Dropping the
//! sender of its events tells it that the node's stream is over: what the node had is then recorded at once.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use keelson_core::fleet::{CalledDocument, Epoch, Fleet, NodeIdentity, Order, RecordError, Report};
use keelson_protocol::MAX_MESSAGE;
use keelson_protocol::v1::gateway_message::Message as FromGateway;
use keelson_protocol::v1::{self, Cancel, Dispatch, GatewayMessage, Refused, ResultAck, RunResult, SayAgain};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Item;
use crate::backoff::Backoff;
use crate::convert;
use crate::shared::Shared;

mod room;
mod store;

pub(super) use room::Room;

/// How long a run that was cancelled and never sent may still turn out to have ended on the node: unacknowledged
/// results follow the node's first message.
const CANCEL_GRACE: Duration = Duration::from_secs(5);

/// A node that was asked to say something again does so within this. One that does not says it when it connects again.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// The most that document and parameters may have together, in bytes: a message without its other fields.
const MAX_ORDER: usize = MAX_MESSAGE - 16 * 1024;

/// How the gateway came to follow a run.
#[derive(Debug)]
pub(super) enum Start {
    /// It is assigned to the node, and has to start within `expires_in` of `since`.
    Dispatch { expires_in: Duration, since: Instant },
    /// It is to be cancelled, and the node has not spoken of it.
    Cancel { in_progress: bool },
    /// The node spoke of it.
    Event(Event),
}

/// What happens to a run.
#[derive(Debug)]
pub(super) enum Event {
    /// The node has it. `recorded`: and the control plane knows.
    Accepted { recorded: bool },
    /// It is to be cancelled.
    Cancel,
    /// The node says how it ended. The place bounds how many are in memory; what is small needs none.
    Report(NodeReport, Option<OwnedSemaphorePermit>),
    /// The node has said how it ended, and there was no place for it.
    Unheard,
}

/// The node's last word on a run.
#[derive(Debug, PartialEq)]
pub(super) enum NodeReport {
    /// It will not run.
    Refused(Box<Refused>),
    /// It has ended.
    Finished(Box<RunResult>),
}

/// Why a run is followed no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunEnd {
    /// Its end is stored, or nothing more will come.
    Settled,
    /// It was not sent: it does not exist any more, or is too late.
    NotSent,
    /// Another connection owns the node.
    Superseded,
}

/// See the module.
pub(super) struct Run<F> {
    pub shared: Arc<Shared<F>>,
    pub node: Arc<NodeIdentity>,
    pub epoch: Epoch,
    pub command_uid: String,
    pub invocation: String,
    pub outbound: mpsc::WeakSender<Item>,
    pub orders: Arc<Semaphore>,
    pub reports: Arc<Semaphore>,
    pub room: Arc<Room>,
    pub events: mpsc::Receiver<Event>,
    pub unheard: Unheard,
}

/// Whether the node has said what there was no place for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unheard {
    /// No.
    #[default]
    Nothing,
    /// It is to be asked, once there is a place.
    Something,
    /// It was asked then, and a place is kept for the answer.
    Asked(Instant),
}

impl<F: Fleet> Run<F> {
    /// Follows the run to its end, or to that of the stream.
    pub async fn follow(mut self, start: Start) -> RunEnd {
        self.stages(start).await.err().unwrap_or(RunEnd::Settled)
    }

    async fn stages(&mut self, start: Start) -> Result<(), RunEnd> {
        let first = match start {
            Start::Dispatch { expires_in, since } => self.dispatch(expires_in, since).await?,
            Start::Cancel { in_progress } => self.cancel_unknown(in_progress).await?,
            Start::Event(event) => Some(event),
        };
        let last = match first {
            Some(Event::Accepted { recorded }) => self.running(recorded).await?,
            Some(Event::Unheard) => {
                self.unheard = Unheard::Something;
                self.running(false).await?
            }
            other => other,
        };
        match last {
            Some(Event::Report(report, place)) => {
                tracing::debug!(command = self.command_uid, node = self.node.name, "reported");
                self.report(report, place).await
            }
            _ => Ok(()),
        }
    }

    /// Sends the run, and waits for the node's answer; none if the stream ends first.
    async fn dispatch(&mut self, expires_in: Duration, since: Instant) -> Result<Option<Event>, RunEnd> {
        let (order, slot) = {
            let (shared, node) = (Arc::clone(&self.shared), Arc::clone(&self.node));
            let (orders, invocation) = (Arc::clone(&self.orders), self.invocation.clone());
            let fetch = async move {
                let slot = orders.acquire_owned().await;
                (insist(&shared, || shared.fleet.order(&node, &invocation)).await, slot)
            };
            tokio::select! {
                order = fetch => order,
                event = self.events.recv() => return match event {
                    Some(Event::Cancel) => self.cancel_unknown(false).await,
                    other => Ok(other), // the node has it already, from an earlier stream
                },
            }
        };
        let order = order.map_err(|error| not_sent(&error))?;
        let Some(expires_in) = expires_in.checked_sub(since.elapsed()).filter(|left| !left.is_zero()) else {
            return Err(RunEnd::NotSent);
        };
        let called = order.called_documents.iter().map(|called| called.document.len()).sum::<usize>();
        if order.document.len() + order.parameters.len() + called > MAX_ORDER {
            // No agent could receive it, and trying again and again would keep the node from everything else.
            return self.record(&convert::too_large()).await.map(|()| None);
        }
        tracing::debug!(command = self.command_uid, node = self.node.name, "dispatched");
        self.send(FromGateway::Dispatch(self.to_dispatch(order, expires_in))).await;
        self.shared.metrics.dispatches.increment();
        drop(slot);
        Ok(self.answer().await)
    }

    fn to_dispatch(&self, order: Order, expires_in: Duration) -> Dispatch {
        let called = |called: CalledDocument| v1::CalledDocument {
            name: called.name,
            version: called.version,
            document_version: called.document_version,
            document: called.document,
        };
        Dispatch {
            command_uid: self.command_uid.clone(),
            namespace: self.node.namespace.clone(),
            invocation: self.invocation.clone(),
            document_name: order.document_name,
            document_version: order.document_version,
            document: order.document,
            parameters: order.parameters,
            fail_fast: order.fail_fast,
            strict_scripts: order.strict_scripts,
            called_documents: order.called_documents.into_iter().map(called).collect(),
            expires_in_ms: u64::try_from(expires_in.as_millis()).unwrap_or(u64::MAX).max(1),
        }
    }

    /// Cancels a run the node has not spoken of. Where its status says that the node has it, only the node can
    /// tell how it ends. Otherwise it was never sent, unless its result comes at once.
    async fn cancel_unknown(&mut self, in_progress: bool) -> Result<Option<Event>, RunEnd> {
        self.send(self.to_cancel()).await;
        if in_progress {
            return Ok(self.answer().await);
        }
        match timeout(CANCEL_GRACE, self.answer()).await {
            Ok(answer) => Ok(answer),
            Err(_) if self.unheard != Unheard::Nothing => Ok(self.answer().await),
            Err(_) => self.record(&convert::never_sent()).await.map(|()| None),
        }
    }

    /// Waits for the end of a run that the node has, and records that it has it unless it ends soon.
    async fn running(&mut self, mut recorded: bool) -> Result<Option<Event>, RunEnd> {
        if !recorded
            && let Ok(Some(report)) = timeout(self.shared.settings.in_progress_after, self.ending()).await
        {
            return Ok(Some(report));
        }
        let mut backoff = Backoff::default();
        while !recorded {
            let result = self.record_once(Report::InProgress).await;
            match result {
                Ok(()) | Err(RecordError::NotFound) => recorded = true,
                Err(RecordError::Superseded) => return Err(RunEnd::Superseded),
                Err(RecordError::Unavailable(_)) => {
                    self.shared.metrics.retries.increment();
                    let wait = backoff.next_wait();
                    if self.events.is_closed() {
                        sleep(wait).await;
                    } else if let Ok(Some(report)) = timeout(wait, self.ending()).await {
                        return Ok(Some(report));
                    }
                }
            }
        }
        Ok(self.ending().await)
    }

    /// The node's next word; a cancel is passed on to it meanwhile, and what there was no place for is asked for.
    async fn answer(&mut self) -> Option<Event> {
        loop {
            let reports = Arc::clone(&self.reports);
            let asked =
                if let Unheard::Asked(since) = self.unheard { Some(since + ANSWER_LIMIT) } else { None };
            let event = tokio::select! {
                biased;
                event = self.events.recv() => event,
                Ok(place) = reports.acquire_owned(), if self.unheard == Unheard::Something => {
                    self.room.keep(place);
                    self.send(self.to_say_again()).await;
                    self.unheard = Unheard::Asked(Instant::now());
                    continue;
                }
                () = sleep_until(asked.unwrap_or_else(Instant::now)), if asked.is_some() => {
                    self.heard();
                    continue;
                }
            };
            match event {
                Some(Event::Cancel) => self.send(self.to_cancel()).await,
                Some(Event::Unheard) => self.unheard = Unheard::Something,
                other => {
                    self.heard();
                    return other;
                }
            }
        }
    }

    /// There is nothing to ask for any more.
    fn heard(&mut self) {
        self.unheard = Unheard::Nothing;
        drop(self.room.take());
    }

    /// The node's last word.
    async fn ending(&mut self) -> Option<Event> {
        loop {
            match self.answer().await {
                Some(Event::Accepted { .. }) => {}
                other => return other,
            }
        }
    }

    fn to_cancel(&self) -> FromGateway {
        FromGateway::Cancel(Cancel { command_uid: self.command_uid.clone() })
    }

    fn to_say_again(&self) -> FromGateway {
        FromGateway::SayAgain(SayAgain { command_uid: self.command_uid.clone() })
    }

    /// Sends to the node. If its stream is over, the run's events end too, so nothing is lost by not saying so.
    async fn send(&self, message: FromGateway) {
        if let Some(outbound) = self.outbound.upgrade() {
            let _ = outbound.send(Ok(GatewayMessage { message: Some(message) })).await;
        }
    }

    async fn acknowledge(&self, output_pending: bool) {
        let command_uid = self.command_uid.clone();
        self.send(FromGateway::ResultAck(ResultAck { command_uid, output_pending })).await;
        self.shared.metrics.results.increment();
    }

    async fn record_once(&self, report: Report) -> Result<(), RecordError> {
        let fleet = &self.shared.fleet;
        fleet.record(&self.node, self.epoch, &self.invocation, &self.command_uid, report).await
    }

    /// Records until the control plane has an answer. That there is no such Invocation is one: nobody wants it.
    async fn record(&self, report: &Report) -> Result<(), RunEnd> {
        match insist(&self.shared, || self.record_once(report.clone())).await {
            Err(RecordError::Superseded) => Err(RunEnd::Superseded),
            Ok(()) | Err(RecordError::NotFound | RecordError::Unavailable(_)) => Ok(()),
        }
    }
}

fn not_sent(error: &RecordError) -> RunEnd {
    match error {
        RecordError::Superseded => RunEnd::Superseded,
        RecordError::NotFound | RecordError::Unavailable(_) => RunEnd::NotSent,
    }
}

/// Asks the control plane until it answers.
async fn insist<F, T, A>(shared: &Shared<F>, mut ask: impl FnMut() -> A) -> Result<T, RecordError>
where
    A: Future<Output = Result<T, RecordError>>,
{
    let mut backoff = Backoff::default();
    loop {
        match ask().await {
            Err(RecordError::Unavailable(reason)) => {
                shared.metrics.retries.increment();
                tracing::debug!(reason, "the control plane is not reachable, trying again");
                sleep(backoff.next_wait()).await;
            }
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests;
