//! The system under test: operator and gateways as ordinary processes, under their real service accounts and
//! rights, with a control plane of their own; and agents on booted nodes.

mod agents;
mod objects;
mod observe;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use kube::Client;

use crate::assets;
use crate::control_plane::ControlPlane;
use crate::process::{Process, Program};
use crate::wait::eventually;

pub use agents::AGENT_UNIT;
pub use objects::{has_ended, invocation_of, invocations_of, run_id_of};

/// The namespace Keelson runs in.
pub const SYSTEM_NAMESPACE: &str = "keelson-system";
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// How the processes are started: the product's defaults, but for what a test cannot wait for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where gateways listen and nodes reach them.
    pub address: IpAddr,
    /// How many gateway replicas.
    pub gateways: usize,
    /// How many replicas of the operator, one of which leads.
    pub operators: usize,
    /// `--deadline-grace-seconds`
    pub deadline_grace: u64,
    /// `--catch-up-seconds`
    pub catch_up: u64,
    /// `--lease-seconds`
    pub lease: u64,
    /// `--certificate-seconds` of the gateways
    pub certificate_seconds: u64,
    /// Whether operator and gateways log in JSON.
    pub json_logs: bool,
    /// A library to preload into operator and gateways, with its environment.
    pub preload: Vec<(String, String)>,
}

impl Settings {
    /// One gateway at `address`, and the product's defaults otherwise.
    pub fn at(address: IpAddr) -> Self {
        Self {
            address,
            gateways: 1,
            operators: 1,
            deadline_grace: 60,
            catch_up: 15,
            lease: 15,
            certificate_seconds: 86_400,
            json_logs: false,
            preload: Vec::new(),
        }
    }

    /// The same with waits short enough for a test that is about something else.
    pub fn quick(address: IpAddr) -> Self {
        Self { deadline_grace: 2, catch_up: 2, lease: 6, ..Self::at(address) }
    }
}

/// A running Keelson.
pub struct Keelson {
    /// Its cluster.
    pub control_plane: ControlPlane,
    /// The operator's process, the first replica.
    pub operator: Process,
    /// The further replicas of the operator.
    pub standbys: Vec<Process>,
    /// The gateways' processes.
    pub gateways: Vec<Process>,
    addresses: Vec<SocketAddr>,
    http: BTreeMap<String, SocketAddr>,
    folder: PathBuf,
}

impl Keelson {
    /// Starts a cluster, installs definitions and rights from `config/`, and starts operator and gateways. Logs,
    /// kubeconfigs and the archive are in `folder`.
    pub async fn start(folder: &Path, settings: &Settings) -> anyhow::Result<Self> {
        let control_plane = ControlPlane::start(&folder.join("control-plane")).await?;
        install(&control_plane).await?;
        let addresses =
            (0..settings.gateways).map(|_| free_port(settings.address)).collect::<Result<Vec<_>, _>>()?;
        let http = free_http_addresses(settings)?;
        let plan =
            Plan { control_plane: &control_plane, folder, settings, addresses: &addresses, http: &http };
        let mut gateways = Vec::new();
        for index in 0..settings.gateways {
            gateways.push(Process::start(plan.gateway(index).await?)?);
        }
        let operator = Process::start(plan.operator(0).await?)?;
        let mut standbys = Vec::new();
        for index in 1..settings.operators {
            standbys.push(Process::start(plan.operator(index).await?)?);
        }
        let folder = folder.to_owned();
        let mut keelson = Self { control_plane, operator, standbys, gateways, addresses, http, folder };
        keelson.wait_until_ready().await?;
        Ok(keelson)
    }

    /// A client with every right.
    pub fn client(&self) -> Client {
        self.control_plane.client()
    }

    /// Runs `kubectl` as the administrator.
    pub async fn kubectl(&self, line: &str) -> anyhow::Result<String> {
        let words: Vec<_> = line.split_whitespace().collect();
        self.control_plane.kubectl(&words).await
    }

    /// Applies a manifest given as text.
    pub async fn apply(&self, manifest: &str) -> anyhow::Result<String> {
        let file = self.folder.join("manifest.yaml");
        std::fs::write(&file, manifest)?;
        self.control_plane.kubectl(&["apply", "-f", &file.to_string_lossy()]).await
    }

    /// Where nodes reach the gateways.
    pub fn gateway_addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The archive's folder.
    pub fn archive(&self) -> PathBuf {
        self.folder.join("archive")
    }

    /// The folder of the agents that gateways hand out; it is not there before somebody makes it.
    pub fn agents(&self) -> PathBuf {
        self.folder.join("agents")
    }

    /// Operator and gateways, for what they cost.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.operators().chain(&self.gateways)
    }

    /// All replicas of the operator.
    pub fn operators(&self) -> impl Iterator<Item = &Process> {
        std::iter::once(&self.operator).chain(&self.standbys)
    }

    /// Waits until gateways listen and an operator leads.
    pub async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let addresses = self.addresses.clone();
        let listening = eventually(READY_TIMEOUT, "the gateways to listen", || async {
            for address in &addresses {
                tokio::net::TcpStream::connect(address).await?;
            }
            Ok(Some(()))
        });
        let result = match listening.await {
            Ok(()) => self.wait_until_leading().await,
            Err(error) => Err(error),
        };
        for process in self.gateways.iter_mut().chain([&mut self.operator]).chain(&mut self.standbys) {
            process.ensure_running()?;
        }
        result
    }

    async fn wait_until_leading(&self) -> anyhow::Result<()> {
        eventually(READY_TIMEOUT, "an operator to lead", || async {
            for operator in self.operators() {
                if std::fs::read_to_string(operator.log_path())?.contains("leading") {
                    return Ok(Some(()));
                }
            }
            Ok(None)
        })
        .await
    }
}

/// Definitions, namespace, rights and admission policies, as a user installs them, but for the Deployments: there is no kubelet here.
async fn install(control_plane: &ControlPlane) -> anyhow::Result<()> {
    let root = assets::project();
    let apply = ["apply", "--server-side", "-f"];
    let namespace = root.join("config/default/namespace.yaml");
    control_plane.kubectl(&[&apply[..], &[&namespace.to_string_lossy()]].concat()).await?;
    for part in ["crds", "config/rbac", "config/admission"] {
        let folder = root.join(part);
        control_plane.kubectl(&["apply", "--server-side", "-k", &folder.to_string_lossy()]).await?;
    }
    control_plane
        .kubectl(&[
            "wait",
            "--for=condition=Established",
            "--timeout=60s",
            "crd",
            "-l",
            "app.kubernetes.io/part-of=keelson",
        ])
        .await?;
    Ok(())
}

/// What it takes to start the processes.
struct Plan<'a> {
    control_plane: &'a ControlPlane,
    folder: &'a Path,
    settings: &'a Settings,
    addresses: &'a [SocketAddr],
    http: &'a BTreeMap<String, SocketAddr>,
}

impl Plan<'_> {
    async fn operator(&self, index: usize) -> anyhow::Result<Program> {
        let program = self.program("run", &format!("operator-{index}"), "keelson-operator").await?;
        Ok(program
            .arg(format!("--deadline-grace-seconds={}", self.settings.deadline_grace))
            .arg(format!("--catch-up-seconds={}", self.settings.catch_up)))
    }

    async fn gateway(&self, index: usize) -> anyhow::Result<Program> {
        let listen = self.addresses.get(index).context("there are more gateways than addresses")?;
        let program = self.program("gateway", &format!("gateway-{index}"), "keelson-gateway").await?;
        Ok(program
            .arg(format!("--listen={listen}"))
            .arg(format!("--certificate-seconds={}", self.settings.certificate_seconds))
            .arg(format!("--archive=file://{}", self.folder.join("archive").display()))
            .arg(format!("--agent-directory={}", self.folder.join("agents").display())))
    }

    async fn program(&self, role: &str, replica: &str, account: &str) -> anyhow::Result<Program> {
        let kubeconfig = self.control_plane.service_account_kubeconfig(SYSTEM_NAMESPACE, account).await?;
        let http = self.http.get(replica).context("a replica without an address for its probes")?;
        let addresses: Vec<_> = self.addresses.iter().map(ToString::to_string).collect();
        let log = self.folder.join(format!("{replica}.log"));
        let mut program = Program::new(assets::operator()?, log)
            .arg(role)
            .arg(format!("--replica={replica}"))
            .arg(format!("--http-address={http}"))
            .arg(format!("--lease-seconds={}", self.settings.lease))
            .arg(format!("--gateway-addresses={}", addresses.join(",")))
            .env("KUBECONFIG", kubeconfig);
        if self.settings.json_logs {
            program = program.arg("--log-format=json");
        }
        for (name, value) in &self.settings.preload {
            program = program.env(name, value);
        }
        Ok(program)
    }
}

/// Where each replica serves probes and metrics.
fn free_http_addresses(settings: &Settings) -> anyhow::Result<BTreeMap<String, SocketAddr>> {
    let operators = (0..settings.operators).map(|index| format!("operator-{index}"));
    let gateways = (0..settings.gateways).map(|index| format!("gateway-{index}"));
    let loopback = IpAddr::from([127, 0, 0, 1]);
    operators.chain(gateways).map(|replica| Ok((replica, free_port(loopback)?))).collect()
}

/// An address with a port that nobody listens on now.
fn free_port(address: IpAddr) -> anyhow::Result<SocketAddr> {
    let listener =
        TcpListener::bind((address, 0)).with_context(|| format!("failed to listen on {address}"))?;
    Ok(listener.local_addr()?)
}
