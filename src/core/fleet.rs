//! What the gateway needs from the control plane, as a trait: the gateway speaks to nodes, the operator
//! crate implements this over the Kubernetes API, and neither sees the other's transport.
//!
//! Every call is about one node, named by its certificate and never by a message, so an implementation
//! can hold "a node reads only what is addressed to it and writes only about itself" in one place.

use std::future::Future;
use std::time::Duration;

use crate::status::{StatusDetails, StepStatus};

/// Who a node is, as its client certificate says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeIdentity {
    /// Namespace of the `ManagedNode`.
    pub namespace: String,
    /// Name of the `ManagedNode`, `mi-` and 17 hex digits.
    pub name: String,
    /// Its uid, so that a node deleted and made again under the same name is another node.
    pub uid: String,
    /// SHA-256 of the node's public key (`SubjectPublicKeyInfo`, DER), lower-case hex.
    pub fingerprint: String,
}

/// What a node observes about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// Host name.
    pub hostname: String,
    /// `Linux`.
    pub platform_type: String,
    /// Distribution name from os-release.
    pub platform_name: String,
    /// Distribution version from os-release.
    pub platform_version: String,
    /// `x86_64` or `aarch64`.
    pub architecture: String,
    /// The address it reaches the gateway from.
    pub ip_address: String,
    /// Version of `keelson-agent`.
    pub agent_version: String,
    /// A hash of the machine id, stable for an installation.
    pub machine_id: String,
    /// Kernel release.
    pub kernel: String,
}

/// A request to become a node.
#[derive(Debug, Clone)]
pub struct EnrolRequest {
    /// Namespace of the `Activation`.
    pub namespace: String,
    /// Its name.
    pub activation: String,
    /// The code from its Secret.
    pub code: String,
    /// Fingerprint of the key the node made.
    pub fingerprint: String,
    /// What the node says of itself.
    pub facts: NodeFacts,
}

/// Why an enrolment, a renewal or a connection is refused. The message is shown to the person at the node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such activation, or the code is wrong: told apart to nobody.
    #[error("the activation or its code is not right: {0}")]
    Unauthenticated(String),
    /// Expired, over its limit, or otherwise not usable now.
    #[error("{0}")]
    Denied(String),
    /// The `ManagedNode` is gone or has another uid or key.
    #[error("this node is not enrolled any more: {0}")]
    Unknown(String),
    /// The control plane could not be asked; try again.
    #[error("the control plane is not reachable: {0}")]
    Unavailable(String),
}

/// The right to write about a node; grows with each connection of the node, to whatever replica.
pub type Epoch = u64;

/// An Invocation that is released to a node and not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Name of the Invocation, in the node's namespace.
    pub invocation: String,
    /// Uid of its Command: what a node dedupes by.
    pub command_uid: String,
    /// Its status says that the node has it.
    pub in_progress: bool,
    /// It is to be cancelled.
    pub cancel: bool,
    /// How long it may still be started; zero is too late.
    pub expires_in: Duration,
}

/// What a node needs to run an Invocation.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Document name, as the user wrote it.
    pub document_name: String,
    /// Resolved version number.
    pub document_version: String,
    /// The document, JSON.
    pub document: String,
    /// Typed parameter values with defaults filled in, a JSON object.
    pub parameters: String,
    /// The first step that fails ends the document.
    pub fail_fast: bool,
    /// Shell scripts run with `set -euo pipefail`.
    pub strict_scripts: bool,
    /// The documents that this one names, at the versions frozen with it.
    pub called_documents: Vec<CalledDocument>,
}

/// A document that another one runs or downloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalledDocument {
    /// Its name, in lower case.
    pub name: String,
    /// The version as it is asked for: `$DEFAULT`, `$LATEST`, a number or a version's name.
    pub version: String,
    /// The number that it means.
    pub document_version: String,
    /// The document, JSON.
    pub document: String,
}

/// Where the output of a run is kept: the middle of an archive key, chosen by the control plane alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// Namespace of the node.
    pub namespace: String,
    /// UTC day the Invocation was made, `YYYY-MM-DD`.
    pub date: String,
    /// Uid of the Command.
    pub command_uid: String,
    /// Name of the node.
    pub node: String,
}

/// One step's result, as the node reports it.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// Step name.
    pub name: String,
    /// Plugin, such as `aws:runShellScript`.
    pub action: String,
    /// How it ended.
    pub status: StepStatus,
    /// Exit code.
    pub code: i32,
    /// Merged output, at most 2,500 characters.
    pub output: String,
    /// Wall clock of the node, milliseconds since the epoch, for display.
    pub started_unix_ms: i64,
    /// The same, for the end.
    pub ended_unix_ms: i64,
    /// Bytes the step wrote to stdout, all of them.
    pub stdout_bytes: u64,
    /// Bytes the step wrote to stderr.
    pub stderr_bytes: u64,
    /// SHA-256 of the whole stdout, lower-case hex; empty where there was none.
    pub stdout_sha256: String,
    /// SHA-256 of the whole stderr.
    pub stderr_sha256: String,
    /// Archive prefix of the step's output; empty where it printed nothing.
    pub output_key: String,
}

/// What happened to an Invocation.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// The node has it and is running it.
    InProgress,
    /// The node will never run it.
    Refused {
        /// `DeliveryTimedOut` or `Failed`.
        details: StatusDetails,
        /// Why.
        message: String,
    },
    /// It ended.
    Finished(RunReport),
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunReport {
    /// Success, Failed, `ExecutionTimedOut` or Cancelled.
    pub details: StatusDetails,
    /// Why, where no step says it.
    pub message: String,
    /// The steps, in order.
    pub steps: Vec<StepReport>,
    /// Wall clock of the node, milliseconds since the epoch, for display.
    pub started_unix_ms: i64,
    /// The same, for the end.
    pub ended_unix_ms: i64,
    /// Monotonic length of the run.
    pub duration: Duration,
    /// Archive prefix of the whole output.
    pub output_key: String,
    /// Some output is still on the node.
    pub output_pending: bool,
    /// The Associations that its steps ask to be run on the node again; all of them where no name is given.
    pub refresh_associations: Option<Vec<String>>,
}

/// Why a report was not stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Another connection owns the node now: drop this one, write nothing more.
    #[error("another connection owns this node")]
    Superseded,
    /// There is no such Invocation of this node: nothing will ever want this report.
    #[error("no such invocation of this node")]
    NotFound,
    /// Try again later; the node keeps its report.
    #[error("the control plane is not reachable: {0}")]
    Unavailable(String),
}

/// The control plane, as the gateway sees it.
pub trait Fleet: Send + Sync + 'static {
    /// Checks an activation code, counts its use and makes (or finds, for a known key) the node, before
    /// anything is signed.
    fn enrol(&self, request: EnrolRequest) -> impl Future<Output = Result<NodeIdentity, Refusal>> + Send;

    /// Whether this identity may have a new certificate: its node exists with this uid and key.
    fn may_renew(&self, node: &NodeIdentity) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Removes the node at its own request.
    fn unenrol(&self, node: &NodeIdentity) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Takes the node over for this replica: Online, with the next epoch.
    fn claim(
        &self,
        node: &NodeIdentity,
        facts: &NodeFacts,
        boot_id: &str,
    ) -> impl Future<Output = Result<Epoch, Refusal>> + Send;

    /// Says that the connection of this epoch has ended; no effect if a newer one exists.
    fn disconnected(&self, node: &NodeIdentity, epoch: Epoch) -> impl Future<Output = ()> + Send;

    /// The unfinished Invocations released to the node, as last seen by this replica.
    fn assignments(&self, node: &NodeIdentity) -> Vec<Assignment>;

    /// Document and parameters of an assignment.
    fn order(
        &self,
        node: &NodeIdentity,
        invocation: &str,
    ) -> impl Future<Output = Result<Order, RecordError>> + Send;

    /// Where output of an Invocation of this node goes, finished or not.
    fn placement(
        &self,
        node: &NodeIdentity,
        invocation: &str,
        command_uid: &str,
    ) -> impl Future<Output = Result<Placement, RecordError>> + Send;

    /// Stores a report. A report that comes after the Invocation has ended otherwise is kept beside it and
    /// is no error. The same report may come again, and changes nothing; but an end that was reported with
    /// `output_pending` may come again without it, and clears it. That Associations are to run again is stored before
    /// the end is.
    fn record(
        &self,
        node: &NodeIdentity,
        epoch: Epoch,
        invocation: &str,
        command_uid: &str,
        report: Report,
    ) -> impl Future<Output = Result<(), RecordError>> + Send;
}
