//! Stores a node's last word on a run: whole in the archive, in short in the control plane, and then acknowledges
//! it, so that the node may forget it.

use keelson_core::fleet::{Fleet, Placement, RecordError, Report};
use tokio::time::sleep;
use tonic::codegen::Bytes;

use super::{Event, NodeReport, Run, RunEnd, insist};
use crate::archive::Archive;
use crate::backoff::Backoff;
use crate::convert;

impl<F: Fleet> Run<F> {
    pub(super) async fn report(&mut self, mut report: NodeReport) -> Result<(), RunEnd> {
        loop {
            self.store(&report).await?;
            match self.newer_than(&report) {
                Some(newer) => report = newer,
                None => break,
            }
        }
        self.acknowledge().await;
        Ok(())
    }

    /// What the node has said meanwhile, if it is something else: that more of the output is in the archive.
    fn newer_than(&mut self, report: &NodeReport) -> Option<NodeReport> {
        let mut newer = None;
        while let Ok(event) = self.events.try_recv() {
            if let Event::Report(said, _slot) = event {
                newer = Some(said);
            }
        }
        newer.filter(|newer| newer != report)
    }

    /// The outcome does not wait for an archive that is out of order; the acknowledgement does.
    async fn store(&self, report: &NodeReport) -> Result<(), RunEnd> {
        let asked =
            insist(&self.shared, || self.shared.placement(&self.node, &self.invocation, &self.command_uid));
        let placement = match asked.await {
            Ok(placement) => placement,
            Err(RecordError::Superseded) => return Err(RunEnd::Superseded),
            Err(RecordError::NotFound | RecordError::Unavailable(_)) => return Ok(()),
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
        let file = Bytes::from(file);
        if self.archive(&placement, &file).await {
            return self.record(&content).await;
        }
        self.record(&pending(&content)).await?;
        let mut backoff = Backoff::default();
        while !self.archive(&placement, &file).await {
            sleep(backoff.next_wait()).await;
        }
        self.record(&content).await
    }

    async fn archive(&self, placement: &Placement, file: &Bytes) -> bool {
        match self.shared.archive.put_result(placement, file.clone()).await {
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
