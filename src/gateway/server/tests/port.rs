use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Code;

use super::*;

/// Reads until the other end closes; tells how long that took.
async fn closed(mut socket: TcpStream) -> Duration {
    let begun = tokio::time::Instant::now();
    let mut rest = Vec::new();
    let _reset_or_closed = timeout(SOON, socket.read_to_end(&mut rest)).await.expect("closed within 20 s");
    begun.elapsed()
}

#[tokio::test]
async fn garbage_on_the_port_disturbs_nobody() {
    let world = world_with(Settings { handshake_limit: Duration::from_millis(300), ..settings() }).await;
    let agent = world.enrol().await;
    let mut attached = world.attach(&agent).await;
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 4096], &[0x16, 3, 1, 0xff, 0xff, 1], b"\n", b""] {
        let mut socket = TcpStream::connect(world.address).await.unwrap();
        socket.write_all(garbage).await.unwrap();
        closed(socket).await;
    }
    world.assign("hello", &agent);
    assert_eq!(attached.dispatched().await, "hello");
    let metrics = world.gateway.metrics();
    assert!(metrics.handshakes_failed.get() >= 2, "{metrics:?}");
    assert!(metrics.handshakes_timed_out.get() >= 1, "{metrics:?}");
    world.stop().await;
}

#[tokio::test]
async fn more_silent_connections_than_handshakes_at_once_do_not_keep_a_node_out() {
    let few = Settings { max_handshakes: 2, handshake_limit: Duration::from_millis(200), ..settings() };
    let world = world_with(few).await;
    let mut silent = Vec::new();
    for _ in 0..6 {
        silent.push(TcpStream::connect(world.address).await.unwrap());
    }
    world.enrol().await;
}

#[tokio::test]
async fn an_address_with_too_many_strangers_has_more_refused_and_its_nodes_stay() {
    let few = Settings { max_strangers_per_address: 3, handshake_limit: SOON, ..settings() };
    let world = world_with(few).await;
    let (one, another) = (world.enrol().await, world.enrol().await);
    let mut attached = [world.attach(&one).await, world.attach(&another).await];
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(TcpStream::connect(world.address).await.unwrap());
    }
    closed(TcpStream::connect(world.address).await.unwrap()).await;
    assert_eq!(world.gateway.metrics().refused_by_address.get(), 1);
    world.assign("hello", &one);
    assert_eq!(attached[0].dispatched().await, "hello");
    assert_eq!(world.connected(), 2);
    // Once they are gone, the address has its places again.
    drop(silent);
    let came_back = async {
        while world.channel_of(&one).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, came_back).await.expect("a place within 20 s");
}

#[tokio::test]
async fn many_nodes_behind_one_address_are_all_connected() {
    let world = world_with(Settings { max_strangers_per_address: 3, ..settings() }).await;
    let mut attached = Vec::new();
    for _ in 0..20 {
        let agent = world.enrol().await;
        attached.push(world.attach(&agent).await);
    }
    assert_eq!((world.connected(), world.gateway.metrics().refused_by_address.get()), (20, 0));
}

#[tokio::test]
async fn a_node_holds_a_bounded_number_of_connections_and_no_other_pays_for_it() {
    let world = world_with(Settings { max_connections_per_node: 2, ..settings() }).await;
    let (greedy, other) = (world.enrol().await, world.enrol().await);
    let _held = [world.node(&greedy).await, world.node(&greedy).await];
    let third = async {
        let channel = world.channel_of(&greedy).await?;
        let answer = NodeClient::new(channel).unenrol(keelson_protocol::v1::UnenrolRequest {}).await;
        Ok::<_, tonic::transport::Error>(answer.is_ok())
    };
    assert!(!third.await.unwrap_or(false), "it is refused");
    assert_eq!(world.gateway.metrics().refused_by_node.get(), 1);
    world.attach(&other).await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_in_the_handshake() {
    let world = world().await;
    let mut agent = world.enrol().await;
    let request = VerifiedRequest::parse(&request_by(&agent.key)).unwrap();
    let other = CertificateAuthority::generate().unwrap();
    agent.certificate = other.sign_node(&request, &agent.node, SystemTime::now()).unwrap();
    let hello = async || {
        // In TLS 1.3 the client learns of it with its first read.
        let channel =
            world.channel_of(&agent).await.map_err(|error| Status::unavailable(error.to_string()))?;
        NodeClient::new(channel).unenrol(keelson_protocol::v1::UnenrolRequest {}).await.map(drop)
    };
    let status = hello().await.unwrap_err();
    assert!(matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Internal), "{status:?}");
    assert_eq!(world.gateway.metrics().handshakes_failed.get(), 1);
    assert_eq!(world.fleet.lock().nodes.len(), 1);
}

#[tokio::test]
async fn the_gateways_own_certificate_is_no_nodes() {
    let world = world().await;
    let agent = world.enrol().await;
    let mut parameters = CertificateParams::new(vec![GATEWAY_SERVER_NAME.to_owned()]).unwrap();
    parameters.not_after = (SystemTime::now() + Duration::from_secs(3600)).into();
    let ca_key = KeyPair::from_pem(&world.authority.key_pem()).unwrap();
    let issuer = rcgen::Issuer::from_ca_cert_pem(world.authority.bundle_pem(), ca_key).unwrap();
    let certificate = parameters.signed_by(&agent.key, &issuer).unwrap().pem();
    let nameless = Agent { certificate, ..agent };
    let mut client = world.node(&nameless).await;
    let status = client.unenrol(keelson_protocol::v1::UnenrolRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().contains("enrol this node first"), "{status}");
}

#[tokio::test]
async fn a_stranger_may_not_stay() {
    let world = world_with(Settings { stranger_limit: Duration::from_millis(300), ..settings() }).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(world.authority.roots()[0].clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let socket = TcpStream::connect(world.address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(GATEWAY_SERVER_NAME.try_into().unwrap(), socket).await.unwrap();
    let mut rest = Vec::new();
    let _closed = timeout(SOON, stream.read_to_end(&mut rest)).await.expect("closed within 20 s");
}

#[tokio::test]
async fn a_node_that_is_cut_off_is_noticed_though_its_connection_stays_open() {
    let quick = Settings {
        keepalive_interval: Duration::from_millis(200),
        keepalive_timeout: Duration::from_millis(200),
        ..settings()
    };
    let world = world_with(quick).await;
    let agent = world.enrol().await;
    let (relay, cut) = relay(world.address).await;
    let through = World { address: relay, ..world };
    let _attached = through.attach(&agent).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(through.connected(), 1, "a node that answers stays");
    drop(cut);
    through.fleet.until("the loss", |state| state.disconnected == [(agent.node.name.clone(), 1)]).await;
}

/// Passes bytes both ways until the sender is dropped; then passes nothing and closes nothing.
async fn relay(to: SocketAddr) -> (SocketAddr, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (cut, mut cable) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(to).await.unwrap();
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
            _ = &mut cable => std::future::pending().await,
        }
    });
    (address, cut)
}
