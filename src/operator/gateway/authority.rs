//! The CA of the nodes' certificates: a Secret of Keelson's own namespace, made by the first replica.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use keelson_gateway::CertificateAuthority;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};

use super::call::{CallError, MANAGER, call, get};

/// Name of the Secret.
pub const SECRET: &str = "keelson-ca";
const CERTIFICATE_KEY: &str = "tls.crt";
const PRIVATE_KEY: &str = "tls.key";
/// Between attempts to reach the API server.
const PAUSE: Duration = Duration::from_secs(1);

/// The CA that all replicas agree on: the stored one, else a new one that is stored first. Waits for the API server.
pub async fn load_or_create(client: &Client, namespace: &str) -> anyhow::Result<CertificateAuthority> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    loop {
        match attempt(&secrets, namespace).await? {
            Ok(authority) => return Ok(authority),
            // Another replica was faster, and its CA is the CA.
            Err(CallError::Conflict) => {}
            Err(error) => {
                tracing::warn!(error = %error, namespace, secret = SECRET, "failed to get the CA; trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn attempt(
    secrets: &Api<Secret>,
    namespace: &str,
) -> anyhow::Result<Result<CertificateAuthority, CallError>> {
    match get(secrets, SECRET).await {
        Ok(secret) => return stored(namespace, &secret).map(Ok),
        Err(CallError::NotFound) => {}
        Err(error) => return Ok(Err(error)),
    }
    let authority = CertificateAuthority::generate()?;
    let parameters = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
    let created = call(secrets.create(&parameters, &secret(&authority))).await;
    Ok(created.map(|_| {
        tracing::info!(namespace, secret = SECRET, "made the CA of the nodes' certificates");
        authority
    }))
}

fn stored(namespace: &str, secret: &Secret) -> anyhow::Result<CertificateAuthority> {
    let text = |key: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key));
        let bytes = bytes.with_context(|| format!("Secret {namespace}/{SECRET} has no key {key:?}"))?;
        std::str::from_utf8(&bytes.0)
            .with_context(|| format!("{key:?} in Secret {namespace}/{SECRET} is not PEM"))
    };
    CertificateAuthority::from_pem(text(CERTIFICATE_KEY)?, text(PRIVATE_KEY)?)
        .with_context(|| format!("Secret {namespace}/{SECRET} is damaged"))
}

fn secret(authority: &CertificateAuthority) -> Secret {
    let pem = |text: &str| ByteString(text.as_bytes().to_vec());
    let data = [
        (CERTIFICATE_KEY.to_owned(), pem(authority.bundle_pem())),
        (PRIVATE_KEY.to_owned(), pem(&authority.key_pem())),
    ];
    Secret {
        metadata: ObjectMeta { name: Some(SECRET.into()), ..ObjectMeta::default() },
        type_: Some("kubernetes.io/tls".into()),
        data: Some(BTreeMap::from(data)),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_authority_is_the_same_authority() {
        let made = CertificateAuthority::generate().unwrap();
        let stored = stored("keelson-system", &secret(&made)).unwrap();
        assert_eq!(stored.bundle_pem(), made.bundle_pem());
        assert_eq!(stored.key_pem(), made.key_pem());
    }

    #[test]
    fn a_damaged_secret_is_named() {
        let mut damaged = secret(&CertificateAuthority::generate().unwrap());
        damaged.data.as_mut().unwrap().remove(PRIVATE_KEY);
        let error = stored("keelson-system", &damaged).unwrap_err().to_string();
        assert!(error.contains("keelson-system/keelson-ca") && error.contains("tls.key"), "{error}");
    }
}
