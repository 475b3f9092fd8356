//! The Secret of an Activation: the code, the CA and the gateway's addresses, in one file for the node.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use keelson_api::{ACTIVATION_LABEL, Activation};
use keelson_core::names::suffixed;
use keelson_core::target::valid_label_value;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource as _, ResourceExt as _};
use serde_json::json;

use super::MANAGER;
use crate::context::Context;
use crate::error::Error;
use crate::gateway::CA_SECRET;

/// Key of the code alone.
const CODE: &str = "code";
/// Key of everything `keelson-agent enrol --from` wants.
const ENROLMENT: &str = "enrolment.json";
/// Bytes of entropy in a code.
const CODE_BYTES: usize = 20;

/// What there is for nodes to enrol with.
pub enum Made {
    /// The Secret of this name.
    Ready(String),
    /// Nothing yet: a reason and what is awaited.
    Waiting(&'static str, String),
}

/// Makes the Secret, or brings it up to date with the CA and the addresses. A code never changes.
pub async fn ensure(context: &Context, activation: &Activation) -> Result<Made, Error> {
    let namespace = activation.namespace().unwrap_or_default();
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &namespace);
    let name = suffixed(&activation.name_any(), "activation");
    let existing = api.get_opt(&name).await?;
    if let Some(secret) = &existing
        && !secret.owner_references().iter().any(|owner| Some(&owner.uid) == activation.metadata.uid.as_ref())
    {
        let message =
            format!("Secret {name} exists and is not this Activation's: remove it or rename the Activation");
        return Ok(Made::Waiting("SecretConflict", message));
    }
    let Some(authority) = authority(context).await? else {
        return Ok(Made::Waiting("WaitingForGateway", "no gateway has started yet: it makes the CA".into()));
    };
    if context.settings.gateway_addresses.is_empty() {
        let message =
            "the operator does not know where nodes reach the gateway: set --gateway-addresses".into();
        return Ok(Made::Waiting("NoGatewayAddress", message));
    }
    let code = match existing.as_ref().and_then(|secret| text(secret, CODE)) {
        Some(code) => code,
        None => random_code()?,
    };
    let enrolment = json!({
        "namespace": namespace,
        "activation": activation.name_any(),
        "code": code,
        "ca": authority,
        "addresses": context.settings.gateway_addresses,
    })
    .to_string();
    if existing.as_ref().and_then(|secret| text(secret, ENROLMENT)).as_ref() != Some(&enrolment) {
        apply(&api, activation, &name, &code, &enrolment).await?;
    }
    Ok(Made::Ready(name))
}

async fn apply(
    api: &Api<Secret>,
    activation: &Activation,
    name: &str,
    code: &str,
    enrolment: &str,
) -> Result<(), Error> {
    let label = activation.name_any();
    let label = if valid_label_value(&label) { label } else { String::new() };
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "labels": { ACTIVATION_LABEL: label },
            "ownerReferences": activation.controller_owner_ref(&()).map(|owner| vec![owner]),
        },
        "type": "Opaque",
        "data": {
            CODE: ByteString(code.as_bytes().to_vec()),
            ENROLMENT: ByteString(enrolment.as_bytes().to_vec()),
        },
    });
    api.patch(name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(secret)).await?;
    Ok(())
}

/// The CA's certificate, once a gateway has made it.
async fn authority(context: &Context) -> Result<Option<String>, Error> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &context.namespace);
    Ok(api.get_opt(CA_SECRET).await?.as_ref().and_then(|secret| text(secret, "tls.crt")))
}

fn text(secret: &Secret, key: &str) -> Option<String> {
    let bytes = secret.data.as_ref()?.get(key)?;
    String::from_utf8(bytes.0.clone()).ok()
}

/// Lower-case hexadecimal: it survives being read out and typed.
fn random_code() -> Result<String, Error> {
    let mut bytes = [0; CODE_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().fold(String::with_capacity(2 * CODE_BYTES), |code, byte| code + &format!("{byte:02x}")))
}
