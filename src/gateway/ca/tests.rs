use super::*;
use crate::peer::NodeCertificate;

fn node(fingerprint: &str) -> NodeIdentity {
    NodeIdentity {
        namespace: "shop".into(),
        name: "mi-0123456789abcdef0".into(),
        uid: "1111-2222".into(),
        fingerprint: fingerprint.into(),
    }
}

fn request(key: &KeyPair) -> Vec<u8> {
    // What a request claims beyond its key must not matter.
    let mut parameters = CertificateParams::new(vec![GATEWAY_SERVER_NAME.to_owned()]).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.serialize_request(key).unwrap().der().to_vec()
}

fn key_fingerprint(key: &KeyPair) -> String {
    fingerprint(&key.subject_public_key_info())
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

#[test]
fn a_certificate_names_the_node_whatever_the_request_says() {
    let authority = CertificateAuthority::generate().unwrap();
    let key = KeyPair::generate().unwrap();
    let identity = node(&key_fingerprint(&key));
    let pem = authority.issue_node(&request(&key), &identity).unwrap();
    assert_eq!(NodeCertificate::read(&der(&pem)).unwrap().identity, identity);
    let der = der(&pem);
    let (_, certificate) = x509_parser::parse_x509_certificate(&der).unwrap();
    assert!(!certificate.is_ca());
    assert_eq!(certificate.subject().to_string(), "CN=mi-0123456789abcdef0");
    let usage = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth);
    let (first, last) = crate::peer::validity(&certificate);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().cast_signed();
    let day = 24 * 3600;
    assert!((now - first - day).abs() < 60 && (last - now - day).abs() < 60, "{first} {last} at {now}");
}

#[test]
fn a_certificate_that_lasts_shorter_is_not_due_for_renewal_when_it_is_made() {
    let authority = CertificateAuthority::generate().unwrap().with_node_life(Duration::from_secs(60));
    let key = KeyPair::generate().unwrap();
    let der = der(&authority.issue_node(&request(&key), &node(&key_fingerprint(&key))).unwrap());
    let (_, certificate) = x509_parser::parse_x509_certificate(&der).unwrap();
    let (first, last) = crate::peer::validity(&certificate);
    assert_eq!(last - first, 120);
}

#[test]
fn two_certificates_of_one_key_have_different_serial_numbers() {
    let authority = CertificateAuthority::generate().unwrap();
    let key = KeyPair::generate().unwrap();
    let issue = || der(&authority.issue_node(&request(&key), &node(&key_fingerprint(&key))).unwrap());
    let serial =
        |der: &CertificateDer<'_>| x509_parser::parse_x509_certificate(der).unwrap().1.raw_serial().to_vec();
    assert_ne!(serial(&issue()), serial(&issue()));
}

#[test]
fn a_request_that_its_key_did_not_sign_is_refused() {
    let authority = CertificateAuthority::generate().unwrap();
    let key = KeyPair::generate().unwrap();
    let identity = node(&key_fingerprint(&key));
    let mut forged = request(&key);
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let error = authority.issue_node(&forged, &identity).unwrap_err().to_string();
    assert!(error.starts_with("the certificate request is not valid: "), "{error}");
    for broken in [&b""[..], b"hello", &forged[..20], &[0x30; 9000]] {
        assert!(matches!(authority.issue_node(broken, &identity), Err(CaError::Request(_))));
    }
}

#[test]
fn a_request_by_another_key_than_the_nodes_is_refused() {
    let authority = CertificateAuthority::generate().unwrap();
    let key = KeyPair::generate().unwrap();
    let error = authority.issue_node(&request(&key), &node("0000")).unwrap_err().to_string();
    assert!(error.contains("another key than the node's"), "{error}");
}

#[test]
fn other_kinds_of_keys_are_served_too() {
    let authority = CertificateAuthority::generate().unwrap();
    for algorithm in [&rcgen::PKCS_ED25519, &rcgen::PKCS_ECDSA_P384_SHA384] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let pem = authority.issue_node(&request(&key), &node(&key_fingerprint(&key))).unwrap();
        assert_eq!(NodeCertificate::read(&der(&pem)).unwrap().identity.fingerprint, key_fingerprint(&key));
    }
}

#[test]
fn a_stored_authority_signs_as_before_and_may_trust_others_beside() {
    let (old, new) = (CertificateAuthority::generate().unwrap(), CertificateAuthority::generate().unwrap());
    let again = CertificateAuthority::from_pem(old.bundle_pem(), &old.key_pem()).unwrap();
    assert_eq!(again.bundle_pem(), old.bundle_pem());
    let both = format!("{}{}", new.bundle_pem(), old.bundle_pem());
    assert_eq!(CertificateAuthority::from_pem(&both, &new.key_pem()).unwrap().roots().len(), 2);
    let error = CertificateAuthority::from_pem(&both, &old.key_pem()).unwrap_err().to_string();
    assert!(error.contains("its key is not that of its first certificate"), "{error}");
}

#[test]
fn what_is_no_authority_is_told_with_the_mend() {
    let authority = CertificateAuthority::generate().unwrap();
    for (certificate, key) in
        [("", authority.key_pem().as_str()), ("hello", "hello"), (authority.bundle_pem(), "hello")]
    {
        let error = CertificateAuthority::from_pem(certificate, key).unwrap_err().to_string();
        assert!(error.contains("replace its Secret"), "{error}");
    }
}

#[test]
fn a_key_does_not_show_in_debug_output() {
    assert!(!format!("{:?}", CertificateAuthority::generate().unwrap()).contains("PRIVATE"));
}
