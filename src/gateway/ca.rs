//! The certificate authority that makes nodes nodes and the gateway the gateway.
//!
//! It signs two kinds of certificates and nothing else: a node's, which names its `ManagedNode`, and the
//! gateway's own. Of a node's request only the public key is used: the gateway decides who the node is.

use std::time::{Duration, SystemTime};

use keelson_core::fleet::NodeIdentity;
use keelson_protocol::GATEWAY_SERVER_NAME;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SubjectPublicKeyInfo,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use crate::peer::{fingerprint, node_uri};

/// How far before its making a certificate begins, because clocks differ; less for one that lasts less, because
/// it is renewed at two thirds of its life and shall not be there from the start.
const BACKDATE: Duration = Duration::from_secs(24 * 3600);
/// How long a node's certificate lasts.
const NODE_LIFE: Duration = Duration::from_secs(24 * 3600);
/// How long the gateway's own certificate lasts. It never leaves the process, so a week only bounds how far
/// a node's clock may be ahead.
pub(crate) const SERVER_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long the authority itself lasts.
const CA_LIFE: Duration = Duration::from_secs(20 * 365 * 24 * 3600);
/// The longest request that is looked at.
const MAX_REQUEST: usize = 8192;

/// Why something was not signed or not understood.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The authority's key or certificate is not usable.
    #[error(
        "the certificate authority cannot be used: {0}: replace its Secret or delete it to have a new one made"
    )]
    Authority(String),
    /// A request is no PKCS #10, is by another key, or uses an unknown kind of key.
    #[error("the certificate request is not valid: {0}")]
    Request(String),
    /// Signing failed.
    #[error("failed to sign a certificate: {0}")]
    Sign(#[source] rcgen::Error),
}

/// A key, its certificate, and what else nodes shall trust.
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    roots: Vec<CertificateDer<'static>>,
    bundle: String,
    node_life: Duration,
}

// By hand, because the key must not reach a log.
impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("CertificateAuthority").field("bundle", &self.bundle).finish_non_exhaustive()
    }
}

/// A certificate request whose sender has shown to own the key in it.
#[derive(Debug)]
pub(crate) struct VerifiedRequest {
    key: SubjectPublicKeyInfo,
    /// Of the key.
    pub fingerprint: String,
}

impl VerifiedRequest {
    /// Checks a PKCS #10 request (DER), its signature included.
    pub fn parse(der: &[u8]) -> Result<Self, CaError> {
        let invalid = |reason: String| CaError::Request(reason);
        if der.len() > MAX_REQUEST {
            return Err(invalid(format!("it has {} bytes, at most {MAX_REQUEST} are read", der.len())));
        }
        let (rest, request) = X509CertificationRequest::from_der(der)
            .map_err(|error| invalid(format!("it is no PKCS #10: {error}")))?;
        if !rest.is_empty() {
            return Err(invalid("something follows its end".to_owned()));
        }
        request
            .verify_signature()
            .map_err(|_| invalid("its signature is not by the key in it".to_owned()))?;
        let info = request.certification_request_info.subject_pki.raw;
        let key = SubjectPublicKeyInfo::from_der(info)
            .map_err(|_| invalid("its kind of key is not supported: use ECDSA P-256".to_owned()))?;
        // The certificate will hold this form of the key, so the fingerprint must be of the same bytes.
        if key.subject_public_key_info() != info {
            return Err(invalid("its key is written in an unusual form: use ECDSA P-256".to_owned()));
        }
        Ok(Self { key, fingerprint: fingerprint(info) })
    }
}

impl CertificateAuthority {
    /// A new authority.
    pub fn generate() -> Result<Self, CaError> {
        let key = KeyPair::generate().map_err(CaError::Sign)?;
        let mut parameters = parameters("keelson", SystemTime::now(), CA_LIFE);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = parameters.self_signed(&key).map_err(CaError::Sign)?;
        Self::from_pem(&certificate.pem(), &key.serialize_pem())
    }

    /// A stored authority. `certificates` may be a bundle: the first one belongs to `key` and signs, and all of
    /// them are trusted, which is how an authority is replaced without losing a node.
    pub fn from_pem(certificates: &str, key: &str) -> Result<Self, CaError> {
        let unusable = |reason: String| CaError::Authority(reason);
        let key = KeyPair::from_pem(key).map_err(|error| unusable(format!("its key: {error}")))?;
        let roots: Vec<_> = CertificateDer::pem_slice_iter(certificates.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| unusable(format!("its certificate: {error}")))?;
        let first =
            roots.first().ok_or_else(|| unusable("it holds no certificate in PEM form".to_owned()))?;
        let (_, parsed) = x509_parser::parse_x509_certificate(first)
            .map_err(|error| unusable(format!("its certificate: {error}")))?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(unusable("its key is not that of its first certificate".to_owned()));
        }
        let issuer = Issuer::from_ca_cert_der(first, key).map_err(|error| unusable(error.to_string()))?;
        Ok(Self { issuer, roots, bundle: certificates.to_owned(), node_life: NODE_LIFE })
    }

    /// The same authority, issuing node certificates that last this long instead of 24 hours.
    #[must_use]
    pub fn with_node_life(self, node_life: Duration) -> Self {
        Self { node_life, ..self }
    }

    /// The certificates that nodes trust, PEM, the signing one first.
    pub fn bundle_pem(&self) -> &str {
        &self.bundle
    }

    /// The key, PEM, for the Secret that keeps it.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    pub(crate) fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }

    /// A client certificate for `node`, PEM, leaf first, by a PKCS #10 request (DER) of the node's own key. The
    /// identity's fingerprint must be that of the key.
    pub fn issue_node(&self, request: &[u8], node: &NodeIdentity) -> Result<String, CaError> {
        self.sign_node(&VerifiedRequest::parse(request)?, node, SystemTime::now())
    }

    pub(crate) fn sign_node(
        &self,
        request: &VerifiedRequest,
        node: &NodeIdentity,
        now: SystemTime,
    ) -> Result<String, CaError> {
        if request.fingerprint != node.fingerprint {
            return Err(CaError::Request("it is by another key than the node's".to_owned()));
        }
        let mut parameters = parameters(&node.name, now, self.node_life);
        parameters.subject_alt_names = vec![SanType::URI(name(node_uri(node))?)];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Ok(self.sign(parameters, &request.key)?.pem())
    }

    /// A certificate and a new key for the gateway itself.
    pub(crate) fn issue_server(
        &self,
        now: SystemTime,
    ) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), CaError> {
        let key = KeyPair::generate().map_err(CaError::Sign)?;
        let mut parameters = parameters(GATEWAY_SERVER_NAME, now, SERVER_LIFE);
        parameters.subject_alt_names = vec![SanType::DnsName(name(GATEWAY_SERVER_NAME.to_owned())?)];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = self.sign(parameters, &key)?;
        Ok((certificate.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der()).into()))
    }

    fn sign(
        &self,
        mut parameters: CertificateParams,
        key: &impl PublicKeyData,
    ) -> Result<Certificate, CaError> {
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.use_authority_key_identifier_extension = true;
        parameters.signed_by(key, &self.issuer).map_err(CaError::Sign)
    }
}

fn name(text: String) -> Result<Ia5String, CaError> {
    Ia5String::try_from(text).map_err(CaError::Sign)
}

fn parameters(common_name: &str, now: SystemTime, life: Duration) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, common_name);
    parameters.not_before = now.checked_sub(BACKDATE.min(life)).unwrap_or(SystemTime::UNIX_EPOCH).into();
    parameters.not_after = (now + life).into();
    parameters.serial_number = Some(serial_number(now).into());
    parameters
}

/// Positive and not given twice by one authority: the time in nanoseconds, and a number of the process's own
/// random state beside it, for replicas that sign in the same nanosecond.
fn serial_number(now: SystemTime) -> Vec<u8> {
    use std::hash::{BuildHasher, RandomState};
    let nanoseconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let time = u64::try_from(nanoseconds).unwrap_or(u64::MAX) >> 1;
    [time.to_be_bytes(), RandomState::new().hash_one(time).to_be_bytes()].concat()
}

#[cfg(test)]
mod tests;
