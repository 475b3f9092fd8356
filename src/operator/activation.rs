//! The Activation controller: a code in a Secret, with all that a node needs to enrol.

mod secret;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use keelson_api::{Activation, ActivationStatus, condition};
use kube::runtime::Controller;
use kube::runtime::controller::Action;
use kube::runtime::watcher;
use kube::{Api, ResourceExt as _};

use crate::context::{Context, now};
use crate::error::{self, Error};
use crate::patch::apply_status;

const MANAGER: &str = "keelson/activation";
/// AWS's default life of an activation.
const DEFAULT_LIFE: SignedDuration = SignedDuration::from_hours(24);
/// How often the Secret is compared with the CA and the gateway's addresses. A watch would need the right to list
/// every Secret of the cluster.
const REFRESH: Duration = Duration::from_secs(60);
/// How often what it waits for is looked for: the first gateway's CA, or the end of an earlier Activation's Secret.
const RETRY: Duration = Duration::from_secs(5);

/// Runs until the process ends.
pub async fn controller(context: Arc<Context>) {
    Controller::new(Api::<Activation>::all(context.client.clone()), watcher::Config::default())
        .with_config(kube::runtime::controller::Config::default().concurrency(4))
        .run(reconcile, error::policy, context)
        .for_each(|_| std::future::ready(()))
        .await;
}

async fn reconcile(activation: Arc<Activation>, context: Arc<Context>) -> Result<Action, Error> {
    context.metrics.reconcile("Activation");
    if activation.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let made = secret::ensure(&context, &activation).await?;
    let status = next_status(&activation, &made, now());
    if activation.status.as_ref() != Some(&status) {
        // registrationsCount is the gateway's: applying it here would take it over.
        let ours = ActivationStatus { registrations_count: None, ..status.clone() };
        apply_status(&context.client, &*activation, MANAGER, &ours).await?;
    }
    Ok(Action::requeue(next_look(&made)))
}

fn next_look(made: &secret::Made) -> Duration {
    match made {
        secret::Made::Waiting(..) => RETRY,
        secret::Made::Ready(_) => REFRESH,
    }
}

/// Until when nodes may enrol.
fn expiration(activation: &Activation) -> Timestamp {
    let default = || {
        let created = activation.creation_timestamp().map_or_else(now, |time| time.0);
        created.checked_add(DEFAULT_LIFE).unwrap_or(created)
    };
    activation.spec.expiration_date.as_ref().map_or_else(default, |time| time.0)
}

fn next_status(activation: &Activation, made: &secret::Made, now: Timestamp) -> ActivationStatus {
    let old = activation.status.clone().unwrap_or_default();
    let expires = expiration(activation);
    let used = old.registrations_count.unwrap_or(0);
    let (ready, reason, message) = match made {
        secret::Made::Waiting(reason, message) => (false, *reason, message.clone()),
        secret::Made::Ready(_) if expires <= now => (
            false,
            "Expired",
            format!("expired at {expires}; set spec.expirationDate or make another Activation"),
        ),
        secret::Made::Ready(_) if used >= activation.spec.registration_limit => (
            false,
            "LimitReached",
            format!(
                "all {used} registrations are used; raise spec.registrationLimit or make another Activation"
            ),
        ),
        secret::Made::Ready(name) => {
            (true, "Usable", format!("nodes can enrol with Secret {name} until {expires}"))
        }
    };
    let secret_name = match made {
        secret::Made::Ready(name) => Some(name.clone()),
        secret::Made::Waiting(..) => old.secret_name.clone(),
    };
    let generation = activation.metadata.generation;
    let mut conditions = old.conditions.clone();
    condition::set(&mut conditions, generation, now, condition::READY, ready, reason, &message);
    ActivationStatus {
        observed_generation: generation,
        conditions,
        secret_name,
        expiration_date: Some(Time(expires)),
        registrations_count: old.registrations_count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keelson_api::ActivationSpec;

    fn activation(limit: u32, used: u32) -> Activation {
        let spec = ActivationSpec {
            registration_limit: limit,
            expiration_date: None,
            tags: [].into(),
            description: None,
        };
        let mut activation = Activation::new("web", spec);
        activation.metadata.creation_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        activation.status =
            Some(ActivationStatus { registrations_count: Some(used), ..ActivationStatus::default() });
        activation
    }

    fn reason_at(activation: &Activation, second: i64) -> String {
        let made = secret::Made::Ready("web-activation".into());
        let status = next_status(activation, &made, Timestamp::from_second(second).unwrap());
        assert_eq!(condition::breach(&status.conditions), None);
        condition::get(&status.conditions, condition::READY).unwrap().reason.clone()
    }

    #[test]
    fn an_activation_expires_a_day_after_it_was_made() {
        assert_eq!(reason_at(&activation(1, 0), 86_399), "Usable");
        assert_eq!(reason_at(&activation(1, 0), 86_400), "Expired");
    }

    #[test]
    fn one_that_waits_is_looked_at_again_soon() {
        assert!(
            next_look(&secret::Made::Waiting("WaitingForGateway", String::new())) <= Duration::from_secs(5)
        );
    }

    #[test]
    fn a_used_up_activation_says_so() {
        assert_eq!(reason_at(&activation(3, 3), 1), "LimitReached");
        assert_eq!(reason_at(&activation(3, 2), 1), "Usable");
    }
}
