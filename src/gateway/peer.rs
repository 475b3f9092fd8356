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
    certificate: Option<Arc<NodeCertificate>>,
    /// Whether that was valid when the connection was made. A connection that outlives the certificate stays what
    /// it is: the node has renewed it meanwhile, and shows the new one when it connects again.
    valid: bool,
}

impl Peer {
    /// Of a connection that is made `now`, by the leaf (DER) it has shown.
    pub fn new(address: SocketAddr, leaf: Option<&[u8]>, now: SystemTime) -> Self {
        let certificate = leaf.and_then(NodeCertificate::read).map(Arc::new);
        let valid = certificate.as_ref().is_some_and(|certificate| certificate.is_valid(now));
        Self { address, certificate, valid }
    }

    /// Whether it may do more than enrol or renew.
    pub fn is_node(&self) -> bool {
        self.valid
    }

    /// The node that it is, by a valid certificate.
    pub fn node(&self) -> Option<&NodeIdentity> {
        self.certificate.as_ref().filter(|_| self.valid).map(|certificate| &certificate.identity)
    }
}

/// The node that calls, by a certificate which may be too old.
#[allow(clippy::result_large_err)] // tonic's own error type
pub(crate) fn any_node(extensions: &Extensions) -> Result<&NodeIdentity, Status> {
    let certificate = extensions.get::<Peer>().and_then(|peer| peer.certificate.as_ref());
    let certificate = certificate
        .ok_or_else(|| Status::unauthenticated("no node certificate was shown: enrol this node first"))?;
    Ok(&certificate.identity)
}

/// The node that calls, by a valid certificate.
#[allow(clippy::result_large_err)] // tonic's own error type
pub(crate) fn valid_node(extensions: &Extensions) -> Result<NodeIdentity, Status> {
    let node = any_node(extensions)?;
    if extensions.get::<Peer>().is_some_and(Peer::is_node) {
        return Ok(node.clone());
    }
    Err(Status::unauthenticated(
        "the node's certificate has expired: renew it, which is all that it may still do",
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ca::{CertificateAuthority, VerifiedRequest};

    fn peer(now: SystemTime) -> Peer {
        let key = rcgen::KeyPair::generate().unwrap();
        let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap();
        let request = VerifiedRequest::parse(request.der()).unwrap();
        let (namespace, name, uid) = ("shop".into(), "mi-1".into(), "u".into());
        let node = NodeIdentity { namespace, name, uid, fingerprint: request.fingerprint.clone() };
        let authority = CertificateAuthority::generate().unwrap();
        let (leaf, _) = authority.issue_server(now).unwrap();
        assert!(Peer::new(([127, 0, 0, 1], 1).into(), Some(&leaf), now).certificate.is_none());
        let pem = authority.sign_node(&request, &node, SystemTime::now()).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap();
        Peer::new(([127, 0, 0, 1], 1).into(), Some(&pem.contents), now)
    }

    #[test]
    fn a_certificate_is_judged_when_the_connection_is_made() {
        let (now, hour) = (SystemTime::now(), Duration::from_secs(3600));
        assert!(peer(now).is_node());
        assert!(peer(now - hour * 23).is_node() && peer(now + hour * 23).is_node(), "clocks differ");
        assert!(!peer(now - hour * 25).is_node() && !peer(now + hour * 25).is_node());
        assert!(!peer(SystemTime::UNIX_EPOCH - hour).is_node());
    }

    #[test]
    fn a_connection_without_a_certificate_is_nobodys() {
        let peer = Peer::new(([127, 0, 0, 1], 1).into(), None, SystemTime::now());
        assert!(!peer.is_node());
        let mut extensions = Extensions::new();
        extensions.insert(peer);
        let status = valid_node(&extensions).unwrap_err();
        assert!(status.message().contains("enrol this node first"), "{status}");
    }
}
