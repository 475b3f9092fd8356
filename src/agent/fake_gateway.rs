//! A gateway for tests, in the test's process: the real server and messages, and the test decides what it says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use keelson_protocol::v1::agent_message::Message as FromAgent;
use keelson_protocol::v1::enrolment_server::{Enrolment, EnrolmentServer};
use keelson_protocol::v1::gateway_message::Message as ToAgent;
use keelson_protocol::v1::node_server::{Node, NodeServer};
use keelson_protocol::v1::{
    AgentMessage, EnrolRequest, EnrolResponse, GatewayMessage, GetAgentRequest, GetAgentResponse,
    PutOutputRequest, PutOutputResponse, RenewRequest, RenewResponse, UnenrolRequest, UnenrolResponse,
    Welcome,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, IsCa, KeyPair,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

/// The name that every node gets.
pub const NODE: &str = "mi-0123456789abcdef0";

/// What the gateway was sent for keeping.
#[derive(Debug, Default)]
pub struct Archive {
    /// Bytes by step and stream.
    pub streams: BTreeMap<(u32, i32), Vec<u8>>,
    /// Lengths of the pieces that came.
    pub pieces: Vec<usize>,
    /// Nothing is taken.
    pub fails: bool,
}

/// A node that attached.
#[derive(Debug)]
pub struct Attached {
    from_agent: Streaming<AgentMessage>,
    to_agent: mpsc::Sender<Result<GatewayMessage, Status>>,
}

impl Attached {
    /// The next message of the agent; nothing once the stream has ended.
    pub async fn next(&mut self) -> Option<FromAgent> {
        self.from_agent.message().await.ok().flatten().and_then(|message| message.message)
    }

    /// Says something to the agent.
    pub async fn say(&self, message: ToAgent) {
        let _agent_may_be_gone = self.to_agent.send(Ok(GatewayMessage { message: Some(message) })).await;
    }

    /// Welcomes the agent.
    pub async fn welcome(&self) {
        self.say(ToAgent::Welcome(Welcome { gateway: "gateway-0".into(), ..Welcome::default() })).await;
    }
}

/// A gateway that listens.
#[derive(Debug)]
pub struct FakeGateway {
    /// `host:port`
    pub address: String,
    /// Nodes as they attach.
    pub attached: mpsc::UnboundedReceiver<Attached>,
    /// What they sent for keeping.
    pub archive: Arc<Mutex<Archive>>,
    /// The pieces of the agent's program that it hands out; none where there are none.
    pub program: Arc<Mutex<Vec<GetAgentResponse>>>,
}

impl FakeGateway {
    /// Without TLS.
    pub async fn plaintext() -> Self {
        Self::start(None).await
    }

    /// With TLS by this authority.
    pub async fn with_tls(authority: Arc<Authority>) -> Self {
        Self::start(Some(authority)).await
    }

    /// The next node that attaches.
    pub async fn next(&mut self) -> Attached {
        self.attached.recv().await.expect("the gateway listens as long as it lives")
    }

    async fn start(authority: Option<Arc<Authority>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let (sender, attached) = mpsc::unbounded_channel();
        let (archive, program) = (Arc::default(), Arc::default());
        let service = Service {
            attached: sender,
            archive: Arc::clone(&archive),
            program: Arc::clone(&program),
            authority: authority.clone(),
        };
        let mut server = Server::builder();
        if let Some(authority) = &authority {
            server = server.tls_config(authority.server()).expect("a usable certificate");
        }
        let node = NodeServer::new(service.clone()).max_decoding_message_size(keelson_protocol::MAX_MESSAGE);
        let router = server.add_service(node).add_service(EnrolmentServer::new(service));
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        tokio::spawn(router.serve_with_incoming(incoming));
        Self { address, attached, archive, program }
    }
}

/// A CA of the test's own.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// A new one.
    pub fn new() -> Arc<Self> {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Arc::new(Self(CertifiedIssuer::self_signed(parameters, key).expect("a certificate")))
    }

    /// Its certificate, PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    fn server(&self) -> ServerTlsConfig {
        let key = KeyPair::generate().expect("a key");
        let parameters = CertificateParams::new(vec![keelson_protocol::GATEWAY_SERVER_NAME.to_owned()]);
        let certificate = parameters.expect("a name").signed_by(&key, &self.0).expect("a certificate");
        ServerTlsConfig::new()
            .identity(Identity::from_pem(certificate.pem(), key.serialize_pem()))
            .client_ca_root(Certificate::from_pem(self.pem()))
            .client_auth_optional(true)
    }

    /// A certificate that is valid for long.
    pub fn sign(&self, request: &[u8]) -> Result<String, Status> {
        self.sign_until(request, 3000)
    }

    /// A certificate of which more than two thirds are over.
    pub fn sign_aged(&self, request: &[u8]) -> Result<String, Status> {
        self.sign_until(request, 2050)
    }

    fn sign_until(&self, request: &[u8], year: i32) -> Result<String, Status> {
        let refused = |error: rcgen::Error| Status::invalid_argument(error.to_string());
        let mut request = CertificateSigningRequestParams::from_der(&request.into()).map_err(refused)?;
        request.params.not_before = rcgen::date_time_ymd(1971, 1, 1);
        request.params.not_after = rcgen::date_time_ymd(year, 1, 1);
        Ok(request.signed_by(&self.0).map_err(refused)?.pem())
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Authority")
    }
}

#[derive(Debug, Clone)]
struct Service {
    attached: mpsc::UnboundedSender<Attached>,
    archive: Arc<Mutex<Archive>>,
    program: Arc<Mutex<Vec<GetAgentResponse>>>,
    authority: Option<Arc<Authority>>,
}

impl Service {
    fn sign(&self, request: &[u8]) -> Result<String, Status> {
        self.authority.as_ref().ok_or_else(|| Status::unimplemented("no authority"))?.sign(request)
    }
}

#[tonic::async_trait]
impl Enrolment for Service {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolResponse>, Status> {
        let request = request.into_inner();
        if request.code != "right" {
            return Err(Status::unauthenticated("the activation or its code is not right"));
        }
        let certificate = self.sign(&request.csr)?;
        let namespace = request.namespace;
        Ok(Response::new(EnrolResponse { namespace, node: NODE.into(), uid: "uid".into(), certificate }))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        let certificate = self.sign(&request.into_inner().csr)?;
        Ok(Response::new(RenewResponse { certificate }))
    }
}

#[tonic::async_trait]
impl Node for Service {
    type GetAgentStream = tokio_stream::Iter<std::vec::IntoIter<Result<GetAgentResponse, Status>>>;
    type AttachStream = ReceiverStream<Result<GatewayMessage, Status>>;

    async fn attach(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        if self.authority.is_some() && request.peer_certs().is_none() {
            return Err(Status::unauthenticated("no certificate"));
        }
        let (to_agent, messages) = mpsc::channel(16);
        let _test_may_be_over = self.attached.send(Attached { from_agent: request.into_inner(), to_agent });
        Ok(Response::new(ReceiverStream::new(messages)))
    }

    async fn put_output(
        &self,
        request: Request<PutOutputRequest>,
    ) -> Result<Response<PutOutputResponse>, Status> {
        let request = request.into_inner();
        let mut archive = self.archive.lock().unwrap_or_else(PoisonError::into_inner);
        if archive.fails {
            return Err(Status::unavailable("the archive is away"));
        }
        archive.pieces.push(request.data.len());
        let stream = archive.streams.entry((request.step, request.stream)).or_default();
        let offset = usize::try_from(request.offset).unwrap_or(usize::MAX);
        if offset <= stream.len() {
            stream.truncate(offset);
            stream.extend_from_slice(&request.data);
        }
        Ok(Response::new(PutOutputResponse { stored: stream.len() as u64 }))
    }

    async fn unenrol(&self, _request: Request<UnenrolRequest>) -> Result<Response<UnenrolResponse>, Status> {
        Ok(Response::new(UnenrolResponse {}))
    }

    async fn get_agent(
        &self,
        _request: Request<GetAgentRequest>,
    ) -> Result<Response<Self::GetAgentStream>, Status> {
        let pieces = self.program.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if pieces.is_empty() {
            return Err(Status::failed_precondition("this gateway has no agents to hand out"));
        }
        Ok(Response::new(tokio_stream::iter(pieces.into_iter().map(Ok).collect::<Vec<_>>())))
    }
}
