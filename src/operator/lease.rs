//! Leases: the operator's replicas elect a leader by one, and each gateway replica shows by one that it lives.
//!
//! A lease of somebody else has expired when its `renewTime` has not changed for its duration as measured here,
//! by the monotonic clock: clocks that disagree or jump neither end a leadership nor prolong one.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::patch::{is_conflict, is_not_found};

/// Label on the leases of gateway replicas.
pub const GATEWAY_LEASE_LABEL: &str = "keelson.dev/component=gateway";
/// What comes before the replica's name in the name of a gateway's lease.
pub const GATEWAY_LEASE_PREFIX: &str = "keelson-gateway-";

/// A lease that this replica holds or wants.
pub struct LeaseKeeper {
    api: Api<Lease>,
    name: String,
    labels: BTreeMap<String, String>,
    holder: String,
    duration: Duration,
    observed: Observations,
}

impl LeaseKeeper {
    /// A lease by name, for `holder`.
    pub fn new(client: Client, namespace: &str, name: &str, holder: &str, duration: Duration) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.into(),
            labels: BTreeMap::new(),
            holder: holder.into(),
            duration,
            observed: Observations::default(),
        }
    }

    /// The lease by which a gateway replica shows that it lives.
    pub fn of_gateway(client: Client, namespace: &str, replica: &str, duration: Duration) -> Self {
        let mut keeper =
            Self::new(client, namespace, &format!("{GATEWAY_LEASE_PREFIX}{replica}"), replica, duration);
        keeper
            .labels
            .extend(GATEWAY_LEASE_LABEL.split_once('=').map(|(key, value)| (key.into(), value.into())));
        keeper
    }

    /// Holds the lease whenever it can be had; the channel says whether it is held. The task ends only when it is
    /// aborted: a holder that cannot renew in time says `false`.
    pub fn keep(mut self) -> (watch::Receiver<bool>, AbortHandle) {
        let (sender, receiver) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut renewed = Instant::now();
            loop {
                // A connection that hangs must not keep a leader from noticing that its time is over.
                let limit = self.duration / 4;
                match tokio::time::timeout(limit, self.attempt()).await.unwrap_or(Err(no_answer())) {
                    Ok(held) => {
                        renewed = Instant::now();
                        sender.send_if_modified(|state| std::mem::replace(state, held) != held);
                    }
                    Err(error) => {
                        tracing::warn!(lease = self.name, error = %error, "failed to renew the lease");
                        // Given up before another replica can take it.
                        if renewed.elapsed() > self.duration * 2 / 3 {
                            sender.send_if_modified(|state| std::mem::replace(state, false));
                        }
                    }
                }
                tokio::time::sleep(self.duration / 3).await;
            }
        });
        (receiver, task.abort_handle())
    }

    /// Lets the lease go, so that another replica need not wait for it to expire. Whoever keeps it must have been
    /// aborted, or would take it again.
    pub async fn release(
        client: Client,
        namespace: &str,
        name: &str,
        holder: &str,
    ) -> Result<(), kube::Error> {
        let api: Api<Lease> = Api::namespaced(client, namespace);
        let mut lease = api.get(name).await?;
        match lease.spec.as_mut() {
            Some(spec) if spec.holder_identity.as_deref() == Some(holder) => spec.holder_identity = None,
            _ => return Ok(()),
        }
        api.replace(name, &PostParams::default(), &lease).await.map(drop)
    }

    /// One attempt to take or renew it; whether it is held.
    async fn attempt(&mut self) -> Result<bool, kube::Error> {
        let lease = match self.api.get(&self.name).await {
            Ok(lease) => lease,
            Err(error) if is_not_found(&error) => {
                let created = self.api.create(&PostParams::default(), &self.next(None)).await;
                return lost_race(created);
            }
            Err(error) => return Err(error),
        };
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
        let free =
            holder.is_empty() || holder == self.holder || self.observed.has_expired(&lease, Instant::now());
        if !free {
            return Ok(false);
        }
        let replaced = self.api.replace(&self.name, &PostParams::default(), &self.next(Some(lease))).await;
        lost_race(replaced)
    }

    fn next(&self, current: Option<Lease>) -> Lease {
        let now = MicroTime(crate::context::now());
        let old = current.as_ref().and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let same = old.holder_identity.as_deref() == Some(&self.holder);
        let spec = LeaseSpec {
            holder_identity: Some(self.holder.clone()),
            lease_duration_seconds: i32::try_from(self.duration.as_secs()).ok(),
            acquire_time: if same { old.acquire_time } else { Some(now.clone()) },
            lease_transitions: Some(old.lease_transitions.unwrap_or(0) + i32::from(!same)),
            renew_time: Some(now),
            ..LeaseSpec::default()
        };
        let metadata = current.map_or_else(
            || ObjectMeta {
                name: Some(self.name.clone()),
                labels: Some(self.labels.clone()),
                ..ObjectMeta::default()
            },
            |lease| lease.metadata,
        );
        Lease { metadata, spec: Some(spec) }
    }
}

fn no_answer() -> kube::Error {
    kube::Error::Service("no answer in time".into())
}

fn lost_race(result: Result<Lease, kube::Error>) -> Result<bool, kube::Error> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if is_conflict(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// When leases of others were last seen to be renewed.
#[derive(Default)]
pub struct Observations {
    seen: HashMap<String, (Option<MicroTime>, Instant)>,
}

impl Observations {
    /// Whether a lease has not been renewed for its duration. A lease never seen before has just been renewed.
    pub fn has_expired(&mut self, lease: &Lease, now: Instant) -> bool {
        let name = lease.metadata.name.clone().unwrap_or_default();
        let spec = lease.spec.as_ref();
        let renewed = spec.and_then(|spec| spec.renew_time.clone());
        let seconds = spec.and_then(|spec| spec.lease_duration_seconds).unwrap_or(15);
        let duration = Duration::from_secs(u64::try_from(seconds).unwrap_or(15));
        match self.seen.get(&name) {
            Some((known, since)) if *known == renewed => now.duration_since(*since) > duration,
            _ => {
                self.seen.insert(name, (renewed, now));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::jiff::Timestamp;

    fn lease(renewed_second: i64) -> Lease {
        Lease {
            metadata: ObjectMeta { name: Some("l".into()), ..ObjectMeta::default() },
            spec: Some(LeaseSpec {
                renew_time: Some(MicroTime(Timestamp::from_second(renewed_second).unwrap())),
                lease_duration_seconds: Some(15),
                ..LeaseSpec::default()
            }),
        }
    }

    #[test]
    fn a_lease_expires_by_what_was_observed_and_not_by_its_timestamp() {
        let (mut observations, start) = (Observations::default(), Instant::now());
        assert!(!observations.has_expired(&lease(0), start), "an old timestamp alone expires nothing");
        assert!(!observations.has_expired(&lease(0), start + Duration::from_secs(15)));
        assert!(observations.has_expired(&lease(0), start + Duration::from_secs(16)));
    }

    #[test]
    fn a_renewal_starts_the_wait_again_even_when_the_clock_went_back() {
        let (mut observations, start) = (Observations::default(), Instant::now());
        observations.has_expired(&lease(7200), start);
        assert!(!observations.has_expired(&lease(3600), start + Duration::from_secs(14)));
        assert!(!observations.has_expired(&lease(3600), start + Duration::from_secs(28)));
    }
}
