//! `Activation`: the right to enrol nodes.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// How many nodes may enrol, until when, and with which tags.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, KubeSchema)]
#[kube(
    group = "keelson.dev",
    version = "v1alpha1",
    kind = "Activation",
    namespaced,
    status = "ActivationStatus",
    doc = "The right to enrol on-prem nodes: its Secret holds what keelson-agent enrol needs.",
    shortname = "activ",
    category = "keelson",
    printcolumn(name = "Registered", type_ = "integer", json_path = ".status.registrationsCount"),
    printcolumn(name = "Limit", type_ = "integer", json_path = ".spec.registrationLimit"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".status.expirationDate"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Secret", type_ = "string", json_path = ".status.secretName", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ActivationSpec {
    /// How many nodes may enrol with it. A node that enrols again with the same key is not counted twice.
    #[serde(default = "registration_limit")]
    #[schemars(range(min = 1, max = 1000))]
    pub registration_limit: u32,
    /// Until when; 24 hours after its creation when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_date: Option<Time>,
    /// Tags that each node starts with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 50))]
    pub tags: BTreeMap<String, String>,
    /// What it is for, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub description: Option<String>,
}

fn registration_limit() -> u32 {
    1
}

/// What is known of an Activation.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActivationStatus {
    /// The generation this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: nodes can enrol now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The Secret with the code, the CA and the gateway's addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// Until when nodes can enrol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_date: Option<Time>,
    /// How many nodes have enrolled; written by the gateway before it signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registrations_count: Option<u32>,
}
