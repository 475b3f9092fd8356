//! The one error of reconciling, and what follows from it.

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::controller::Action;

use crate::context::Context;
use crate::patch::{Kind, is_in_deleted_namespace};

/// Why a reconcile has to be tried again. What is wrong with a spec is no error: it is a condition on the object.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or could not be reached.
    #[error("the API server said: {0}")]
    Api(#[from] kube::Error),
    /// Something of ours could not be written as JSON.
    #[error("failed to serialize: {0}")]
    Serialize(#[from] serde_json::Error),
    /// The system gave no randomness.
    #[error("failed to get random bytes: {0}")]
    Random(#[from] getrandom::Error),
    /// An object that was checked before does not hold any more.
    #[error("an object has changed that cannot: {0}")]
    Corrupt(String),
}

impl Error {
    /// A stable word for metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Api(kube::Error::Api(status)) if status.code == 409 => "conflict",
            Self::Api(kube::Error::Api(status)) if status.code == 404 => "not_found",
            Self::Api(kube::Error::Api(status)) if status.code == 422 => "invalid",
            Self::Api(error) if is_in_deleted_namespace(error) => "terminating",
            Self::Api(kube::Error::Api(_)) => "refused",
            Self::Api(_) => "unreachable",
            Self::Serialize(_) => "serialize",
            Self::Random(_) => "random",
            Self::Corrupt(_) => "corrupt",
        }
    }
}

/// Tries again: at once after a conflict (the cache was behind), after five seconds otherwise.
#[allow(clippy::needless_pass_by_value)] // the shape Controller::run asks for
pub fn policy<K: Kind>(object: Arc<K>, error: &Error, context: Arc<Context>) -> Action {
    let kind = K::kind(&());
    context.metrics.reconcile_error(&kind, error.category());
    let name = object.meta().name.as_deref().unwrap_or_default();
    let namespace = object.meta().namespace.as_deref().unwrap_or_default();
    match error.category() {
        "conflict" | "not_found" => {
            tracing::debug!(kind = %kind, namespace, name, error = %error, "reconcile was overtaken");
            Action::requeue(Duration::from_millis(500))
        }
        "terminating" => {
            tracing::debug!(kind = %kind, namespace, name, error = %error, "the namespace is being deleted");
            Action::requeue(Duration::from_secs(5))
        }
        _ => {
            tracing::warn!(kind = %kind, namespace, name, error = %error, "failed to reconcile");
            Action::requeue(Duration::from_secs(5))
        }
    }
}
