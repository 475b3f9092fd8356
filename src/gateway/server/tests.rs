//! A real gateway on a loopback port, and the agent's side of it: real TLS, real gRPC, a control plane in memory.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use keelson_core::fleet::NodeIdentity;
use keelson_protocol::GATEWAY_SERVER_NAME;
use keelson_protocol::v1::agent_message::Message as FromAgent;
use keelson_protocol::v1::enrolment_client::EnrolmentClient;
use keelson_protocol::v1::gateway_message::Message as FromGateway;
use keelson_protocol::v1::node_client::NodeClient;
use keelson_protocol::v1::{
    Accepted, AgentMessage, EnrolRequest, EnrolResponse, GatewayMessage, Goodbye, GoodbyeReason, Hello,
    NodeFacts, RunResult, Welcome,
};
use rcgen::{CertificateParams, KeyPair};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Status, Streaming};

use super::*;
use crate::ca::VerifiedRequest;
use crate::testing::{CODE, FakeFleet, command_uid};

mod agent_program;
mod enrolment;
mod output;
mod port;
mod runs;
mod streams;

/// Whatever is awaited comes within this, or the test has failed.
const SOON: Duration = Duration::from_secs(20);

struct World {
    gateway: Gateway<FakeFleet>,
    fleet: Arc<FakeFleet>,
    authority: CertificateAuthority,
    archive: Archive,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<Result<(), ServeError>>,
}

fn settings() -> Settings {
    let mut settings = Settings::new("gateway-0", vec!["gateway:8443".into()]);
    settings.in_progress_after = Duration::from_millis(300);
    settings.reconnect_grace = Duration::from_millis(300);
    settings
}

async fn world() -> World {
    world_with(settings()).await
}

async fn world_with(settings: Settings) -> World {
    world_on(settings, Archive::open("memory://").unwrap()).await
}

async fn world_on(settings: Settings, archive: Archive) -> World {
    let generated = CertificateAuthority::generate().unwrap();
    let authority = CertificateAuthority::from_pem(generated.bundle_pem(), &generated.key_pem()).unwrap();
    let fleet = Arc::new(FakeFleet::default());
    let gateway = Gateway::new(settings, generated, Arc::clone(&fleet), archive.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn({
        let gateway = gateway.clone();
        async move { gateway.serve(listener, async { drop(stopped.await) }).await }
    });
    World { gateway, fleet, authority, archive, address, stop: Some(stop), served }
}

/// The agent's side of an identity.
struct Agent {
    key: KeyPair,
    node: NodeIdentity,
    certificate: String,
}

fn request_by(key: &KeyPair) -> Vec<u8> {
    CertificateParams::default().serialize_request(key).unwrap().der().to_vec()
}

fn enrol_request(key: &KeyPair) -> EnrolRequest {
    EnrolRequest {
        namespace: "shop".into(),
        activation: "servers".into(),
        code: CODE.into(),
        csr: request_by(key),
        facts: Some(NodeFacts { hostname: "web-1".into(), ..NodeFacts::default() }),
    }
}

impl World {
    async fn channel(&self, tls: ClientTlsConfig) -> Result<Channel, tonic::transport::Error> {
        let tls = tls.domain_name(GATEWAY_SERVER_NAME);
        let tls = tls.ca_certificate(Certificate::from_pem(self.authority.bundle_pem()));
        Endpoint::from_shared(format!("https://{}", self.address))?.tls_config(tls)?.connect().await
    }

    async fn stranger(&self) -> EnrolmentClient<Channel> {
        EnrolmentClient::new(self.channel(ClientTlsConfig::new()).await.unwrap())
    }

    async fn channel_of(&self, agent: &Agent) -> Result<Channel, tonic::transport::Error> {
        let identity = Identity::from_pem(&agent.certificate, agent.key.serialize_pem());
        self.channel(ClientTlsConfig::new().identity(identity)).await
    }

    async fn node(&self, agent: &Agent) -> NodeClient<Channel> {
        NodeClient::new(self.channel_of(agent).await.unwrap())
    }

    async fn enrol(&self) -> Agent {
        let key = KeyPair::generate().unwrap();
        let answer = self.stranger().await.enrol(enrol_request(&key)).await.unwrap().into_inner();
        let EnrolResponse { namespace, node, uid, certificate } = answer;
        let fingerprint = VerifiedRequest::parse(&request_by(&key)).unwrap().fingerprint;
        Agent { key, node: NodeIdentity { namespace, name: node, uid, fingerprint }, certificate }
    }

    /// An agent whose certificate has expired meanwhile.
    fn expire(&self, agent: &mut Agent) {
        let request = VerifiedRequest::parse(&request_by(&agent.key)).unwrap();
        let then = SystemTime::now() - Duration::from_secs(400 * 24 * 3600);
        agent.certificate = self.authority.sign_node(&request, &agent.node, then).unwrap();
    }

    /// An open stream of this agent, claimed and welcomed.
    async fn attach(&self, agent: &Agent) -> Attached {
        let (mut attached, welcome) = self.attach_with(agent, Hello::default()).await;
        assert_eq!(welcome.gateway, "gateway-0");
        attached.agent = Some(agent.node.clone());
        attached
    }

    async fn attach_with(&self, agent: &Agent, hello: Hello) -> (Attached, Welcome) {
        let mut attached = self.open(agent).await;
        attached.say(FromAgent::Hello(hello)).await;
        match attached.next().await {
            Ok(Some(FromGateway::Welcome(welcome))) => (attached, welcome),
            other => panic!("no welcome but {other:?}"),
        }
    }

    /// A stream on which nothing has been said.
    async fn open(&self, agent: &Agent) -> Attached {
        let mut client = self.node(agent).await;
        let (outbound, messages) = mpsc::channel(64);
        let inbound = timeout(SOON, client.attach(ReceiverStream::new(messages))).await.unwrap().unwrap();
        Attached { outbound, inbound: inbound.into_inner(), agent: None }
    }

    async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        timeout(SOON, self.served).await.unwrap().unwrap().unwrap();
    }

    fn assign(&self, invocation: &str, agent: &Agent) {
        self.fleet.assign(invocation);
        self.gateway.notify(&agent.node.namespace, &agent.node.name);
    }

    fn connected(&self) -> usize {
        self.gateway.connected_nodes().len()
    }
}

/// An open stream, the agent's side.
struct Attached {
    outbound: mpsc::Sender<AgentMessage>,
    inbound: Streaming<GatewayMessage>,
    agent: Option<NodeIdentity>,
}

impl Attached {
    async fn say(&self, message: FromAgent) {
        self.outbound.send(AgentMessage { message: Some(message) }).await.unwrap();
    }

    async fn accept(&self, invocation: &str) {
        let accepted = Accepted { command_uid: command_uid(invocation), invocation: invocation.into() };
        self.say(FromAgent::Accepted(accepted)).await;
    }

    async fn end(&self, invocation: &str, status: &str) {
        self.say(FromAgent::Result(result(invocation, status))).await;
    }

    async fn next(&mut self) -> Result<Option<FromGateway>, Status> {
        let next = timeout(SOON, self.inbound.message()).await.expect("a message within 20 s");
        next.map(|message| message.and_then(|message| message.message))
    }

    async fn dispatched(&mut self) -> String {
        match self.next().await {
            Ok(Some(FromGateway::Dispatch(dispatch))) => dispatch.invocation,
            other => panic!("no dispatch but {other:?}"),
        }
    }

    async fn acknowledged(&mut self) -> String {
        match self.next().await {
            Ok(Some(FromGateway::ResultAck(ack))) if !ack.output_pending => ack.command_uid,
            other => panic!("no acknowledgement but {other:?}"),
        }
    }

    /// The farewell, after which the stream ends.
    async fn farewell(&mut self) -> GoodbyeReason {
        let reason = match self.next().await {
            Ok(Some(FromGateway::Goodbye(Goodbye { reason, message }))) => {
                assert!(!message.is_empty());
                GoodbyeReason::try_from(reason).unwrap()
            }
            other => panic!("no goodbye but {other:?}"),
        };
        assert!(matches!(self.next().await, Ok(None)));
        reason
    }
}

fn result(invocation: &str, status: &str) -> RunResult {
    RunResult {
        command_uid: command_uid(invocation),
        invocation: invocation.into(),
        status: status.into(),
        ..RunResult::default()
    }
}
