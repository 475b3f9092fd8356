//! How a server becomes a node, and how a node gets its next certificate.

use std::sync::Arc;
use std::time::SystemTime;

use keelson_core::fleet::{EnrolRequest, Fleet, Refusal};
use keelson_protocol::v1;
use keelson_protocol::v1::enrolment_server::Enrolment;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tonic::{Extensions, Request, Response, Status};

use crate::ca::{CaError, VerifiedRequest};
use crate::convert;
use crate::metrics::Metrics;
use crate::peer::{Peer, any_node};
use crate::shared::{Shared, refused};

/// The longest name or code that is looked at.
const MAX_FIELD: usize = 253;

/// Requests that are with the control plane at once. Anybody may send them, so the others wait.
const AT_ONCE: usize = 32;

/// See the module.
pub(crate) struct EnrolmentService<F> {
    shared: Arc<Shared<F>>,
    places: Semaphore,
}

#[tonic::async_trait]
impl<F: Fleet> Enrolment for EnrolmentService<F> {
    async fn enrol(&self, request: Request<v1::EnrolRequest>) -> Result<Response<v1::EnrolResponse>, Status> {
        let from = address(request.extensions());
        let response = self.grant(request.into_inner()).await.inspect_err(|status| {
            count(&self.shared.metrics, status);
            tracing::info!(from, status = %status.message(), "refused an enrolment");
        })?;
        self.shared.metrics.enrolments.increment();
        tracing::info!(from, node = response.node, namespace = response.namespace, "enrolled a node");
        Ok(Response::new(response))
    }

    async fn renew(&self, request: Request<v1::RenewRequest>) -> Result<Response<v1::RenewResponse>, Status> {
        let response = self.renewed(&request).await.inspect_err(|status| {
            count(&self.shared.metrics, status);
            tracing::info!(from = address(request.extensions()), status = %status.message(), "refused to renew a certificate");
        })?;
        self.shared.metrics.renewals.increment();
        Ok(Response::new(response))
    }
}

impl<F: Fleet> EnrolmentService<F> {
    /// Of this gateway.
    pub fn new(shared: Arc<Shared<F>>) -> Self {
        Self { shared, places: Semaphore::new(AT_ONCE) }
    }

    async fn grant(&self, request: v1::EnrolRequest) -> Result<v1::EnrolResponse, Status> {
        for (name, value) in
            [("namespace", &request.namespace), ("activation", &request.activation), ("code", &request.code)]
        {
            if value.is_empty() || value.len() > MAX_FIELD {
                let message = format!("{name} is empty or too long: take it from the Activation's Secret");
                return Err(Status::invalid_argument(message));
            }
        }
        // Before the control plane counts a use of the code.
        let verified = VerifiedRequest::parse(&request.csr).map_err(|error| failed(&error))?;
        let enrol = self.shared.fleet.enrol(EnrolRequest {
            namespace: request.namespace,
            activation: request.activation,
            code: request.code,
            fingerprint: verified.fingerprint.clone(),
            facts: convert::facts(request.facts),
        });
        let node = self.answer(enrol).await?;
        let certificate = self.shared.authority.sign_node(&verified, &node, SystemTime::now());
        let certificate = certificate.map_err(|error| failed(&error))?;
        Ok(v1::EnrolResponse { namespace: node.namespace, node: node.name, uid: node.uid, certificate })
    }

    async fn renewed(&self, request: &Request<v1::RenewRequest>) -> Result<v1::RenewResponse, Status> {
        let node = any_node(request.extensions())?;
        let verified = VerifiedRequest::parse(&request.get_ref().csr).map_err(|error| failed(&error))?;
        if verified.fingerprint != node.fingerprint {
            let message =
                "the request is by another key than the node's certificate: to change keys, enrol again";
            return Err(Status::invalid_argument(message));
        }
        self.answer(self.shared.fleet.may_renew(node)).await?;
        let certificate = self.shared.authority.sign_node(&verified, node, SystemTime::now());
        Ok(v1::RenewResponse { certificate: certificate.map_err(|error| failed(&error))? })
    }

    async fn answer<T>(&self, ask: impl Future<Output = Result<T, Refusal>>) -> Result<T, Status> {
        let in_turn = async {
            let _place = self.places.acquire().await;
            ask.await
        };
        match timeout(self.shared.settings.hello_limit, in_turn).await {
            Ok(answer) => answer.map_err(|refusal| refused(&refusal)),
            Err(_) => Err(Status::unavailable("the control plane did not answer in time")),
        }
    }
}

fn failed(error: &CaError) -> Status {
    match error {
        CaError::Request(_) => Status::invalid_argument(error.to_string()),
        CaError::Authority(_) | CaError::Sign(_) => Status::internal(error.to_string()),
    }
}

/// Where a call comes from, for the log.
fn address(extensions: &Extensions) -> Option<String> {
    extensions.get::<Peer>().map(|peer| peer.address.to_string())
}

fn count(metrics: &Metrics, status: &Status) {
    let reasons = &metrics.refused;
    let reason = match status.code() {
        tonic::Code::Unauthenticated => &reasons.unauthenticated,
        tonic::Code::FailedPrecondition => &reasons.denied,
        tonic::Code::NotFound => &reasons.unknown,
        tonic::Code::InvalidArgument => &reasons.invalid,
        _ => &reasons.unavailable,
    };
    reason.increment();
}
