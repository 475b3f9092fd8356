//! A new certificate for the same key, in time or long after.

use std::time::Duration;

use keelson_protocol::v1::RenewRequest;
use keelson_protocol::v1::enrolment_client::EnrolmentClient;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::connect::ConnectError;
use crate::identity::{Identity, IdentityError, IdentityFolder, Validity, key};

/// The gateway answers within this, or it is taken for unreachable.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Why there is no new certificate. None of it makes the identity worthless.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// The identity's files.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No gateway.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The gateway says no, or cannot.
    #[error("the gateway does not renew the certificate: {}", said(.0))]
    Gateway(Box<Status>),
    /// What came is no certificate.
    #[error("the gateway's new certificate cannot be used: {0}")]
    Unusable(String),
}

/// Gets and stores a new certificate of the same key. The present one may have expired.
pub async fn renew(
    channel: Channel,
    folder: &IdentityFolder,
    identity: &mut Identity,
) -> Result<(), RenewError> {
    let csr = key::certificate_request(&identity.key).map_err(IdentityError::from)?;
    let mut request = tonic::Request::new(RenewRequest { csr });
    request.set_timeout(ANSWER_LIMIT);
    let answer = EnrolmentClient::new(channel).renew(request).await;
    let certificate =
        answer.map_err(|status| RenewError::Gateway(Box::new(status)))?.into_inner().certificate;
    Validity::of(&certificate).map_err(|error| RenewError::Unusable(error.to_string()))?;
    folder.replace_certificate(identity, &certificate)?;
    identity.certificate = certificate;
    Ok(())
}

/// Whether an answer means that the control plane has removed this node.
pub fn means_removed(status: &Status) -> bool {
    matches!(status.code(), Code::NotFound | Code::PermissionDenied)
}

/// What a gateway says when it refuses, never empty.
pub fn said(status: &Status) -> String {
    let text = if status.message().is_empty() { status.code().description() } else { status.message() };
    text.to_owned()
}
