//! Server-side apply, the one way controllers write: forced, each site with a field manager of its own.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

/// A kind of ours: namespaced, with a status.
pub trait Kind:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()>
    + Clone
    + DeserializeOwned
    + Serialize
    + Debug
    + Send
    + Sync
    + 'static
{
}

impl<K> Kind for K where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Serialize
        + Debug
        + Send
        + Sync
        + 'static
{
}

/// Applies the whole status that `manager` owns on `object`. A deleted object is an error, never a new object. The
/// status of one that was made again under its name is overwritten, and put right by its own reconcile.
pub async fn apply_status<K: Kind>(
    client: &Client,
    object: &K,
    manager: &str,
    status: &impl Serialize,
) -> Result<K, kube::Error> {
    let namespace = object.namespace().unwrap_or_default();
    apply_status_of(client, (&namespace, &object.name_any()), manager, status).await
}

/// As [`apply_status`], for an object of which only namespace and name are at hand.
pub async fn apply_status_of<K: Kind>(
    client: &Client,
    (namespace, name): (&str, &str),
    manager: &str,
    status: &impl Serialize,
) -> Result<K, kube::Error> {
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let patch = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "status": status,
    });
    api.patch_status(name, &PatchParams::apply(manager).force(), &Patch::Apply(patch)).await
}

/// Replaces the status of an object that nobody else writes to. Not an apply, which has no way to say which object it
/// is for: a terminal status must never end up on another one that was made under the same name meanwhile.
pub async fn replace_status<K: Kind>(
    client: &Client,
    object: &K,
    manager: &str,
    status: &impl Serialize,
) -> Result<K, crate::error::Error> {
    let api: Api<K> = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    let operations = json!([
        { "op": "test", "path": "/metadata/uid", "value": object.uid() },
        { "op": "add", "path": "/status", "value": status },
    ]);
    let parameters = PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() };
    let patch = Patch::Json::<()>(serde_json::from_value(operations)?);
    Ok(api.patch_status(&object.name_any(), &parameters, &patch).await?)
}

/// Whether an error says that the object is not there.
pub fn is_not_found(error: &kube::Error) -> bool {
    has_code(error, 404)
}

/// Whether an error says that somebody else was faster: a conflict, or the object exists already.
pub fn is_conflict(error: &kube::Error) -> bool {
    has_code(error, 409)
}

/// Whether an error says that it is not allowed, such as by a quota.
pub fn is_forbidden(error: &kube::Error) -> bool {
    has_code(error, 403)
}

/// Whether an error says that nothing can be made in a namespace because it is being deleted.
pub fn is_in_deleted_namespace(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    let causes = status.details.iter().flat_map(|details| &details.causes);
    status.code == 403 && causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
}

/// Whether an error says that the object was refused by its schema or rules.
pub fn is_invalid(error: &kube::Error) -> bool {
    has_code(error, 422)
}

fn has_code(error: &kube::Error, code: u16) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == code)
}
