//! Agents on nodes: installed as a user installs them, enrolled by an Activation's Secret.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Secret;
use keelson_api::{Activation, ManagedNode, PingStatus};
use kube::{Api, ResourceExt};

use super::Keelson;
use crate::assets;
use crate::network::Network;
use crate::node::Node;
use crate::wait::eventually;

/// The agent's systemd unit.
pub const AGENT_UNIT: &str = "keelson-agent.service";
const ENROL_TIMEOUT: Duration = Duration::from_secs(30);

impl Keelson {
    /// Puts the agent's binary and unit on every node that is booted afterwards.
    pub fn provide_agent(network: &Network) -> anyhow::Result<()> {
        let layer = network.common_layer();
        let copy = |source: &Path, path: &str| -> anyhow::Result<()> {
            let target = layer.join(path);
            std::fs::create_dir_all(target.parent().context("a path without a folder")?)?;
            std::fs::copy(source, &target).with_context(|| format!("failed to copy {}", source.display()))?;
            Ok(())
        };
        copy(&assets::agent()?, "usr/local/bin/keelson-agent")?;
        let unit = assets::project().join("src/agent").join(AGENT_UNIT);
        copy(&unit, &format!("etc/systemd/system/{AGENT_UNIT}"))
    }

    /// The enrolment file of an Activation of the namespace `default`, once its Secret is made.
    pub async fn enrolment(&self, activation: &str) -> anyhow::Result<String> {
        let activations: Api<Activation> = Api::namespaced(self.client(), "default");
        let secrets: Api<Secret> = Api::namespaced(self.client(), "default");
        eventually(ENROL_TIMEOUT, "the Activation's Secret", || async {
            let status = activations.get(activation).await?.status.unwrap_or_default();
            let Some(name) = status.secret_name else { return Ok(None) };
            let data = secrets.get(&name).await?.data.unwrap_or_default();
            let enrolment = data.get("enrolment.json").context("the Secret has no enrolment.json")?;
            Ok(Some(String::from_utf8(enrolment.0.clone())?))
        })
        .await
    }

    /// Enrols a node with an Activation, starts its agent, and returns its ManagedNode once it is Online.
    pub async fn enrol(&self, node: &Node, activation: &str) -> anyhow::Result<ManagedNode> {
        node.write("/root/enrolment.json", self.enrolment(activation).await?)?;
        node.shell(
            "/usr/local/bin/keelson-agent enrol --from /root/enrolment.json && rm /root/enrolment.json",
        )
        .await?;
        node.shell(&format!("systemctl enable --now {AGENT_UNIT}")).await?;
        self.online(&node.host_name()).await
    }

    /// Has the agent of a node reboot it at once where a document asks for it: the product gives who is logged in a
    /// minute.
    pub async fn reboot_at_once(&self, node: &Node) -> anyhow::Result<()> {
        node.write("/etc/keelson/agent.env", "KEELSON_REBOOT_COMMAND=systemctl reboot\n")?;
        node.shell(&format!("systemctl restart {AGENT_UNIT}")).await?;
        Ok(())
    }

    /// The ManagedNode of a host name, once it is Online.
    pub async fn online(&self, host_name: &str) -> anyhow::Result<ManagedNode> {
        self.node_with(host_name, PingStatus::Online, ENROL_TIMEOUT).await
    }

    /// The ManagedNode of a host name, once it has this ping status.
    pub async fn node_with(
        &self,
        host_name: &str,
        wanted: PingStatus,
        timeout: Duration,
    ) -> anyhow::Result<ManagedNode> {
        let nodes: Api<ManagedNode> = Api::namespaced(self.client(), "default");
        eventually(timeout, &format!("{host_name} to be {wanted:?}"), || async {
            let list = nodes.list(&kube::api::ListParams::default()).await?;
            Ok(list.items.into_iter().find(|node| {
                let agent = node.status.as_ref().and_then(|status| status.agent.as_ref());
                agent.is_some_and(|agent| agent.hostname == host_name && agent.ping_status == wanted)
            }))
        })
        .await
    }

    /// An Activation that lets `limit` nodes enrol, with `tags` in the form `Role: web, Stage: test`.
    pub async fn activate(&self, name: &str, limit: usize, tags: &str) -> anyhow::Result<()> {
        self.apply(&format!(
            "{{apiVersion: keelson.dev/v1alpha1, kind: Activation, metadata: {{name: {name}}}, \
             spec: {{registrationLimit: {limit}, tags: {{{tags}}}}}}}"
        ))
        .await?;
        Ok(())
    }

    /// Enrols every node with one Activation, at once; their ManagedNodes' names in the same order.
    pub async fn enrol_all(&self, nodes: &[Node], tags: &str) -> anyhow::Result<Vec<String>> {
        self.activate("fleet", nodes.len(), tags).await?;
        self.enrolment("fleet").await?;
        let enrolled = nodes.iter().map(|node| self.enrol(node, "fleet"));
        let enrolled = futures::future::try_join_all(enrolled).await?;
        Ok(enrolled.iter().map(ResourceExt::name_any).collect())
    }
}
