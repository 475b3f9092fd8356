//! One attached stream: Hello, then what the runs have to say and what the gateway wants, until it ends.

use std::sync::Arc;
use std::time::Duration;

use keelson_document::plugins;
use keelson_protocol::MAX_MESSAGE;
use keelson_protocol::v1::agent_message::Message as ToGateway;
use keelson_protocol::v1::gateway_message::Message as FromGateway;
use keelson_protocol::v1::node_client::NodeClient;
use keelson_protocol::v1::{Accepted, AgentMessage, GatewayMessage, Goodbye, GoodbyeReason, Hello};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::{Attempt, Session};
use crate::clock;
use crate::connect::{Connection, causes};
use crate::facts;
use crate::identity::Identity;
use crate::runs::Notice;

/// A gateway that accepts a connection welcomes the node within this.
const WELCOME_LIMIT: Duration = Duration::from_secs(30);
/// The plugins of this agent.
const CAPABILITIES: [&str; 6] = [
    plugins::DOWNLOAD_CONTENT,
    plugins::REFRESH_ASSOCIATION,
    plugins::RUN_DOCUMENT,
    plugins::RUN_POWER_SHELL_SCRIPT,
    plugins::RUN_SHELL_SCRIPT,
    plugins::UPDATE_SSM_AGENT,
];
/// Messages that may wait for the network; a result can be large, so they are few.
const OUTBOUND: usize = 2;

/// How a connection ended.
#[derive(Debug)]
pub enum End {
    /// The gateway said why.
    Goodbye(GoodbyeReason, String),
    /// The node is not known any more.
    Removed(String),
    /// The node has a new certificate to show.
    Renewed,
    /// The gateway ended or refused the stream.
    Refused(Box<Status>),
    /// There was no connection, or it broke.
    Broken(String),
}

/// Attaches and stays attached as long as the gateway lets it.
pub async fn attach(
    session: &Session,
    connection: Connection,
    mut identity: Identity,
    attempt: &mut Attempt,
) -> End {
    let (running, notices) = session.runs.attach();
    let (outbound, messages) = mpsc::channel(OUTBOUND);
    let _room_for_one = outbound.try_send(hello(session, &connection, running));
    let mut client = NodeClient::new(connection.channel.clone())
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    let welcomed = timeout(WELCOME_LIMIT, async {
        let mut inbound = client.attach(ReceiverStream::new(messages)).await?.into_inner();
        let first = inbound.message().await?;
        Ok::<_, Status>((inbound, first))
    });
    let (mut inbound, first) = match welcomed.await {
        Ok(Ok((inbound, Some(first)))) => (inbound, first),
        Ok(Ok((_, None))) => return End::Broken("the gateway closed the stream without a word".to_owned()),
        Ok(Err(status)) => return refused(status),
        Err(_) => return End::Broken("the gateway does not answer".to_owned()),
    };
    match first.message {
        Some(FromGateway::Welcome(welcome)) => {
            attempt.backoff.reset();
            session.welcomed(&welcome, &connection.address, &mut identity);
        }
        Some(FromGateway::Goodbye(goodbye)) => return ended(goodbye),
        _ => return End::Broken("the gateway did not begin with a welcome".to_owned()),
    }
    session.channel.send_replace(Some(connection.channel));
    converse(session, &mut inbound, outbound, notices).await
}

async fn converse(
    session: &Session,
    inbound: &mut Streaming<GatewayMessage>,
    outbound: mpsc::Sender<AgentMessage>,
    mut notices: mpsc::UnboundedReceiver<Notice>,
) -> End {
    let mut next = None;
    loop {
        tokio::select! {
            received = inbound.message() => match received {
                Ok(Some(message)) => if let Some(end) = obey(session, message) { return end },
                Ok(None) => return End::Broken("the gateway closed the stream".to_owned()),
                Err(status) => return refused(status),
            },
            notice = notices.recv(), if next.is_none() => match notice {
                Some(notice) => next = Some(notice),
                None => return End::Broken("a newer stream took over".to_owned()),
            },
            // A message is made only when there is room to send it, so that results wait in the journal.
            permit = outbound.reserve(), if next.is_some() => match permit {
                Ok(permit) => if let Some(message) = next.take().and_then(|notice| session.runs.message(notice)) {
                    permit.send(message);
                },
                Err(_) => return End::Broken("the stream to the gateway is closed".to_owned()),
            },
        }
    }
}

/// Does what a message asks; an end if it asks for that. Unknown messages are of a later version: ignored.
fn obey(session: &Session, message: GatewayMessage) -> Option<End> {
    match message.message? {
        FromGateway::Dispatch(dispatch) => session.runs.dispatch(&dispatch, clock::since_boot()),
        FromGateway::Cancel(cancel) => session.runs.cancel(&cancel.command_uid),
        FromGateway::ResultAck(ack) => {
            let runs = Arc::clone(&session.runs);
            tokio::spawn(async move { runs.acknowledged(&ack.command_uid, ack.output_pending).await });
        }
        FromGateway::SayAgain(asked) => session.runs.say_again(&asked.command_uid),
        FromGateway::Goodbye(goodbye) => return Some(ended(goodbye)),
        FromGateway::Welcome(_) => {}
    }
    None
}

fn hello(session: &Session, connection: &Connection, running: Vec<Accepted>) -> AgentMessage {
    let local = connection.local.map(|address| address.to_string()).unwrap_or_default();
    let hello = Hello {
        facts: Some(facts::observe(&local)),
        boot_id: session.runs.setting().boot_id.clone(),
        capabilities: CAPABILITIES.map(str::to_owned).to_vec(),
        running,
    };
    AgentMessage { message: Some(ToGateway::Hello(hello)) }
}

fn ended(goodbye: Goodbye) -> End {
    let reason = goodbye.reason();
    End::Goodbye(reason, goodbye.message)
}

/// A status that the transport made is a broken connection and not the gateway's word.
fn refused(status: Status) -> End {
    use std::error::Error;
    if status.source().is_some() { End::Broken(causes(&status)) } else { End::Refused(Box::new(status)) }
}
