//! What an Association last made of a node: its entry in the node's status. Pure.

use k8s_openapi::jiff::Timestamp;
use keelson_api::{Command, ComplianceSeverity, ComplianceStatus, ManagedNode, NodeAssociation, RunStatus};
use keelson_core::status::StatusDetails;
use kube::ResourceExt as _;

use crate::command::details;
use crate::index::InvocationRecord;

use super::refresh;

/// AWS's statuses of an association on a node.
pub const PENDING: &str = "Pending";
/// The last run ended well.
pub const SUCCESS: &str = "Success";
/// The last run did not.
pub const FAILED: &str = "Failed";
/// The last run took too long.
pub const TIMED_OUT: &str = "TimedOut";

/// Details of a node that was away when the others ran.
pub const MISSED: &str = "Missed";

/// The entry of an Association on a node.
pub fn of<'a>(node: &'a ManagedNode, association: &str) -> Option<&'a NodeAssociation> {
    let entries = &node.status.as_ref()?.associations;
    entries.iter().find(|entry| entry.name == association)
}

/// Whether a run is owed that the node can make up for as soon as it is online. What a user or the limit of
/// errors stopped waits for the next run of all.
pub fn is_owed(entry: Option<&NodeAssociation>) -> bool {
    entry.is_none_or(|entry| {
        entry.status == PENDING
            && (entry.status_details == MISSED
                || entry.status_details == StatusDetails::DeliveryTimedOut.as_str())
    })
}

/// The end of a Command, for one node that it was for.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// The Association.
    pub association: &'a str,
    /// How bad it is when a node is not compliant.
    pub severity: ComplianceSeverity,
    /// The Command.
    pub command: &'a Command,
    /// The node's Invocation, if it was released to it.
    pub invocation: Option<&'a InvocationRecord>,
}

impl Ended<'_> {
    /// The entry that the node should have, where that is another than it has. An entry is never written for a
    /// new time alone.
    pub fn entry(&self, node: &ManagedNode, previous: Option<&NodeAssociation>) -> Option<NodeAssociation> {
        let (status, details) = self.outcome(node);
        let compliance = match status {
            SUCCESS => ComplianceStatus::Compliant,
            PENDING => previous.map_or(ComplianceStatus::NonCompliant, |entry| entry.compliance),
            _ => ComplianceStatus::NonCompliant,
        };
        let document_version = match status {
            PENDING => previous.map(|entry| entry.document_version.clone()).unwrap_or_default(),
            _ => self.command.spec.document_version.clone(),
        };
        let never_came = details == MISSED || details == StatusDetails::DeliveryTimedOut.as_str();
        let answered = || refresh::answered(self.association, node, self.begun());
        let refresh_time = if never_came { None } else { answered() };
        let entry = NodeAssociation {
            name: self.association.to_owned(),
            status: status.to_owned(),
            status_details: details,
            compliance,
            severity: self.severity,
            document_version,
            command: self.command.name_any(),
            since: self.command.status.as_ref().and_then(|status| status.completion_time.clone()),
            refresh_time: refresh_time.or_else(|| previous.and_then(|entry| entry.refresh_time.clone())),
        };
        previous.is_none_or(|previous| differ(previous, &entry)).then_some(entry)
    }

    /// No later than the run began on the node.
    fn begun(&self) -> Option<Timestamp> {
        let released = self.invocation.and_then(|record| record.created);
        released.or_else(|| self.command.creation_timestamp().map(|time| time.0))
    }

    fn outcome(&self, node: &ManagedNode) -> (&'static str, String) {
        let exact = self.invocation.filter(|record| record.is_terminal()).map(details);
        let status = match exact {
            Some(StatusDetails::Success) => SUCCESS,
            Some(StatusDetails::ExecutionTimedOut) => TIMED_OUT,
            Some(StatusDetails::Failed | StatusDetails::InvalidPlatform | StatusDetails::AccessDenied) => {
                FAILED
            }
            _ => PENDING,
        };
        let details = match exact {
            Some(exact) => exact.as_str(),
            None if stopped_early(self.command) && existed(node, self.command) => {
                StatusDetails::Terminated.as_str()
            }
            None => MISSED,
        };
        (status, details.to_owned())
    }
}

/// The same entry with another severity, where it has another.
pub fn with_severity(entry: &NodeAssociation, severity: ComplianceSeverity) -> Option<NodeAssociation> {
    (entry.severity != severity).then(|| NodeAssociation { severity, ..entry.clone() })
}

/// Whether a Command ended before it had tried every node: what it left out is not for a catch-up to do.
fn stopped_early(command: &Command) -> bool {
    let status = command.status.as_ref();
    let counts = status.and_then(|status| status.counts.as_ref());
    let ended_badly = matches!(
        status.and_then(|status| status.status),
        Some(RunStatus::Failed | RunStatus::Cancelled | RunStatus::Cancelling)
    );
    ended_badly || counts.is_some_and(|counts| counts.terminated > 0 || counts.cancelled > 0)
}

/// Whether the node was there, and connected as far as one can tell, when the Command chose its targets.
fn existed(node: &ManagedNode, command: &Command) -> bool {
    crate::command::is_online(node) && node.creation_timestamp() <= command.creation_timestamp()
}

/// Whether anything differs that a reader would act on.
fn differ(a: &NodeAssociation, b: &NodeAssociation) -> bool {
    (&a.status, &a.status_details, a.compliance, a.severity, &a.document_version, &a.refresh_time)
        != (&b.status, &b.status_details, b.compliance, b.severity, &b.document_version, &b.refresh_time)
}

#[cfg(test)]
mod tests;
