//! Enrolment: an activation code becomes a `ManagedNode`.
//!
//! The node's name follows from its key, so that two requests with one key, at whatever replicas, cannot make two
//! nodes; and the registration is counted, against the resource version that the limit was checked on, before the
//! node is made.

mod decision;

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use keelson_api::{Activation, ManagedNode};
use keelson_core::fleet::{EnrolRequest, NodeIdentity, Refusal};
use keelson_core::names::is_object_name;
use kube::api::PostParams;
use kube::{Api, ResourceExt as _};
use serde_json::json;

use super::call::{ATTEMPTS, CallError, MANAGER, apply_status, call, get};
use super::claims::NodeKey;
use super::fleet::KubernetesFleet;

/// Key of the code in an Activation's Secret.
const CODE_KEY: &str = "code";
/// How many names are tried for a node. A second one is needed only where two keys hash alike in 68 bits.
const NAMES: u8 = 4;
/// How often a use of a code is counted against others who count theirs: a whole fleet may enrol at once.
const COUNTS: u32 = 100;
/// The longest pause before counting again; they differ, so that those who met do not meet again.
const LONGEST_CONTENTION_MS: u32 = 100;
/// Between attempts to reach an API server that does not answer.
const PAUSE: Duration = Duration::from_millis(500);

impl KubernetesFleet {
    /// Checks a code, counts its use and makes, or finds, the node.
    pub async fn enrol_node(&self, request: &EnrolRequest) -> Result<NodeIdentity, Refusal> {
        let mut activation = self.authenticated(request).await?;
        decision::usable(&activation, crate::context::now())?;
        if let Some(known) = self.node_with_key(&request.namespace, &request.fingerprint).await? {
            return Ok(identity(&known));
        }
        for _ in 0..COUNTS {
            let count = decision::next_count(&activation)?;
            match self.count(&activation, count).await {
                Ok(counted) => return self.make_node(&counted, request).await,
                Err(CallError::Conflict) => tokio::time::sleep(contention_pause()).await,
                Err(CallError::NotFound) => return Err(decision::wrong()),
                Err(error) => return Err(error.into()),
            }
            activation = self.activation(request).await?.ok_or_else(decision::wrong)?;
            decision::usable(&activation, crate::context::now())?;
        }
        Err(Refusal::Unavailable("too many servers enrol at this moment".into()))
    }

    /// The Activation, if the code is right. What is wrong is told to nobody.
    async fn authenticated(&self, request: &EnrolRequest) -> Result<Activation, Refusal> {
        let activation = self.activation(request).await?.ok_or_else(decision::wrong)?;
        let secret = activation.status.as_ref().and_then(|status| status.secret_name.clone());
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &request.namespace);
        let secret = match get(&secrets, &secret.ok_or_else(decision::wrong)?).await {
            Err(CallError::NotFound) => return Err(decision::wrong()),
            other => other?,
        };
        let code = secret.data.as_ref().and_then(|data| data.get(CODE_KEY)).ok_or_else(decision::wrong)?;
        if code.0.is_empty() || !decision::same(&code.0, request.code.as_bytes()) {
            return Err(decision::wrong());
        }
        Ok(activation)
    }

    async fn activation(&self, request: &EnrolRequest) -> Result<Option<Activation>, Refusal> {
        if !is_object_name(&request.namespace) {
            return Ok(None);
        }
        let activations: Api<Activation> = Api::namespaced(self.client.clone(), &request.namespace);
        match get(&activations, &request.activation).await {
            Ok(activation) => Ok(Some(activation)),
            Err(CallError::NotFound) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The node that already has this key.
    async fn node_with_key(
        &self,
        namespace: &str,
        fingerprint: &str,
    ) -> Result<Option<ManagedNode>, Refusal> {
        let known = self.nodes.with_fingerprint(namespace, fingerprint);
        let by_key =
            NodeKey { namespace: namespace.into(), name: decision::node_name(namespace, fingerprint, 0) };
        for key in known.into_iter().chain([by_key]) {
            match get(&self.nodes_of(&key.namespace), &key.name).await {
                Ok(node) if is_live(&node) && node.spec.key_fingerprint == fingerprint => {
                    return Ok(Some(node));
                }
                Ok(_) | Err(CallError::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    async fn count(&self, activation: &Activation, count: u32) -> Result<Activation, CallError> {
        let namespace = activation.namespace().unwrap_or_default();
        let activations: Api<Activation> = Api::namespaced(self.client.clone(), &namespace);
        let version = activation.resource_version().unwrap_or_default();
        apply_status(&activations, &activation.name_any(), &version, &json!({ "registrationsCount": count }))
            .await
    }

    async fn make_node(
        &self,
        activation: &Activation,
        request: &EnrolRequest,
    ) -> Result<NodeIdentity, Refusal> {
        let mut outcome = Outcome::InUse;
        for attempt in 0..NAMES {
            outcome = self.create_node(activation, request, attempt).await;
            if !matches!(outcome, Outcome::InUse) {
                break;
            }
        }
        match outcome {
            Outcome::Made(node) => {
                tracing::info!(
                    namespace = request.namespace,
                    node = node.name_any(),
                    activation = request.activation,
                    hostname = request.facts.hostname,
                    "a server enrolled"
                );
                Ok(identity(&node))
            }
            Outcome::Unknown(error) => Err(error.into()),
            Outcome::WasThere(node) => {
                self.give_back(activation).await;
                Ok(identity(&node))
            }
            Outcome::InUse | Outcome::Refused(_) => {
                self.give_back(activation).await;
                Err(Refusal::Denied(format!("the ManagedNode cannot be created: {outcome}")))
            }
        }
    }

    /// Creates the node under one name. A call that ended without an answer is made again: its registration is
    /// counted already, and the name tells whether it was heard.
    async fn create_node(&self, activation: &Activation, request: &EnrolRequest, attempt: u8) -> Outcome {
        let api = self.nodes_of(&request.namespace);
        let name = decision::node_name(&request.namespace, &request.fingerprint, attempt);
        let node = decision::node(activation, &name, &request.fingerprint);
        let parameters = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
        let mut unanswered = None;
        for _ in 0..ATTEMPTS {
            let existing = match call(api.create(&parameters, &node)).await {
                Ok(created) => return Outcome::Made(created),
                Err(CallError::Conflict) => get(&api, &name).await,
                Err(error @ (CallError::Invalid(_) | CallError::NotFound)) => return Outcome::Refused(error),
                Err(error) => Err(error),
            };
            match existing {
                Ok(node) if node.spec.key_fingerprint != request.fingerprint || !is_live(&node) => {
                    return Outcome::InUse;
                }
                Ok(node) if unanswered.is_some() => return Outcome::Made(node),
                Ok(node) => return Outcome::WasThere(node),
                Err(CallError::NotFound) => {} // deleted between the two calls
                Err(error) => {
                    unanswered = Some(error);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        Outcome::Unknown(unanswered.unwrap_or(CallError::Conflict))
    }

    /// Takes a counted registration back that made no node. Where that fails, too, one registration is lost.
    async fn give_back(&self, counted: &Activation) {
        let namespace = counted.namespace().unwrap_or_default();
        let activations: Api<Activation> = Api::namespaced(self.client.clone(), &namespace);
        let mut current = counted.clone();
        for _ in 0..ATTEMPTS {
            match self.count(&current, decision::count(&current).saturating_sub(1)).await {
                Err(CallError::Conflict) => {}
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(error = %error, activation = counted.name_any(), "failed to give a registration back");
                    return;
                }
            }
            match get(&activations, &counted.name_any()).await {
                Ok(newer) if newer.uid() == counted.uid() => current = newer,
                _ => return,
            }
        }
    }
}

/// What came of creating a node under one name.
#[derive(Debug, thiserror::Error)]
enum Outcome {
    /// It is there, by this request.
    #[error("it was made")]
    Made(ManagedNode),
    /// Another request with the same key has just made it.
    #[error("it exists")]
    WasThere(ManagedNode),
    /// The name is that of another node.
    #[error("no name is free; try again")]
    InUse,
    /// The API server does not want it, for instance since the namespace is being deleted.
    #[error("{0}")]
    Refused(CallError),
    /// The API server did not say.
    #[error("{0}")]
    Unknown(CallError),
}

fn contention_pause() -> Duration {
    // Without a source of randomness the pause is the same for all, which is slower and still right.
    let drawn = getrandom::u32().unwrap_or_default();
    Duration::from_millis((drawn % LONGEST_CONTENTION_MS).into())
}

fn is_live(node: &ManagedNode) -> bool {
    node.metadata.deletion_timestamp.is_none()
}

fn identity(node: &ManagedNode) -> NodeIdentity {
    NodeIdentity {
        namespace: node.namespace().unwrap_or_default(),
        name: node.name_any(),
        uid: node.uid().unwrap_or_default(),
        fingerprint: node.spec.key_fingerprint.clone(),
    }
}
