//! The three programs of a control plane and their flags.

use std::path::{Path, PathBuf};

use super::ports::Ports;
use crate::process::Program;

/// Where the binaries are, where their data goes and on which ports they listen.
pub struct Programs {
    pub binaries: PathBuf,
    pub folder: PathBuf,
    pub ports: Ports,
}

/// What the project's tests need of the controllers. Nothing that makes pods: there are no kubelets.
const CONTROLLERS: &str = "garbage-collector-controller,namespace-controller,serviceaccount-controller,\
    serviceaccount-token-controller,clusterrole-aggregation-controller,root-ca-certificate-publisher-controller";

impl Programs {
    /// etcd, with its data in `etcd/`.
    pub fn etcd(&self) -> Program {
        self.program("etcd")
            .arg(self.folder.join("etcd"))
            .arg(format!("http://127.0.0.1:{}", self.ports.etcd))
            .arg(format!("http://127.0.0.1:{}", self.ports.etcd_peer))
    }

    /// The API server, with RBAC and a fixed token for the administrator.
    pub fn api_server(&self) -> Program {
        self.program("kube-apiserver")
            .arg(format!("--etcd-servers=http://127.0.0.1:{}", self.ports.etcd))
            .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
            .arg(format!("--secure-port={}", self.ports.api_server))
            .arg(flag("tls-cert-file", &self.folder.join("server.crt")))
            .arg(flag("tls-private-key-file", &self.folder.join("server.key")))
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg(flag("service-account-signing-key-file", &self.folder.join("service-account.key")))
            .arg(flag("service-account-key-file", &self.folder.join("service-account.pub")))
            .arg(flag("token-auth-file", &self.folder.join("tokens.csv")))
            .args(["--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24"])
            .args(["--endpoint-reconciler-type=none", "--profiling=false"])
            // As strict as the strictest clusters: who makes an owner undeletable needs a right to that owner.
            .arg("--enable-admission-plugins=OwnerReferencesPermissionEnforcement")
    }

    /// The controller manager, each controller with the rights of its own `ServiceAccount`.
    pub fn controller_manager(&self) -> Program {
        self.program("kube-controller-manager")
            .arg(flag("kubeconfig", &self.folder.join("kubeconfig")))
            .arg("--bind-address=127.0.0.1")
            .arg(format!("--secure-port={}", self.ports.controller_manager))
            .arg(flag("cert-dir", &self.folder.join("controller-manager")))
            .arg("--use-service-account-credentials")
            .arg(flag("service-account-private-key-file", &self.folder.join("service-account.key")))
            .arg(flag("root-ca-file", &self.folder.join("ca.crt")))
            .arg("--leader-elect=false")
            .arg(format!("--controllers={CONTROLLERS}"))
    }

    fn program(&self, name: &str) -> Program {
        Program::new(self.binaries.join(name), self.folder.join(format!("{name}.log")))
    }
}

fn flag(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}
