//! The connection to the gateway: held open, made again when it breaks, renewed in time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use keelson_protocol::v1::{GoodbyeReason, Welcome};
use tokio::sync::watch;
use tokio::time::sleep;
use tonic::Code;
use tonic::transport::Channel;

use crate::backoff::Backoff;
use crate::clock;
use crate::connect::{Connection, Reach, causes};
use crate::identity::{Identity, IdentityError, IdentityFolder, Validity};
use crate::random;
use crate::renewal::{self, RenewError, means_removed};
use crate::runs::Runs;
use crate::status::Link;

mod stream;

use stream::End;

/// A renewal that failed is tried again after this.
const RENEW_AGAIN: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(300));
/// The wall clock is asked this often whether it is time to renew: it may have been set.
const CLOCK_LOOK: Duration = Duration::from_secs(3600);
/// Whose place another machine with the same key has taken waits this long before it takes it back.
const REPLACED_WAIT: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));
/// A gateway that shuts down sends all its nodes elsewhere; they do not all arrive at once.
const MOVE_WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// A node that was removed asks this rarely whether it is wanted again.
const REMOVED_WAIT: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(600));
/// A node looks this often whether it was enrolled anew.
const IDENTITY_LOOK: Duration = Duration::from_secs(2);

/// What the session works for and with.
#[derive(Debug)]
pub struct Session {
    /// Where the identity is.
    pub folder: IdentityFolder,
    /// The runs of the node.
    pub runs: Arc<Runs>,
    /// Tells how the connection stands.
    pub link: watch::Sender<Link>,
    /// Lends the connection to the uploads while there is one.
    pub channel: watch::Sender<Option<Channel>>,
    /// Since when, by no wall clock, the present certificate is here; nothing if an earlier agent got it.
    pub renewed: Mutex<Option<Instant>>,
}

/// Holds the connection until `node` is not this agent's identity any more: it was removed or is another one.
pub async fn hold(session: &Session, node: &str) -> Result<(), IdentityError> {
    let mut attempt = Attempt::default();
    loop {
        let Some(identity) = session.folder.load()?.filter(|identity| identity.record.node == node) else {
            return Ok(());
        };
        let end = session.connect_once(&identity, &mut attempt).await;
        session.channel.send_replace(None);
        session.runs.detach();
        session.wait_after(&end, &identity, &mut attempt).await;
    }
}

/// What one attempt to connect leaves for the next.
#[derive(Debug, Default)]
struct Attempt {
    backoff: Backoff,
    address: usize,
    renew_first: bool,
}

impl Session {
    async fn connect_once(&self, identity: &Identity, attempt: &mut Attempt) -> End {
        let mut identity = identity.clone();
        if std::mem::take(&mut attempt.renew_first) || self.until_renewal(&identity).is_zero() {
            match self.renew_before(&mut identity, attempt.address).await {
                Ok(()) => {}
                Err(RenewError::Gateway(status)) if means_removed(&status) => {
                    return End::Removed(renewal::said(&status));
                }
                Err(error @ RenewError::Identity(IdentityError::Replaced)) => {
                    return End::Broken(error.to_string());
                }
                // Perhaps it is this machine's clock that is wrong: the gateway decides.
                Err(error) => tracing::warn!(%error, "going on with the present certificate"),
            }
        }
        match Reach::of(&identity).connect(attempt.address).await {
            Ok(connection) => self.use_connection(connection, identity, attempt).await,
            Err(error) => End::Broken(error.to_string()),
        }
    }

    async fn use_connection(&self, connection: Connection, identity: Identity, attempt: &mut Attempt) -> End {
        let channel = connection.channel.clone();
        tokio::select! {
            end = stream::attach(self, connection, identity.clone(), attempt) => end,
            end = self.keep_renewed(channel, identity.clone()) => end,
            end = self.replaced(&identity) => end,
        }
    }

    /// Waits until this server was enrolled anew or left.
    async fn replaced(&self, identity: &Identity) -> End {
        loop {
            sleep(IDENTITY_LOOK).await;
            if let Ok(false) = self.folder.holds(identity) {
                return End::Broken(IdentityError::Replaced.to_string());
            }
        }
    }

    /// Renews over a connection of its own, because the next one shall show the new certificate.
    async fn renew_before(&self, identity: &mut Identity, address: usize) -> Result<(), RenewError> {
        let connection = Reach::of(identity).connect(address).await?;
        self.renew(connection.channel, identity).await?;
        tracing::info!("the certificate is renewed");
        Ok(())
    }

    /// Renews when it is time, and then ends the connection: one that shows the former certificate is worth
    /// nothing when that expires.
    async fn keep_renewed(&self, channel: Channel, mut identity: Identity) -> End {
        loop {
            let wait = self.until_renewal(&identity);
            if !wait.is_zero() {
                // The nodes of a fleet that enrolled together renew one after another.
                let spread = random::between(Duration::ZERO, wait / 20);
                sleep((wait + spread).min(CLOCK_LOOK)).await;
                continue;
            }
            match self.renew(channel.clone(), &mut identity).await {
                Ok(()) => return End::Renewed,
                Err(RenewError::Gateway(status)) if means_removed(&status) => {
                    return End::Removed(renewal::said(&status));
                }
                Err(error @ RenewError::Identity(IdentityError::Replaced)) => {
                    return End::Broken(error.to_string());
                }
                Err(error) => {
                    tracing::warn!(%error, "trying again later");
                    sleep(random::between(RENEW_AGAIN.0, RENEW_AGAIN.1)).await;
                }
            }
        }
    }

    async fn renew(&self, channel: Channel, identity: &mut Identity) -> Result<(), RenewError> {
        renewal::renew(channel, &self.folder, identity).await?;
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(())
    }

    /// How long until the certificate is to be renewed. One that cannot be read is to be at once; one that this
    /// agent got itself is good for half of its life, whatever this machine's clock makes of it.
    fn until_renewal(&self, identity: &Identity) -> Duration {
        let Ok(validity) = Validity::of(&identity.certificate) else { return Duration::ZERO };
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh =
            renewed.map_or(Duration::ZERO, |renewed| (validity.life() / 2).saturating_sub(renewed.elapsed()));
        validity.renewal_in(clock::unix_ms() / 1000).max(fresh)
    }

    /// The gateway owns the node's stream from here on.
    fn welcomed(&self, welcome: &Welcome, address: &str, identity: &mut Identity) {
        tracing::info!(gateway = welcome.gateway, address, "connected");
        self.link.send_replace(Link::Connected {
            gateway: welcome.gateway.clone(),
            address: address.to_owned(),
            since_unix_ms: clock::unix_ms(),
        });
        if let Err(error) = self.keep_reach(welcome, identity) {
            tracing::error!(%error, "cannot keep where and how to reach the gateway");
        }
    }

    fn keep_reach(&self, welcome: &Welcome, identity: &mut Identity) -> Result<(), IdentityError> {
        if !welcome.ca_bundle.is_empty() && welcome.ca_bundle != identity.ca {
            if Reach::is_ca_bundle(&welcome.ca_bundle) {
                self.folder.replace_ca(identity, &welcome.ca_bundle)?;
                identity.ca.clone_from(&welcome.ca_bundle);
                tracing::info!("the CA bundle is replaced");
            } else {
                tracing::error!("the gateway's CA bundle holds no certificate; keeping the present one");
            }
        }
        if !welcome.addresses.is_empty() && welcome.addresses != identity.record.addresses {
            identity.record.addresses.clone_from(&welcome.addresses);
            self.folder.replace_record(identity)?;
        }
        Ok(())
    }

    async fn wait_after(&self, end: &End, identity: &Identity, attempt: &mut Attempt) {
        let between = |(low, high)| random::between(low, high);
        let (link, wait) = match end {
            End::Renewed => return tracing::info!("the certificate is renewed; connecting with it"),
            End::Goodbye(GoodbyeReason::Removed, reason) | End::Removed(reason) => {
                tracing::error!(reason, "the control plane has removed this node");
                self.link.send_replace(Link::Removed { reason: reason.clone() });
                return self.wait_for_new_identity(between(REMOVED_WAIT), identity).await;
            }
            End::Goodbye(GoodbyeReason::Replaced, reason) => (reason, between(REPLACED_WAIT)),
            End::Goodbye(_, reason) => {
                attempt.address = attempt.address.wrapping_add(1);
                (reason, between(MOVE_WAIT))
            }
            End::Refused(status) => {
                attempt.renew_first = status.code() == Code::Unauthenticated;
                if means_removed(status) {
                    let reason = renewal::said(status);
                    tracing::error!(reason, "the control plane does not know this node");
                    self.link.send_replace(Link::Removed { reason });
                    return self.wait_for_new_identity(between(REMOVED_WAIT), identity).await;
                }
                attempt.address = attempt.address.wrapping_add(1);
                (&causes(status), attempt.backoff.next_wait())
            }
            End::Broken(reason) => {
                attempt.address = attempt.address.wrapping_add(1);
                (reason, attempt.backoff.next_wait())
            }
        };
        tracing::warn!(reason = link, "not connected");
        self.link.send_replace(Link::Connecting { reason: link.clone() });
        sleep(wait).await;
    }

    /// Waits, but not longer than the identity stays the same.
    async fn wait_for_new_identity(&self, longest: Duration, identity: &Identity) {
        let changed = async {
            while self.folder.load().is_ok_and(|present| present.as_ref() == Some(identity)) {
                sleep(IDENTITY_LOOK).await;
            }
        };
        let _either = tokio::time::timeout(longest, changed).await;
    }
}

#[cfg(test)]
mod tests;
