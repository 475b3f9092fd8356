//! The HTTP client: the node's own CA certificates and proxies, and limits on how long a server may be silent.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use ureq::config::RedirectAuthHeaders;
use ureq::http::Response;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy, ProxyProtocol};
use url::Url;

use crate::version::version;

/// How long a connection, its name lookup and its TLS handshake each may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a server may send nothing.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(120);
/// How many redirects are followed, as the real agent's client does.
const REDIRECTS: u32 = 10;
/// Hosts that no proxy can reach for this node.
const OWN_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// What a client may do.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Whether it may talk without TLS, and be redirected to where there is none.
    pub allow_insecure: bool,
    /// Whether it follows redirects; otherwise they are answers like others.
    pub follow_redirects: bool,
}

/// Makes requests.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
}

impl Client {
    /// A client for `url` and where it redirects to.
    pub fn new(url: &Url, rules: Rules) -> Result<Self, String> {
        let certificates = rustls_native_certs::load_native_certs().certs;
        let certificates = certificates.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(certificates)))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .proxy(proxy(url.scheme())?)
            .https_only(!rules.allow_insecure)
            .http_status_as_error(false)
            .max_redirects(if rules.follow_redirects { REDIRECTS } else { 0 })
            .max_redirects_will_error(rules.follow_redirects)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .user_agent(format!("keelson-agent/{}", version()))
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_read(Some(SILENCE_TIMEOUT))
            .timeout_per_write(Some(SILENCE_TIMEOUT))
            .build();
        Ok(Self { agent: config.into() })
    }

    /// Asks for `url`, with this `Authorization` if there is one.
    pub fn get(&self, url: &str, authorization: Option<&str>) -> Result<Response<Body>, String> {
        let mut request = self.agent.get(url);
        if let Some(value) = authorization {
            request = request.header("Authorization", value);
        }
        request.call().map_err(|error| reason(&error))
    }
}

/// Why a request failed, without the address: its query may hold a signature.
fn reason(error: &ureq::Error) -> String {
    if let Some(rustls::Error::InvalidCertificate(found)) = tls_error(error) {
        return format!(
            "the server's certificate is not trusted ({found}): add its CA to this node's certificates, or name a file \
             that has it in SSL_CERT_FILE"
        );
    }
    match error {
        ureq::Error::RequireHttpsOnly(_) => {
            "the server redirects to a URL without TLS, which 'allowInsecureDownload' does not allow"
                .to_owned()
        }
        ureq::Error::BadUri(_) => "the address is not valid".to_owned(),
        other => other.to_string(),
    }
}

/// What went wrong with TLS, if that did: a handshake fails as input or output does.
fn tls_error(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

/// The proxy that the environment names for a scheme. Traffic to the node itself never takes one.
fn proxy(scheme: &str) -> Result<Option<Proxy>, String> {
    let names = match scheme {
        "https" => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
        _ => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
    };
    let Some((name, value)) = names.into_iter().find_map(|name| Some((name, variable(name)?))) else {
        return Ok(None);
    };
    let exceptions = variable("NO_PROXY").or_else(|| variable("no_proxy")).unwrap_or_default();
    // Not shown: it may hold a password.
    let invalid = |_| format!("the proxy in the agent's environment variable {name} is not a valid URL");
    with_exceptions(&Proxy::new(&value).map_err(invalid)?, &exceptions).map_err(invalid).map(Some)
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The proxy, but not for this node and the hosts of `NO_PROXY`. As in most programs, a domain there stands for the
/// hosts below it too.
fn with_exceptions(proxy: &Proxy, exceptions: &str) -> Result<Proxy, ureq::Error> {
    let protocol: ProxyProtocol = proxy.protocol();
    let mut builder = Proxy::builder(protocol).host(proxy.host()).port(proxy.port());
    if let Some(username) = proxy.username() {
        builder = builder.username(username);
    }
    if let Some(password) = proxy.password() {
        builder = builder.password(password);
    }
    for host in OWN_HOSTS {
        builder = builder.no_proxy(host);
    }
    for entry in exceptions.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        builder = builder.no_proxy(entry);
        if !entry.starts_with(['.', '*']) {
            builder = builder.no_proxy(&format!(".{entry}"));
        }
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bypasses(exceptions: &str, url: &str) -> bool {
        let proxy = Proxy::new("http://me:hush@proxy:3128").unwrap();
        let proxy = with_exceptions(&proxy, exceptions).unwrap();
        assert_eq!((proxy.host(), proxy.port(), proxy.password()), ("proxy", 3128, Some("hush")));
        proxy.is_no_proxy(&url.parse().unwrap())
    }

    #[test]
    fn a_proxy_is_not_used_for_the_node_itself_and_for_excepted_hosts() {
        for url in ["http://localhost/", "http://127.0.0.1:8080/", "https://a.shop/", "https://shop/"] {
            assert!(bypasses("other.example, shop", url), "{url}");
        }
        for url in ["https://example.com/", "https://workshop/"] {
            assert!(!bypasses("other.example, shop", url), "{url}");
        }
    }
}
