use keelson_protocol::v1::agent_message::Message as FromAgent;
use keelson_protocol::v1::gateway_message::Message as ToAgent;
use keelson_protocol::v1::{Dispatch, Goodbye, ResultAck};

use super::*;
use crate::facts::Platform;
use crate::fake_gateway::{Authority, FakeGateway};
use crate::identity::{NodeRecord, key};
use crate::journal::Journal;
use crate::run_directory::Stream;
use crate::runs::Setting;

struct Fixture {
    _state: tempfile::TempDir,
    session: Session,
    identity: Identity,
}

impl Fixture {
    fn new() -> Self {
        Self::trusting("ca", |_| "certificate".to_owned(), &[])
    }

    fn trusting(ca: &str, certify: impl FnOnce(&[u8]) -> String, addresses: &[&str]) -> Self {
        let state = tempfile::tempdir().unwrap();
        let setting = Setting {
            node: "mi-1".into(),
            namespace: "default".into(),
            folder: state.path().join("runs"),
            boot_id: "boot-1".into(),
            platform: Platform::default(),
            output_cap_bytes: 1,
            program: "/nonexistent".into(),
            reboot_command: String::new(),
        };
        let runs = Runs::new(setting, Journal::open(&state.path().join("journal.redb")).unwrap());
        let folder = IdentityFolder::new(state.path());
        let key = folder.stage_key(false).unwrap();
        let record = NodeRecord {
            namespace: "default".into(),
            node: "mi-1".into(),
            uid: "uid".into(),
            addresses: addresses.iter().map(ToString::to_string).collect(),
            proxy: None,
        };
        let certificate = certify(&key::certificate_request(&key).unwrap());
        let identity = Identity { record, ca: ca.into(), certificate, key };
        folder.adopt(&identity).unwrap();
        let link = watch::Sender::new(Link::Connecting { reason: String::new() });
        let session =
            Session { folder, runs, link, channel: watch::Sender::new(None), renewed: Mutex::default() };
        Self { _state: state, session, identity }
    }

    async fn attach(&self, address: &str) -> End {
        let connection = Reach::plaintext(address).connect(0).await.unwrap();
        stream::attach(&self.session, connection, self.identity.clone(), &mut Attempt::default()).await
    }
}

#[tokio::test]
async fn hello_comes_first_and_the_link_is_connected_once_the_gateway_welcomes() {
    let (fixture, mut gateway) = (Fixture::new(), FakeGateway::plaintext().await);
    let address = gateway.address.clone();
    let greet = async {
        let mut node = gateway.next().await;
        let Some(FromAgent::Hello(hello)) = node.next().await else { panic!("no hello") };
        assert_eq!(hello.boot_id, "boot-1");
        assert_eq!(hello.facts.unwrap().ip_address, "127.0.0.1");
        assert!(matches!(*fixture.session.link.borrow(), Link::Connecting { .. }));
        node.welcome().await;
        let goodbye = Goodbye { reason: GoodbyeReason::Shutdown.into(), message: "update".into() };
        node.say(ToAgent::Goodbye(goodbye)).await;
        node
    };
    let (end, _node) = tokio::join!(fixture.attach(&address), greet);
    assert!(matches!(end, End::Goodbye(GoodbyeReason::Shutdown, text) if text == "update"));
    let link = fixture.session.link.borrow().clone();
    assert!(matches!(link, Link::Connected { gateway, .. } if gateway == "gateway-0"));
}

#[tokio::test]
async fn a_dispatch_is_answered_on_the_stream() {
    let (fixture, mut gateway) = (Fixture::new(), FakeGateway::plaintext().await);
    let address = gateway.address.clone();
    let dispatch = async {
        let mut node = gateway.next().await;
        node.next().await;
        node.welcome().await;
        let dispatch = Dispatch { command_uid: "a".into(), expires_in_ms: 60_000, ..Dispatch::default() };
        node.say(ToAgent::Dispatch(dispatch)).await;
        node.say(ToAgent::Dispatch(Dispatch { command_uid: "b".into(), ..Dispatch::default() })).await;
        (node.next().await, node.next().await)
    };
    let (end, answers) = tokio::join!(fixture.attach(&address), dispatch);
    assert!(matches!(answers.0, Some(FromAgent::Accepted(accepted)) if accepted.command_uid == "a"));
    assert!(matches!(answers.1, Some(FromAgent::Refused(refused)) if refused.command_uid == "b"));
    assert!(matches!(end, End::Broken(_) | End::Refused(_)));
}

#[tokio::test]
async fn a_welcome_replaces_addresses_and_a_ca_bundle_that_is_one() {
    let fixture = Fixture::new();
    let mut identity = fixture.identity.clone();
    let ca = Authority::new().pem();
    for (bundle, expected) in [("garbage", "ca"), (ca.as_str(), ca.as_str()), ("", ca.as_str())] {
        let addresses = vec!["elsewhere:1".to_owned()];
        let welcome = Welcome { gateway: "g".into(), ca_bundle: bundle.into(), addresses };
        fixture.session.welcomed(&welcome, "a:1", &mut identity);
        let stored = fixture.session.folder.load().unwrap().unwrap();
        assert_eq!(stored.ca, expected);
        assert_eq!(stored.record.addresses, ["elsewhere:1"]);
    }
}

#[tokio::test]
async fn a_stream_that_breaks_is_attached_again_at_the_next_address() {
    let authority = Authority::new();
    let mut gateway = FakeGateway::with_tls(authority.clone()).await;
    let addresses = ["127.0.0.1:1", &gateway.address];
    let fixture = Fixture::trusting(&authority.pem(), |csr| authority.sign(csr).unwrap(), &addresses);
    let greet_twice = async {
        for _ in 0..2 {
            let mut node = gateway.next().await;
            assert!(matches!(node.next().await, Some(FromAgent::Hello(_))));
            node.welcome().await;
        }
    };
    tokio::select! {
        () = greet_twice => {}
        ended = hold(&fixture.session, "mi-1") => panic!("the session ended: {ended:?}"),
    }
}

#[tokio::test]
async fn a_certificate_past_two_thirds_of_its_life_is_renewed_before_the_node_attaches() {
    let authority = Authority::new();
    let mut gateway = FakeGateway::with_tls(authority.clone()).await;
    let addresses = [gateway.address.as_str()];
    let fixture = Fixture::trusting(&authority.pem(), |csr| authority.sign_aged(csr).unwrap(), &addresses);
    assert!(fixture.session.until_renewal(&fixture.identity).is_zero());
    tokio::select! {
        _node = gateway.next() => {}
        ended = hold(&fixture.session, "mi-1") => panic!("the session ended: {ended:?}"),
    }
    let day = Duration::from_secs(86_400);
    let wait = fixture.session.until_renewal(&fixture.identity);
    assert!(wait > day, "a wrong clock does not make it renew over and over");
    let stored = fixture.session.folder.load().unwrap().unwrap();
    assert_ne!(stored.certificate, fixture.identity.certificate);
    assert_eq!(stored.key, fixture.identity.key);
}

#[tokio::test]
async fn a_node_that_was_removed_stays_quiet_until_it_has_another_identity() {
    let fixture = Fixture::new();
    let end = End::Goodbye(GoodbyeReason::Removed, "deleted".into());
    let mut attempt = Attempt::default();
    let wait = fixture.session.wait_after(&end, &fixture.identity, &mut attempt);
    let enrolled_anew = async {
        tokio::task::yield_now().await;
        let link = fixture.session.link.borrow().clone();
        assert_eq!(link, Link::Removed { reason: "deleted".into() });
        assert!(fixture.session.folder.load().unwrap().is_some(), "its files stay");
        fixture.session.folder.replace_certificate(&fixture.identity, "another").unwrap();
    };
    tokio::join!(wait, enrolled_anew);
}

#[tokio::test]
async fn the_session_ends_when_the_identity_is_gone_or_is_another_nodes() {
    let fixture = Fixture::new();
    hold(&fixture.session, "mi-2").await.unwrap();
    fixture.session.folder.remove().unwrap();
    hold(&fixture.session, "mi-1").await.unwrap();
}

impl Fixture {
    /// As `keelson-agent enrol --force` does, in another process.
    fn enrol_anew(&self, node: &str) -> Identity {
        let key = self.session.folder.stage_key(true).unwrap();
        let record = NodeRecord { node: node.into(), uid: "another".into(), ..self.identity.record.clone() };
        let other = Identity { record, key, ..self.identity.clone() };
        self.session.folder.adopt(&other).unwrap();
        other
    }
}

#[tokio::test]
async fn a_certificate_that_comes_after_another_enrolment_is_not_kept() {
    let authority = Authority::new();
    let gateway = FakeGateway::with_tls(authority.clone()).await;
    let addresses = [gateway.address.as_str()];
    let fixture = Fixture::trusting(&authority.pem(), |csr| authority.sign_aged(csr).unwrap(), &addresses);
    let other = fixture.enrol_anew("mi-2");
    let end = fixture.session.connect_once(&fixture.identity, &mut Attempt::default()).await;
    assert!(matches!(&end, End::Broken(reason) if reason.contains("enrolled anew")), "{end:?}");
    assert_eq!(fixture.session.folder.load().unwrap(), Some(other));
}

#[tokio::test]
async fn a_connected_node_that_is_enrolled_anew_lets_its_former_identity_go() {
    let authority = Authority::new();
    let mut gateway = FakeGateway::with_tls(authority.clone()).await;
    let addresses = [gateway.address.as_str()];
    let fixture = Fixture::trusting(&authority.pem(), |csr| authority.sign(csr).unwrap(), &addresses);
    let enrolled_anew = async {
        let mut node = gateway.next().await;
        node.next().await;
        node.welcome().await;
        fixture.enrol_anew("mi-2");
        while node.next().await.is_some() {}
    };
    let (held, ()) = tokio::join!(hold(&fixture.session, "mi-1"), enrolled_anew);
    held.unwrap();
}

#[tokio::test]
async fn a_result_is_told_again_without_pending_output_once_the_archive_has_taken_it() {
    let (fixture, mut gateway) = (Fixture::new(), FakeGateway::plaintext().await);
    let (address, archive) = (gateway.address.clone(), Arc::clone(&gateway.archive));
    archive.lock().unwrap().fails = true;
    let runs = Arc::clone(&fixture.session.runs);
    let told = async {
        let mut node = gateway.next().await;
        node.next().await;
        node.welcome().await;
        let dispatch = Dispatch { command_uid: "a".into(), expires_in_ms: 60_000, ..Dispatch::default() };
        node.say(ToAgent::Dispatch(dispatch)).await;
        node.next().await;
        let output = runs.setting().directory("a").output(0, Stream::Stdout);
        std::fs::create_dir_all(output.parent().unwrap()).unwrap();
        std::fs::write(output, "text").unwrap();
        while runs.summary().unacknowledged == 0 {
            runs.changed().await;
        }
        runs.announce("a", true);
        for pending in [true, false] {
            let Some(FromAgent::Result(result)) = node.next().await else { panic!("no result") };
            assert_eq!((result.status.as_str(), result.output_pending), ("Failed", pending));
            archive.lock().unwrap().fails = false;
            let ack = ResultAck { command_uid: "a".into(), output_pending: pending };
            node.say(ToAgent::ResultAck(ack)).await;
        }
        assert_eq!(archive.lock().unwrap().streams.values().next().unwrap(), b"text");
    };
    let uploads = crate::upload::keep_uploading(Arc::clone(&runs), fixture.session.channel.subscribe());
    tokio::select! {
        () = told => {}
        () = uploads => panic!("the uploads ended"),
        end = fixture.attach(&address) => panic!("the stream ended: {end:?}"),
    }
}
