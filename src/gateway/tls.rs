//! TLS of the gateway's port: its own certificate, and which certificates of nodes pass the handshake.
//!
//! A client may show no certificate, to enrol. One of another authority ends the handshake. One of ours passes
//! even if it has expired, so that a node that was away for long can still renew it; what such a node may call
//! is decided call by call (`peer.rs`).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};

use crate::ca::{CaError, CertificateAuthority, SERVER_LIFE};
use crate::peer::validity;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The authority does not sign, or is none.
    #[error(transparent)]
    Authority(#[from] CaError),
    /// rustls refuses the authority's certificates.
    #[error("the certificate authority cannot be used for TLS: {0}")]
    Roots(String),
}

/// The configuration of the port.
pub(crate) fn server_config(authority: &Arc<CertificateAuthority>) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let unusable = |error: &dyn std::fmt::Display| TlsError::Roots(error.to_string());
    let verifier = NodeVerifier::new(authority, &provider)?;
    let resolver = OwnCertificate::new(Arc::clone(authority), Arc::clone(&provider))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session would skip the look at the certificate, and a node connects too rarely to gain from it.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The gateway's certificate, made anew by the first handshake after two thirds of its life.
#[derive(Debug)]
struct OwnCertificate {
    authority: Arc<CertificateAuthority>,
    provider: Arc<CryptoProvider>,
    current: Mutex<Made>,
}

#[derive(Debug, Clone)]
struct Made {
    key: Arc<CertifiedKey>,
    at: SystemTime,
}

impl OwnCertificate {
    fn new(authority: Arc<CertificateAuthority>, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let current = Mutex::new(make(&authority, &provider, SystemTime::now())?);
        Ok(Self { authority, provider, current })
    }

    fn at(&self, now: SystemTime) -> Arc<CertifiedKey> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back makes the certificate look as if made in the future: it is remade as well.
        let fresh = now.duration_since(current.at).is_ok_and(|age| age < SERVER_LIFE / 3 * 2);
        if !fresh {
            match make(&self.authority, &self.provider, now) {
                Ok(made) => *current = made,
                Err(error) => tracing::error!(error = %error, "failed to remake the gateway's certificate"),
            }
        }
        Arc::clone(&current.key)
    }
}

fn make(
    authority: &CertificateAuthority,
    provider: &CryptoProvider,
    at: SystemTime,
) -> Result<Made, TlsError> {
    let (certificate, key) = authority.issue_server(at)?;
    let key =
        provider.key_provider.load_private_key(key).map_err(|error| TlsError::Roots(error.to_string()))?;
    Ok(Made { key: Arc::new(CertifiedKey::new(vec![certificate], key)), at })
}

impl ResolvesServerCert for OwnCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.at(SystemTime::now()))
    }
}

/// Checks a node's certificate as it was when it was valid.
#[derive(Debug)]
struct NodeVerifier {
    inner: Arc<dyn ClientCertVerifier>,
}

impl NodeVerifier {
    fn new(authority: &CertificateAuthority, provider: &Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for root in authority.roots() {
            roots.add(root.clone()).map_err(|error| TlsError::Roots(error.to_string()))?;
        }
        let inner = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .allow_unauthenticated()
            .build()
            .map_err(|error| TlsError::Roots(error.to_string()))?;
        Ok(Self { inner })
    }
}

impl ClientCertVerifier for NodeVerifier {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let (_, certificate) = x509_parser::parse_x509_certificate(end_entity)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let (first, last) = validity(&certificate);
        let seconds = now.as_secs().cast_signed().min(last).max(first);
        let then = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
        self.inner.verify_client_cert(end_entity, intermediates, then)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn the_gateways_certificate_is_remade_at_two_thirds_of_its_life() {
        let authority = Arc::new(CertificateAuthority::generate().unwrap());
        let own = OwnCertificate::new(authority, Arc::new(ring::default_provider())).unwrap();
        let now = SystemTime::now();
        let first = own.at(now + Duration::from_secs(1));
        assert!(Arc::ptr_eq(&first, &own.at(now + DAY * 4)));
        let second = own.at(now + DAY * 5);
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(&second, &own.at(now + DAY * 5)));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_leave_a_certificate_of_the_future() {
        let authority = Arc::new(CertificateAuthority::generate().unwrap());
        let own = OwnCertificate::new(authority, Arc::new(ring::default_provider())).unwrap();
        let now = SystemTime::now();
        let first = own.at(now + Duration::from_secs(1));
        assert!(!Arc::ptr_eq(&first, &own.at(now - DAY * 30)));
    }
}
