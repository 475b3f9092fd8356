//! `keelson-agent enrol`: how a server becomes a node.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use keelson_protocol::v1::EnrolRequest;
use keelson_protocol::v1::enrolment_client::EnrolmentClient;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;

use crate::args::EnrolArguments;
use crate::connect::{self, ConnectError, Connection, Reach};
use crate::facts;
use crate::identity::{Identity, IdentityError, IdentityFolder, NodeRecord, Validity, key};
use crate::renewal::{self, ANSWER_LIMIT};

/// Why this server did not become a node.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The ticket cannot be read.
    #[error("cannot read the enrolment from {0}: {1}")]
    Read(String, io::Error),
    /// The ticket is not what an Activation's Secret holds.
    #[error("the enrolment is not valid: {0}")]
    Invalid(String),
    /// It would replace an identity that may still be in use.
    #[error(
        "this server is node {node:?} of namespace {namespace:?}, under another {what}: \
         leave it with `keelson-agent unenrol` first, or replace it with --force"
    )]
    OtherNode {
        /// Its node name.
        node: String,
        /// Its namespace.
        namespace: String,
        /// What differs.
        what: &'static str,
    },
    /// The identity's files.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No gateway.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The gateway says no.
    #[error("the gateway refuses: {0}")]
    Refused(String),
}

impl From<key::KeyError> for EnrolError {
    fn from(error: key::KeyError) -> Self {
        Self::Identity(error.into())
    }
}

impl From<tonic::Status> for EnrolError {
    fn from(status: tonic::Status) -> Self {
        Self::Refused(renewal::said(&status))
    }
}

/// The right to enrol, as the Activation's Secret holds it.
#[derive(Clone, Deserialize)]
struct Ticket {
    namespace: String,
    activation: String,
    code: String,
    ca: String,
    addresses: Vec<String>,
}

impl Ticket {
    fn read(arguments: &EnrolArguments) -> Result<Self, EnrolError> {
        let ticket = match (&arguments.from, &arguments.ca_file) {
            (Some(path), _) => serde_json::from_str(&read_text(path)?)
                .map_err(|error| EnrolError::Invalid(format!("{}: {error}", path.display())))?,
            (None, Some(ca_file)) => Self {
                namespace: arguments.namespace.clone().unwrap_or_default(),
                activation: arguments.activation.clone().unwrap_or_default(),
                code: arguments.code.clone().unwrap_or_default(),
                ca: read_text(ca_file)?,
                addresses: arguments.server.clone(),
            },
            (None, None) => {
                return Err(EnrolError::Invalid("give --from, or --ca-file and the rest".to_owned()));
            }
        };
        ticket.check(arguments.proxy.as_deref())?;
        Ok(ticket)
    }

    fn check(&self, proxy: Option<&str>) -> Result<(), EnrolError> {
        let invalid = |text: String| Err(EnrolError::Invalid(text));
        for (name, value) in
            [("namespace", &self.namespace), ("activation", &self.activation), ("code", &self.code)]
        {
            if value.is_empty() {
                return invalid(format!("{name} is empty: take it from the Activation's Secret"));
            }
        }
        if self.addresses.is_empty() {
            return invalid("addresses is empty: give the gateway's host:port".to_owned());
        }
        if let Some(address) = self.addresses.iter().find(|address| !connect::has_port(address)) {
            return invalid(format!("the address {address:?} is not of the form host:port"));
        }
        if !Reach::is_ca_bundle(&self.ca) {
            return invalid("ca holds no certificate in PEM form".to_owned());
        }
        match proxy.map(connect::proxy_address) {
            Some(Err(error)) => invalid(error.to_string()),
            _ => Ok(()),
        }
    }
}

/// Makes this server a node; tells which.
pub async fn enrol(state: &Path, arguments: &EnrolArguments) -> Result<NodeRecord, EnrolError> {
    let ticket = Ticket::read(arguments)?;
    let folder = IdentityFolder::new(state);
    if !arguments.force {
        refuse_another_node(&folder, &ticket)?;
    }
    let key = folder.stage_key(arguments.force)?;
    let reach = Reach::before_enrolment(&ticket.ca, ticket.addresses.clone(), arguments.proxy.clone());
    let connection = reach.connect(0).await?;
    let identity = request_identity(connection, ticket, key, arguments.proxy.clone()).await?;
    folder.adopt(&identity)?;
    Ok(identity.record)
}

/// The same namespace and CA mean the same node, by its key, or a node that is gone; anything else may be a
/// node that is wanted.
fn refuse_another_node(folder: &IdentityFolder, ticket: &Ticket) -> Result<(), EnrolError> {
    let Some(present) = folder.load()? else { return Ok(()) };
    let what = if present.record.namespace != ticket.namespace {
        "namespace"
    } else if authorities(&present.ca).iter().any(|ca| authorities(&ticket.ca).contains(ca)) {
        return Ok(());
    } else {
        "certificate authority"
    };
    let NodeRecord { node, namespace, .. } = present.record;
    Err(EnrolError::OtherNode { node, namespace, what })
}

fn authorities(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok).collect()
}

async fn request_identity(
    connection: Connection,
    ticket: Ticket,
    key: String,
    proxy: Option<String>,
) -> Result<Identity, EnrolError> {
    let local = connection.local.map(|address| address.to_string()).unwrap_or_default();
    let mut request = tonic::Request::new(EnrolRequest {
        namespace: ticket.namespace,
        activation: ticket.activation,
        code: ticket.code,
        csr: key::certificate_request(&key)?,
        facts: Some(facts::observe(&local)),
    });
    request.set_timeout(ANSWER_LIMIT);
    let answer = EnrolmentClient::new(connection.channel).enrol(request).await?.into_inner();
    Validity::of(&answer.certificate).map_err(|error| EnrolError::Refused(error.to_string()))?;
    let record = NodeRecord {
        namespace: answer.namespace,
        node: answer.node,
        uid: answer.uid,
        addresses: ticket.addresses,
        proxy,
    };
    Ok(Identity { record, ca: ticket.ca, certificate: answer.certificate, key })
}

fn read_text(path: &Path) -> Result<String, EnrolError> {
    let read = if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    read.map_err(|error| EnrolError::Read(path.display().to_string(), error))
}
