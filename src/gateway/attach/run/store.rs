//! Stores a node's last word on a run: whole in the archive, in short in the control plane, and then acknowledges
//! it, so that the node may forget it.
//!
//! While the archive is out of order, what is large does not wait for it here: the node has it too.

use std::time::Duration;

use keelson_core::fleet::{Fleet, Placement, RecordError, Report};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};
use tonic::codegen::Bytes;

use super::{Event, NodeReport, Run, RunEnd, Unheard, insist};
use crate::archive::Archive;
use crate::backoff::Backoff;
use crate::convert;

/// A report, and its place in memory if it needs one.
type Said = (NodeReport, Option<OwnedSemaphorePermit>);

/// How much of a report is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    All,
    /// The outcome. The archive is out of order.
    Outcome,
}

impl<F: Fleet> Run<F> {
    pub(super) async fn report(
        &mut self,
        report: NodeReport,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<(), RunEnd> {
        let mut said = Some((report, place));
        let (mut backoff, mut outcome_known) = (Backoff::default(), false);
        while let Some((report, place)) = said.take() {
            let stored = self.store(&report, outcome_known).await?;
            outcome_known = true;
            said = match stored {
                Stored::All => match self.later_than(&report) {
                    None if self.unheard == Unheard::Nothing || self.events.is_closed() => {
                        self.acknowledge(report.output_pending()).await;
                        return Ok(());
                    }
                    None => {
                        drop((report, place));
                        self.next_report().await
                    }
                    later => later,
                },
                // At the end of the stream the node cannot be asked again; what is small need not be.
                Stored::Outcome if place.is_none() || self.events.is_closed() => {
                    sleep(backoff.next_wait()).await;
                    Some((report, place))
                }
                Stored::Outcome => {
                    drop((report, place));
                    self.said_after(backoff.next_wait()).await
                }
            };
        }
        Ok(())
    }

    /// What the node has said meanwhile, if it is something else: that more of the output is in the archive. After
    /// nothing, what it says is followed anew.
    fn later_than(&mut self, report: &NodeReport) -> Option<Said> {
        let later = self.said_meanwhile(report);
        if later.is_some() || self.unheard != Unheard::Nothing {
            return later;
        }
        self.events.close();
        self.said_meanwhile(report)
    }

    fn said_meanwhile(&mut self, report: &NodeReport) -> Option<Said> {
        let mut last = None;
        while let Ok(event) = self.events.try_recv() {
            match event {
                Event::Report(said, place) => {
                    self.heard();
                    last = Some((said, place));
                }
                Event::Unheard => self.unheard = Unheard::Something,
                Event::Accepted { .. } | Event::Cancel => {}
            }
        }
        last.filter(|(said, _)| said != report)
    }

    /// Waits until the node says again, or anew, how the run ended; nothing if the stream ends first.
    async fn next_report(&mut self) -> Option<Said> {
        match self.ending().await {
            Some(Event::Report(report, place)) => Some((report, place)),
            _ => None,
        }
    }

    /// Has the node say again how the run ended, after a while.
    async fn said_after(&mut self, wait: Duration) -> Option<Said> {
        if let Ok(said) = timeout(wait, self.next_report()).await {
            return said;
        }
        self.unheard = Unheard::Something;
        self.next_report().await
    }

    /// The outcome does not wait for an archive that is out of order; it is recorded once.
    async fn store(&self, report: &NodeReport, outcome_known: bool) -> Result<Stored, RunEnd> {
        let asked =
            insist(&self.shared, || self.shared.placement(&self.node, &self.invocation, &self.command_uid));
        let placement = match asked.await {
            Ok(placement) => placement,
            Err(RecordError::Superseded) => return Err(RunEnd::Superseded),
            Err(RecordError::NotFound | RecordError::Unavailable(_)) => return Ok(Stored::All),
        };
        let (file, content) = match report {
            NodeReport::Refused(refused) => {
                (convert::result_file(&self.node, Err(refused)), convert::refusal(refused))
            }
            NodeReport::Finished(result) => {
                let report = convert::run_report(result, Archive::run_key(&placement));
                (convert::result_file(&self.node, Ok(result)), Report::Finished(report))
            }
        };
        if self.archive(&placement, file.into()).await {
            self.record(&content).await?;
            return Ok(Stored::All);
        }
        if !outcome_known {
            self.record(&pending(&content)).await?;
        }
        Ok(Stored::Outcome)
    }

    async fn archive(&self, placement: &Placement, file: Bytes) -> bool {
        match self.shared.archive.put_result(placement, file).await {
            Ok(()) => true,
            Err(error) => {
                self.shared.metrics.archive_errors.increment();
                tracing::warn!(error = %error, invocation = self.invocation, "failed to archive a result");
                false
            }
        }
    }
}

/// The same report, with its output not all in the archive yet.
fn pending(report: &Report) -> Report {
    let mut report = report.clone();
    if let Report::Finished(run) = &mut report {
        run.output_pending = true;
    }
    report
}

impl NodeReport {
    fn output_pending(&self) -> bool {
        match self {
            Self::Refused(_) => false,
            Self::Finished(result) => result.output_pending,
        }
    }
}
