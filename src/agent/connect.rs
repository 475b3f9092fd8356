//! Finds a gateway that answers, over TLS that trusts our CA alone and one fixed name, whatever the address.

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use keelson_protocol::GATEWAY_SERVER_NAME;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity as TlsIdentity};

use crate::identity::Identity;

mod connector;

use connector::Connector;
pub use connector::{has_port, proxy_address};

/// Connecting to one address, TLS included, takes no longer.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// A connection on which nothing comes for this long is asked whether it lives.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// An answer to that takes no longer.
const PING_LIMIT: Duration = Duration::from_secs(10);

/// No address answered.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// There is none to try.
    #[error("no address of a gateway is known")]
    NoAddress,
    /// The last one tried.
    #[error("cannot connect to {address}: {reason}")]
    Unreachable {
        /// `host:port`
        address: String,
        /// What happened, down to its cause.
        reason: String,
    },
}

/// Where a gateway may be and how to know it.
#[derive(Debug, Clone)]
pub struct Reach {
    addresses: Vec<String>,
    proxy: Option<String>,
    tls: Option<ClientTlsConfig>,
}

/// An open connection.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Carries the calls.
    pub channel: Channel,
    /// The address that answered.
    pub address: String,
    /// This end's address.
    pub local: Option<IpAddr>,
}

impl Reach {
    /// As an enrolled node, which shows its certificate.
    pub fn of(identity: &Identity) -> Self {
        let shown = TlsIdentity::from_pem(&identity.certificate, &identity.key);
        let record = &identity.record;
        Self {
            addresses: record.addresses.clone(),
            proxy: record.proxy.clone(),
            tls: Some(trusting(&identity.ca).identity(shown)),
        }
    }

    /// As a machine that is no node yet.
    pub fn before_enrolment(ca: &str, addresses: Vec<String>, proxy: Option<String>) -> Self {
        Self { addresses, proxy, tls: Some(trusting(ca)) }
    }

    /// Without TLS, to a server in the same process.
    #[cfg(test)]
    pub fn plaintext(address: &str) -> Self {
        Self { addresses: vec![address.to_owned()], proxy: None, tls: None }
    }

    /// Whether a text can be trusted as CAs at all: it holds at least one certificate and nothing broken.
    pub fn is_ca_bundle(pem: &str) -> bool {
        let mut certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).peekable();
        certificates.peek().is_some() && certificates.all(|certificate| certificate.is_ok())
    }

    /// Tries each address once, beginning with number `first` (they go round).
    pub async fn connect(&self, first: usize) -> Result<Connection, ConnectError> {
        let mut outcome = Err(ConnectError::NoAddress);
        for turn in 0..self.addresses.len() {
            let Some(address) = self.addresses.get(first.wrapping_add(turn) % self.addresses.len()) else {
                break;
            };
            outcome = self.connect_to(address).await;
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    async fn connect_to(&self, address: &str) -> Result<Connection, ConnectError> {
        let unreachable = |error: tonic::transport::Error| ConnectError::Unreachable {
            address: address.to_owned(),
            reason: causes(&error),
        };
        let connector = Connector::new(address, self.proxy.as_deref());
        let local = connector.local();
        let endpoint = self.endpoint().map_err(unreachable)?;
        let channel = endpoint.connect_with_connector(connector).await.map_err(unreachable)?;
        Ok(Connection { channel, address: address.to_owned(), local: local.get().copied() })
    }

    fn endpoint(&self) -> Result<Endpoint, tonic::transport::Error> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{GATEWAY_SERVER_NAME}"))?
            .connect_timeout(CONNECT_LIMIT)
            .http2_keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_LIMIT)
            .keep_alive_while_idle(true)
            .buffer_size(16);
        match &self.tls {
            Some(tls) => endpoint.tls_config(tls.clone()),
            None => Ok(endpoint),
        }
    }
}

fn trusting(ca: &str) -> ClientTlsConfig {
    ClientTlsConfig::new().domain_name(GATEWAY_SERVER_NAME).ca_certificate(Certificate::from_pem(ca))
}

/// An error and what caused it, in one line; tonic's own text says only "transport error".
pub fn causes(error: &dyn Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        source = cause.source();
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_nobody_listens_on_is_named_with_the_cause() {
        let error = Reach::plaintext("127.0.0.1:1").connect(0).await.unwrap_err().to_string();
        assert!(error.starts_with("cannot connect to 127.0.0.1:1: ") && error.contains("refused"), "{error}");
    }

    #[tokio::test]
    async fn without_an_address_there_is_nothing_to_try() {
        let reach = Reach { addresses: Vec::new(), proxy: None, tls: None };
        assert!(matches!(reach.connect(7).await, Err(ConnectError::NoAddress)));
    }
}
