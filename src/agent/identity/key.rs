//! The node's key: made here, kept here, and never sent.

use rcgen::{CertificateParams, DistinguishedName, KeyPair};

/// A key that could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system gave no key.
    #[error("cannot make a key: {0}")]
    Make(rcgen::Error),
    /// The stored key is none.
    #[error("cannot use the node's key: {0}")]
    Use(rcgen::Error),
}

/// A new P-256 key, PEM.
pub fn generate() -> Result<String, KeyError> {
    KeyPair::generate().map(|key| key.serialize_pem()).map_err(KeyError::Make)
}

/// A PKCS #10 request by this key, DER. It names nobody: the gateway decides who the node is.
pub fn certificate_request(key: &str) -> Result<Vec<u8>, KeyError> {
    let key = KeyPair::from_pem(key).map_err(KeyError::Use)?;
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    let request = parameters.serialize_request(&key).map_err(KeyError::Use)?;
    Ok(request.der().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use x509_parser::certification_request::X509CertificationRequest;
    use x509_parser::prelude::FromDer;

    #[test]
    fn a_request_is_made_by_the_same_key_each_time_and_names_nobody() {
        let key = generate().unwrap();
        let requests = [certificate_request(&key).unwrap(), certificate_request(&key).unwrap()];
        let public = requests.each_ref().map(|der| {
            let (_, request) = X509CertificationRequest::from_der(der).unwrap();
            let information = request.certification_request_info;
            assert_eq!(information.subject.iter().count(), 0);
            information.subject_pki.raw.to_vec()
        });
        assert_eq!(public[0], public[1]);
    }

    #[test]
    fn a_broken_key_is_an_error() {
        assert!(
            certificate_request("hello").unwrap_err().to_string().starts_with("cannot use the node's key")
        );
    }
}
