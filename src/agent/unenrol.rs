//! `keelson-agent unenrol`: how a server stops being a node.

use std::path::Path;

use keelson_protocol::v1::UnenrolRequest;
use keelson_protocol::v1::node_client::NodeClient;
use tonic::{Code, Status};

use crate::connect::{ConnectError, Reach};
use crate::identity::{Identity, IdentityError, IdentityFolder, NodeRecord};
use crate::renewal::{self, ANSWER_LIMIT, RenewError, means_removed};

/// Why this server is still a node.
#[derive(Debug, thiserror::Error)]
pub enum UnenrolError {
    /// It is none.
    #[error("this server is not enrolled")]
    NotEnrolled,
    /// The identity's files.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No gateway.
    #[error("{0}; `--local-only` leaves without telling it")]
    Connect(#[from] ConnectError),
    /// The gateway says no.
    #[error("the gateway refuses: {0}")]
    Refused(String),
}

/// Stops being a node. Unless `local_only`, the control plane is told first, and the identity stays if that
/// fails; a node that it has removed already is left all the same.
pub async fn unenrol(state: &Path, local_only: bool) -> Result<NodeRecord, UnenrolError> {
    let folder = IdentityFolder::new(state);
    let Some(mut identity) = folder.load()? else { return Err(UnenrolError::NotEnrolled) };
    if !local_only {
        tell_gateway(&folder, &mut identity).await?;
    }
    folder.remove()?;
    Ok(identity.record)
}

async fn tell_gateway(folder: &IdentityFolder, identity: &mut Identity) -> Result<(), UnenrolError> {
    let mut answer = request(identity).await?;
    if answer.as_ref().is_err_and(|status| status.code() == Code::Unauthenticated) {
        // An expired certificate may do one thing only: be renewed.
        let connection = Reach::of(identity).connect(0).await?;
        match renewal::renew(connection.channel, folder, identity).await {
            Ok(()) => answer = request(identity).await?,
            Err(RenewError::Gateway(status)) => answer = Err(*status),
            Err(error) => return Err(UnenrolError::Refused(error.to_string())),
        }
    }
    match answer {
        Err(status) if !means_removed(&status) => Err(UnenrolError::Refused(renewal::said(&status))),
        _ => Ok(()),
    }
}

async fn request(identity: &Identity) -> Result<Result<(), Status>, ConnectError> {
    let connection = Reach::of(identity).connect(0).await?;
    let mut request = tonic::Request::new(UnenrolRequest {});
    request.set_timeout(ANSWER_LIMIT);
    Ok(NodeClient::new(connection.channel).unenrol(request).await.map(|_| ()))
}
