use keelson_protocol::v1::{RenewRequest, UnenrolRequest};
use tonic::Code;

use super::*;

#[tokio::test]
async fn a_code_gives_a_certificate_that_attaches() {
    let world = world().await;
    let agent = world.enrol().await;
    assert_eq!(world.fleet.lock().facts.as_ref().unwrap().hostname, "web-1");
    let (_attached, welcome) = world.attach_with(&agent, Hello::default()).await;
    assert_eq!(welcome.addresses, ["gateway:8443"]);
    assert_eq!(welcome.ca_bundle, world.authority.bundle_pem());
    let connected = world.gateway.connected_nodes();
    assert_eq!(connected, [ConnectedNode { node: agent.node.clone(), epoch: 1 }]);
    assert_eq!(world.gateway.metrics().enrolments.get(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_wrong_code_is_refused_and_counted() {
    let world = world().await;
    let request = EnrolRequest { code: "guess".into(), ..enrol_request(&KeyPair::generate().unwrap()) };
    let status = world.stranger().await.enrol(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().contains("the activation or its code is not right"), "{status}");
    assert_eq!(world.gateway.metrics().refused.unauthenticated.get(), 1);
}

#[tokio::test]
async fn every_reason_to_refuse_has_a_code_and_words_of_its_own() {
    let world = world().await;
    let good = enrol_request(&KeyPair::generate().unwrap());
    let expired = EnrolRequest { activation: "expired".into(), ..good.clone() };
    let nameless = EnrolRequest { namespace: String::new(), ..good.clone() };
    let garbage = EnrolRequest { csr: b"garbage".to_vec(), ..good.clone() };
    for (request, code, words) in [
        (expired, Code::FailedPrecondition, "has expired"),
        (nameless, Code::InvalidArgument, "namespace is empty"),
        (garbage, Code::InvalidArgument, "the certificate request is not valid"),
    ] {
        let status = world.stranger().await.enrol(request).await.unwrap_err();
        assert_eq!(status.code(), code);
        assert!(status.message().contains(words), "{status}");
    }
    world.fleet.change(|state| state.unavailable = true);
    let status = world.stranger().await.enrol(good).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let refused = &world.gateway.metrics().refused;
    assert_eq!((refused.invalid.get(), refused.denied.get(), refused.unavailable.get()), (2, 1, 1));
}

#[tokio::test]
async fn an_expired_certificate_can_be_renewed_and_nothing_else() {
    let world = world().await;
    let mut agent = world.enrol().await;
    world.expire(&mut agent);
    let mut client = world.node(&agent).await;
    let status = client.unenrol(UnenrolRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().contains("has expired: renew it"), "{status}");
    let (_outbound, messages) = mpsc::channel(1);
    let status = client.attach(ReceiverStream::new(messages)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    let status = client.put_output(output::piece(0, b"x")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);

    let mut renewal = EnrolmentClient::new(world.channel_of(&agent).await.unwrap());
    let request = RenewRequest { csr: request_by(&agent.key) };
    agent.certificate = renewal.renew(request).await.unwrap().into_inner().certificate;
    world.attach(&agent).await;
    assert_eq!(world.gateway.metrics().renewals.get(), 1);
}

#[tokio::test]
async fn a_certificate_is_renewed_for_its_own_key_and_a_node_that_exists() {
    let world = world().await;
    let agent = world.enrol().await;
    let mut client = EnrolmentClient::new(world.channel_of(&agent).await.unwrap());
    let another = RenewRequest { csr: request_by(&KeyPair::generate().unwrap()) };
    let status = client.renew(another).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("another key"), "{status}");
    let request = RenewRequest { csr: request_by(&agent.key) };
    assert_eq!(
        world.stranger().await.renew(request.clone()).await.unwrap_err().code(),
        Code::Unauthenticated
    );
    world.fleet.change(|state| state.nodes.clear());
    let status = client.renew(request).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert!(status.message().contains("not enrolled any more"), "{status}");
}

#[tokio::test]
async fn a_node_leaves_at_its_own_request_and_is_told_when_it_is_gone_already() {
    let world = world().await;
    let agent = world.enrol().await;
    let mut client = world.node(&agent).await;
    client.unenrol(UnenrolRequest {}).await.unwrap();
    assert!(world.fleet.lock().nodes.is_empty());
    assert_eq!(client.unenrol(UnenrolRequest {}).await.unwrap_err().code(), Code::NotFound);
    let mut attached = world.open(&agent).await;
    attached.say(FromAgent::Hello(Hello::default())).await;
    assert_eq!(attached.next().await.unwrap_err().code(), Code::NotFound);
}
