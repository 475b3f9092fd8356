//! A real Kubernetes control plane on this machine's loopback: etcd, kube-apiserver and kube-controller-manager.
//!
//! RBAC is on, so operator and gateway can be run with exactly the rights their manifests give them.

mod credentials;
mod ports;
mod programs;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{
    Api, Client, Config,
    api::PostParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::process::Command;

use self::{credentials::Credentials, ports::Ports, programs::Programs};
use crate::{assets, process::Process, wait::eventually};

/// A busy machine with two cores has been seen to need 16 s.
const START_TIMEOUT: Duration = Duration::from_secs(90);
const DAY: i64 = 24 * 60 * 60;

/// The running control plane. Dropping it kills its processes; its folder stays, for who wants the logs.
pub struct ControlPlane {
    folder: PathBuf,
    programs: Programs,
    ports: Ports,
    client: Client,
    controller_manager: Process,
    api_server: Process,
    etcd: Process,
}

impl ControlPlane {
    /// Starts a new, empty cluster whose data, logs, certificates and `kubeconfig` (admin) are in `folder`.
    ///
    /// Returns once the API server is ready and the controllers have made the default namespace's `ServiceAccount`.
    /// The folder must be new: this does not continue the cluster of an earlier run.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("failed to make the folder {folder:?}"))?;
        let folder = folder.canonicalize()?;
        let ports = Ports::find()?;
        let credentials = Credentials::create(&folder)?;
        let kubeconfig = folder.join("kubeconfig");
        credentials::write_kubeconfig(
            &kubeconfig,
            &folder,
            ports.api_server,
            "admin",
            &credentials.admin_token,
        )?;
        let programs = Programs { binaries: assets::control_plane()?, folder: folder.clone(), ports };

        let mut etcd = Process::start(programs.etcd())?;
        let mut api_server = Process::start(programs.api_server())?;
        let client = client_of(&kubeconfig).await?;
        wait_until_ready(&client, &mut [&mut etcd, &mut api_server]).await?;
        // It gives up when it finds no API server, so it comes last.
        let mut controller_manager = Process::start(programs.controller_manager())?;
        wait_for_controllers(&client, &mut controller_manager).await?;
        Ok(Self { folder, programs, ports, client, controller_manager, api_server, etcd })
    }

    /// A client with every right.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The kubeconfig file of an administrator.
    pub fn kubeconfig_path(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// The `kubectl` of the same version.
    pub fn kubectl_path(&self) -> PathBuf {
        self.programs.binaries.join("kubectl")
    }

    /// Where the API server listens (HTTPS).
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.ports.api_server).into()
    }

    /// Runs `kubectl` as the administrator and returns its standard output; a non-zero exit is an error.
    pub async fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(self.kubectl_path())
            .args(arguments)
            .env("KUBECONFIG", self.kubeconfig_path())
            .env("KUBECACHEDIR", self.folder.join("kubectl-cache"))
            .env("KUBERC", "off")
            .kill_on_drop(true)
            .output()
            .await?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            bail!("kubectl {} ended with {}: {}", arguments.join(" "), output.status, message.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Writes a kubeconfig that acts as `service_account`, which must exist, and returns its path. Its token lasts a day.
    pub async fn service_account_kubeconfig(
        &self,
        namespace: &str,
        service_account: &str,
    ) -> anyhow::Result<PathBuf> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), namespace);
        let spec = TokenRequestSpec { expiration_seconds: Some(DAY), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        let answer = accounts.create_token_request(service_account, &PostParams::default(), &request).await;
        let answer =
            answer.with_context(|| format!("failed to get a token of {namespace}/{service_account}"))?;
        let token = answer.status.and_then(|status| status.token);
        let token = token.context("a token request came back without a token")?;
        let path = self.folder.join(format!("kubeconfig-{namespace}-{service_account}"));
        credentials::write_kubeconfig(&path, &self.folder, self.ports.api_server, service_account, &token)?;
        Ok(path)
    }

    /// Kills the API server and starts it again on the same port and data. Returns when it is ready.
    pub async fn restart_api_server(&mut self) -> anyhow::Result<()> {
        self.kill_api_server()?;
        self.start_api_server().await
    }

    /// SIGKILL to the API server. Requests are refused until [`Self::start_api_server`].
    pub fn kill_api_server(&mut self) -> anyhow::Result<()> {
        self.api_server.kill()
    }

    /// Starts the API server after [`Self::kill_api_server`] and returns when it is ready.
    pub async fn start_api_server(&mut self) -> anyhow::Result<()> {
        self.api_server.restart()?;
        wait_until_ready(&self.client, &mut [&mut self.etcd, &mut self.api_server]).await
    }

    /// The API server's process id, for a benchmark or a kill from outside.
    pub fn api_server_pid(&self) -> u32 {
        self.api_server.pid()
    }

    /// The API server's process, for what it costs and what it logs.
    pub fn api_server(&self) -> &Process {
        &self.api_server
    }

    /// Stops all of it in order: the data is flushed. Dropping does without that, and is quicker.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let grace = Duration::from_secs(10);
        self.controller_manager.terminate(grace).await?;
        self.api_server.terminate(grace).await?;
        self.etcd.terminate(grace).await?;
        Ok(())
    }
}

/// A client for the kubeconfig file at `path`.
pub async fn client_of(path: &Path) -> anyhow::Result<Client> {
    let kubeconfig = Kubeconfig::read_from(path)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

async fn wait_until_ready(client: &Client, processes: &mut [&mut Process]) -> anyhow::Result<()> {
    for process in processes.iter_mut() {
        process.ensure_running()?;
    }
    let ready = eventually(START_TIMEOUT, "the API server to be ready", || async {
        let request = http_get("/readyz")?;
        Ok((client.request_text(request).await? == "ok").then_some(()))
    });
    explain(ready.await, processes)
}

async fn wait_for_controllers(client: &Client, controller_manager: &mut Process) -> anyhow::Result<()> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    let made = eventually(START_TIMEOUT, "the controllers to make the default ServiceAccount", || async {
        Ok(accounts.get_opt("default").await?.map(|_| ()))
    });
    explain(made.await, &mut [controller_manager])
}

/// A process that has ended says better why than the wait that failed for it.
fn explain(result: anyhow::Result<()>, processes: &mut [&mut Process]) -> anyhow::Result<()> {
    if result.is_err() {
        for process in processes {
            process.ensure_running()?;
        }
    }
    result
}

fn http_get(path: &str) -> anyhow::Result<http::Request<Vec<u8>>> {
    Ok(http::Request::get(path).body(Vec::new())?)
}
