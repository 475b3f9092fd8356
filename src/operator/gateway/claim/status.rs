//! What the gateway writes about a node, decided from what is there and nothing else.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use keelson_api::{AgentStatus, ManagedNode, PingStatus, RefreshRequest, condition};
use keelson_core::fleet::{Epoch, NodeFacts};
use serde::Serialize;

/// The longest fact that is kept: an Invocation's host name may be as long.
const MAX_FACT: usize = 253;
const DUPLICATE: &str = "two machines connect with this node's key; run keelson-agent enrol --force on the one that is not \
    this node, with an Activation, so that it gets a key and a ManagedNode of its own";

/// A node that connects.
pub struct Connection<'a> {
    /// This replica.
    pub gateway: &'a str,
    /// What the node says of itself.
    pub facts: &'a NodeFacts,
    /// Its boot.
    pub boot_id: &'a str,
}

/// The part of a `ManagedNode`'s status that is the gateway's; all of it, as server-side apply wants it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OwnStatus {
    agent: AgentStatus,
    conditions: Vec<Condition>,
}

impl OwnStatus {
    /// The node has connected: the next epoch.
    pub fn online(node: &ManagedNode, connection: &Connection<'_>, now: Timestamp) -> Self {
        let old = agent_of(node);
        let boot_id = fact(connection.boot_id);
        let alternates = !boot_id.is_empty() && boot_id == old.previous_boot_id && boot_id != old.boot_id;
        let previous = if boot_id == old.boot_id { old.previous_boot_id } else { old.boot_id };
        let facts = connection.facts;
        let agent = AgentStatus {
            ping_status: PingStatus::Online,
            ping_status_time: Some(Time(now)),
            gateway: connection.gateway.into(),
            epoch: old.epoch.saturating_add(1),
            hostname: fact(&facts.hostname),
            platform_type: fact(&facts.platform_type),
            platform_name: fact(&facts.platform_name),
            platform_version: fact(&facts.platform_version),
            architecture: fact(&facts.architecture),
            kernel: fact(&facts.kernel),
            ip_address: fact(&facts.ip_address),
            agent_version: fact(&facts.agent_version),
            machine_id: fact(&facts.machine_id),
            boot_id,
            previous_boot_id: previous,
            refresh_requests: old.refresh_requests,
        };
        let mut status = Self { agent, conditions: own_conditions(node) };
        status.say_online(node, now);
        if alternates {
            let generation = node.metadata.generation;
            let type_ = condition::DUPLICATE_IDENTITY;
            condition::set(&mut status.conditions, generation, now, type_, true, "KeyUsedTwice", DUPLICATE);
        }
        status
    }

    /// The connection of this epoch has ended. `None` where a newer one exists or that is known.
    pub fn lost(node: &ManagedNode, gateway: &str, epoch: Epoch, now: Timestamp) -> Option<Self> {
        let agent = agent_of(node);
        if !is_of(&agent, gateway, epoch) || agent.ping_status != PingStatus::Online {
            return None;
        }
        let agent = AgentStatus {
            ping_status: PingStatus::ConnectionLost,
            ping_status_time: Some(Time(now)),
            ..agent
        };
        let mut conditions = own_conditions(node);
        let message = format!("the agent is not connected; it was last connected to {gateway:?}");
        let generation = node.metadata.generation;
        condition::set(&mut conditions, generation, now, condition::READY, false, "ConnectionLost", &message);
        Some(Self { agent, conditions })
    }

    /// The connection of this epoch holds; `settled` if long enough to say that one machine alone has the key.
    /// `None` where a newer connection exists or the status says so already.
    pub fn still_online(
        node: &ManagedNode,
        gateway: &str,
        epoch: Epoch,
        settled: bool,
        now: Timestamp,
    ) -> Option<Self> {
        let agent = agent_of(node);
        if !is_of(&agent, gateway, epoch) {
            return None;
        }
        let was_online = agent.ping_status == PingStatus::Online;
        let mut next = Self { agent, conditions: own_conditions(node) };
        let was_duplicate = next.is_duplicate();
        if !was_online {
            next.agent.ping_status = PingStatus::Online;
            next.agent.ping_status_time = Some(Time(now));
            next.say_online(node, now);
        }
        if settled {
            condition::remove(&mut next.conditions, condition::DUPLICATE_IDENTITY);
        }
        (!was_online || was_duplicate != next.is_duplicate()).then_some(next)
    }

    /// Runs on the node have asked for Associations. `None` where the status says so already.
    pub fn asked(node: &ManagedNode, refresh_requests: Vec<RefreshRequest>) -> Option<Self> {
        let agent = agent_of(node);
        (agent.refresh_requests != refresh_requests).then(|| Self {
            agent: AgentStatus { refresh_requests, ..agent },
            conditions: own_conditions(node),
        })
    }

    /// The epoch it claims.
    pub fn epoch(&self) -> Epoch {
        Epoch::try_from(self.agent.epoch).unwrap_or(0)
    }

    /// Whether it says that two machines use one key.
    pub fn is_duplicate(&self) -> bool {
        condition::is_true(&self.conditions, condition::DUPLICATE_IDENTITY)
    }

    fn say_online(&mut self, node: &ManagedNode, now: Timestamp) {
        let message = format!("the agent is connected to {:?}", self.agent.gateway);
        let generation = node.metadata.generation;
        condition::set(&mut self.conditions, generation, now, condition::READY, true, "Online", &message);
    }
}

fn agent_of(node: &ManagedNode) -> AgentStatus {
    node.status.as_ref().and_then(|status| status.agent.clone()).unwrap_or_default()
}

fn is_of(agent: &AgentStatus, gateway: &str, epoch: Epoch) -> bool {
    agent.gateway == gateway && Epoch::try_from(agent.epoch) == Ok(epoch)
}

/// The conditions there that the gateway writes; others have other writers.
fn own_conditions(node: &ManagedNode) -> Vec<Condition> {
    let all = node.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let own = |condition: &&Condition| {
        [condition::READY, condition::DUPLICATE_IDENTITY].contains(&condition.type_.as_str())
    };
    all.iter().filter(own).cloned().collect()
}

/// A fact as a node says it, without what cannot be shown in a column, cut to a bounded length.
fn fact(text: &str) -> String {
    let mut kept = String::new();
    for character in text.chars().filter(|character| !character.is_control()) {
        if kept.len() + character.len_utf8() > MAX_FACT {
            break;
        }
        kept.push(character);
    }
    kept
}

#[cfg(test)]
mod tests;
