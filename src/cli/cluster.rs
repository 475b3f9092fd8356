//! The cluster a user works with, with the user's own rights, and what is said where it does not answer as wished.

use std::error::Error as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Status;
use kube::runtime::watcher;
use kube::{Client, Config};

/// A cluster that does not answer for this long cannot be reached.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Which cluster and namespace, as kubectl is told it.
#[derive(Debug, Clone, Args)]
pub struct ClusterArguments {
    /// The namespace; else that of the kubeconfig's context, or of the pod.
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// The context of the kubeconfig to use.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The kubeconfig to use; else $KUBECONFIG, ~/.kube/config, or a pod's service account.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// A cluster and the namespace to work in.
pub struct Cluster {
    /// Speaks with the API server.
    pub client: Client,
    /// The namespace.
    pub namespace: String,
    /// Where the API server is, for messages.
    address: String,
}

/// Why the cluster did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Nothing says where the cluster is, or what says it cannot be used.
    #[error("no cluster to work with: {0}: check --kubeconfig, --context and $KUBECONFIG")]
    Configuration(String),
    /// Nobody answers.
    #[error("the cluster at {address} cannot be reached: {reason}")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// Why not.
        reason: String,
    },
    /// The user is nobody the cluster knows.
    #[error("the cluster does not know you: {0}: log in again, or check the kubeconfig's user")]
    Unauthenticated(String),
    /// The user may not do it.
    #[error(
        "you may not {verb} {resource} in namespace {namespace:?}: ask for the ClusterRole {role} there ({message})"
    )]
    Forbidden {
        /// What was to be done, such as `create`.
        verb: String,
        /// To what, such as `commands`.
        resource: String,
        /// Where.
        namespace: String,
        /// The role that allows it.
        role: &'static str,
        /// The server's words.
        message: String,
    },
    /// The cluster has no such kind.
    #[error("Keelson is not installed in the cluster at {0}: it has no kinds of keelson.dev")]
    NotInstalled(String),
    /// There is no such object.
    #[error("{0}")]
    NotFound(String),
    /// Anything else that the server refuses.
    #[error("the cluster refuses it: {0}")]
    Refused(String),
}

impl Cluster {
    /// Finds the cluster; nothing is sent to it yet.
    pub async fn find(arguments: &ClusterArguments) -> Result<Self, Trouble> {
        let unusable = |reason: &dyn std::error::Error| Trouble::Configuration(with_causes(reason));
        let options = KubeConfigOptions { context: arguments.context.clone(), ..Default::default() };
        let mut config = if let Some(path) = &arguments.kubeconfig {
            let kubeconfig = Kubeconfig::read_from(path).map_err(|error| unusable(&error))?;
            Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| unusable(&error))?
        } else if arguments.context.is_some() {
            Config::from_kubeconfig(&options).await.map_err(|error| unusable(&error))?
        } else {
            Config::infer().await.map_err(|error| unusable(&error))?
        };
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        let namespace = arguments.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let address = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        // Several parts use rustls, which wants to be told its provider once.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::try_from(config).map_err(|error| unusable(&error))?;
        Ok(Self { client, namespace, address })
    }

    /// What a request that failed means to the user. `verb` and `resource` are what was to be done.
    pub fn trouble(&self, error: &kube::Error, verb: &str, resource: &str) -> Trouble {
        match error {
            kube::Error::Api(status) => self.refusal(status, verb, resource),
            kube::Error::Auth(_) => Trouble::Unauthenticated(with_causes(error)),
            kube::Error::SerdeError(_) | kube::Error::BuildRequest(_) => Trouble::Refused(with_causes(error)),
            other => Trouble::Unreachable { address: self.address.clone(), reason: innermost(other) },
        }
    }

    /// The same of a watch; `None` where trying again may help.
    pub fn watch_trouble(&self, error: &watcher::Error, resource: &str) -> Option<Trouble> {
        let (error, verb) = match error {
            watcher::Error::InitialListFailed(error) => (error, "list"),
            watcher::Error::WatchStartFailed(error) => (error, "watch"),
            _ => return None,
        };
        match self.trouble(error, verb, resource) {
            Trouble::Unreachable { .. } => None,
            Trouble::Refused(_) if !matches!(error, kube::Error::SerdeError(_)) => None,
            lasting => Some(lasting),
        }
    }

    fn refusal(&self, status: &Status, verb: &str, resource: &str) -> Trouble {
        let message = status.message.trim().to_owned();
        match status.code {
            401 => Trouble::Unauthenticated(message),
            403 if message.contains("cannot ") => Trouble::Forbidden {
                verb: verb.to_owned(),
                resource: resource.to_owned(),
                namespace: self.namespace.clone(),
                role: if matches!(verb, "create" | "patch") { "keelson-editor" } else { "keelson-viewer" },
                message,
            },
            404 if status.details.as_ref().is_none_or(|details| details.name.is_empty()) => {
                Trouble::NotInstalled(self.address.clone())
            }
            404 => Trouble::NotFound(message),
            _ => Trouble::Refused(message),
        }
    }
}

/// An error and what lies behind it, without saying anything twice.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}

/// The cause that a person can mend, such as `Connection refused`.
fn innermost(error: &kube::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = cause.to_string();
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster() -> (tokio::runtime::Runtime, Cluster) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let _ = rustls::crypto::ring::default_provider().install_default();
            Client::try_from(Config::new("http://10.0.0.1:6443".parse().unwrap())).unwrap()
        });
        let cluster = Cluster { client, namespace: "web".into(), address: "http://10.0.0.1:6443".into() };
        (runtime, cluster)
    }

    fn refused(value: serde_json::Value) -> kube::Error {
        kube::Error::Api(Box::new(serde_json::from_value(value).unwrap()))
    }

    #[test]
    fn a_missing_right_is_named_with_the_role_that_has_it() {
        let (_runtime, cluster) = cluster();
        let error = refused(serde_json::json!({
            "code": 403, "reason": "Forbidden", "message": "User \"ada\" cannot create resource \"commands\""
        }));
        assert_eq!(
            cluster.trouble(&error, "create", "commands").to_string(),
            "you may not create commands in namespace \"web\": ask for the ClusterRole keelson-editor there \
             (User \"ada\" cannot create resource \"commands\")"
        );
    }

    #[test]
    fn a_cluster_without_keelson_is_told_from_an_object_that_is_not_there() {
        let (_runtime, cluster) = cluster();
        let none = refused(serde_json::json!({ "code": 404, "message": "404 page not found" }));
        let said = cluster.trouble(&none, "create", "commands").to_string();
        assert!(
            said.starts_with("Keelson is not installed in the cluster at http://10.0.0.1:6443"),
            "{said}"
        );
        let gone = refused(serde_json::json!({
            "code": 404, "message": "commands.keelson.dev \"x\" not found", "details": { "name": "x" }
        }));
        let said = cluster.trouble(&gone, "get", "commands").to_string();
        assert_eq!(said, "commands.keelson.dev \"x\" not found");
    }
}
