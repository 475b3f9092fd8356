//! The keys, certificates and tokens of a control plane, made anew for each.

use std::{fs, path::Path};

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};

/// What the files in the folder do not tell.
pub struct Credentials {
    pub admin_token: String,
}

impl Credentials {
    /// Writes `ca.crt`, `server.{crt,key}`, `service-account.{key,pub}` and `tokens.csv` to `folder`.
    pub fn create(folder: &Path) -> anyhow::Result<Self> {
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "keelson-e2e");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        fs::write(folder.join("ca.crt"), authority.pem())?;

        let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"].map(str::to_owned);
        let mut server = CertificateParams::new(names)?;
        server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        fs::write(folder.join("server.crt"), server.signed_by(&key, &authority)?.pem())?;
        fs::write(folder.join("server.key"), key.serialize_pem())?;

        let service_accounts = KeyPair::generate()?;
        fs::write(folder.join("service-account.key"), service_accounts.serialize_pem())?;
        fs::write(folder.join("service-account.pub"), service_accounts.public_key_pem())?;

        let random =
            fs::read_to_string("/proc/sys/kernel/random/uuid").context("failed to get a random token")?;
        let admin_token = random.trim().to_owned();
        fs::write(folder.join("tokens.csv"), format!("{admin_token},admin,1000,\"system:masters\"\n"))?;
        Ok(Self { admin_token })
    }
}

/// Writes a kubeconfig for the API server on `port` that authenticates as `user` with `token`.
pub fn write_kubeconfig(
    path: &Path,
    folder: &Path,
    port: u16,
    user: &str,
    token: &str,
) -> anyhow::Result<()> {
    let authority = folder.join("ca.crt");
    let text = format!(
        "apiVersion: v1
kind: Config
clusters:
- name: keelson
  cluster: {{server: \"https://127.0.0.1:{port}\", certificate-authority: {authority:?}}}
users:
- name: {user}
  user: {{token: {token:?}}}
contexts:
- name: keelson
  context: {{cluster: keelson, user: {user}}}
current-context: keelson
"
    );
    fs::write(path, text).with_context(|| format!("failed to write {path:?}"))
}
