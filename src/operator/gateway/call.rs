//! Calls to the API server on behalf of a node: each with a deadline, and what its failures mean.

use std::future::Future;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use keelson_core::fleet::{RecordError, Refusal};
use keelson_core::names::is_object_name;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::patch::{is_conflict, is_invalid, is_not_found};

/// The field manager of everything the gateway writes.
pub const MANAGER: &str = "keelson/gateway";
/// How long one call may take. The client itself would wait for an answer for ever.
const DEADLINE: Duration = Duration::from_secs(10);
/// How often a write that others overtake is tried again.
pub const ATTEMPTS: usize = 8;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There is no such object.
    #[error("not found")]
    NotFound,
    /// The object changed meanwhile, or exists already.
    #[error("conflict")]
    Conflict,
    /// Schema or rules refused what was written.
    #[error("refused as invalid: {0}")]
    Invalid(String),
    /// Anything that may go away by itself.
    #[error("{0}")]
    Unavailable(String),
}

impl From<kube::Error> for CallError {
    fn from(error: kube::Error) -> Self {
        if is_not_found(&error) {
            Self::NotFound
        } else if is_conflict(&error) {
            Self::Conflict
        } else if is_invalid(&error) {
            Self::Invalid(error.to_string())
        } else {
            Self::Unavailable(error.to_string())
        }
    }
}

impl From<CallError> for Refusal {
    /// For calls whose `NotFound` has been dealt with: what is left can be tried again.
    fn from(error: CallError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<CallError> for RecordError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NotFound => Self::NotFound,
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// Makes a call, with a deadline.
pub async fn call<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, CallError> {
    match tokio::time::timeout(DEADLINE, request).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(CallError::Unavailable(format!("no answer within {} s", DEADLINE.as_secs()))),
    }
}

/// Gets an object by a name that may come from outside. The client puts names into the path as they are, so one
/// that no object can have is answered here.
pub async fn get<K>(api: &Api<K>, name: &str) -> Result<K, CallError>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    if !is_object_name(name) {
        return Err(CallError::NotFound);
    }
    call(api.get(name)).await
}

/// Applies the gateway's part of a status, if the object is still at `resource_version`; a conflict otherwise.
///
/// The version also keeps the write from an object that was deleted and made again. The uid would not: the API
/// server does not look at it when the status alone is applied.
pub async fn apply_status<K>(
    api: &Api<K>,
    name: &str,
    resource_version: &str,
    status: &impl Serialize,
) -> Result<K, CallError>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let patch = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": { "resourceVersion": resource_version },
        "status": status,
    });
    call(api.patch_status(name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(patch))).await
}
