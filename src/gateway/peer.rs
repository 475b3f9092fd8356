//! Who is at the other end of a connection, as the certificate shown in the handshake says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use keelson_core::fleet::NodeIdentity;
use sha2::{Digest, Sha256};
use tonic::{Extensions, Status};
use x509_parser::extensions::GeneralName;

use crate::convert::hex;

/// What comes before `<namespace>/<name>/<uid>` in a node's certificate.
const SCHEME: &str = "keelson://node/";

/// The name of a node in its certificate.
pub(crate) fn node_uri(node: &NodeIdentity) -> String {
    format!("{SCHEME}{}/{}/{}", node.namespace, node.name, node.uid)
}

/// SHA-256 of a public key (`SubjectPublicKeyInfo`, DER), lower-case hex.
pub(crate) fn fingerprint(subject_public_key_info: &[u8]) -> String {
    hex(&Sha256::digest(subject_public_key_info))
}

/// A node's certificate, read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NodeCertificate {
    /// Whose it is.
    pub identity: NodeIdentity,
    not_before: i64,
    not_after: i64,
}

impl NodeCertificate {
    /// Reads a certificate (DER) that our authority has signed; none if it is not a node's.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
        let names = certificate.subject_alternative_name().ok()??;
        let [GeneralName::URI(uri)] = names.value.general_names.as_slice() else { return None };
        let mut parts = uri.strip_prefix(SCHEME)?.split('/');
        let mut part = || parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
        let (namespace, name, uid) = (part()?, part()?, part()?);
        if parts.next().is_some() {
            return None;
        }
        let identity =
            NodeIdentity { namespace, name, uid, fingerprint: fingerprint(certificate.public_key().raw) };
        let (not_before, not_after) = validity(&certificate);
        Some(Self { identity, not_before, not_after })
    }

    fn is_valid(&self, now: SystemTime) -> bool {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
        (self.not_before..=self.not_after).contains(&now)
    }
}

/// First and last second of a certificate's life.
pub(crate) fn validity(certificate: &x509_parser::certificate::X509Certificate<'_>) -> (i64, i64) {
    let validity = certificate.validity();
    (validity.not_before.timestamp(), validity.not_after.timestamp())
}

/// What a connection knows of its other end. Goes along with each call on it.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Where it connects from: a proxy or load balancer, maybe.
    pub address: SocketAddr,
    /// The certificate it has shown, if any and if it is a node's.
    pub certificate: Option<Arc<NodeCertificate>>,
}

impl Peer {
    /// Whether it may do more than enrol or renew.
    pub fn is_node(&self) -> bool {
        self.certificate.as_ref().is_some_and(|certificate| certificate.is_valid(SystemTime::now()))
    }
}

/// The node that calls, by a certificate which may be too old.
#[allow(clippy::result_large_err)] // tonic's own error type
pub(crate) fn any_node(extensions: &Extensions) -> Result<Arc<NodeCertificate>, Status> {
    let certificate = extensions.get::<Peer>().and_then(|peer| peer.certificate.clone());
    certificate.ok_or_else(|| Status::unauthenticated("no node certificate was shown: enrol this node first"))
}

/// The node that calls, by a valid certificate.
#[allow(clippy::result_large_err)] // tonic's own error type
pub(crate) fn valid_node(extensions: &Extensions) -> Result<NodeIdentity, Status> {
    let certificate = any_node(extensions)?;
    if certificate.is_valid(SystemTime::now()) {
        return Ok(certificate.identity.clone());
    }
    Err(Status::unauthenticated(
        "the node's certificate has expired: renew it, which is all that it may still do",
    ))
}
