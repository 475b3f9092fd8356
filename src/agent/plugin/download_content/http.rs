//! Source type `HTTP`: one file of a web server.

use serde::{Deserialize, Serialize};
use url::Url;

use super::Content;
use super::fetch::{self, Request};
use super::job::{Job, Stop};
use super::source_info::SourceInfo;

/// Why a URL without TLS is refused, in the real agent's words.
pub const INSECURE: &str = "Non secure URL provided and insecure download is not allowed. Provide a secure URL or set \
                            'allowInsecureDownload' to true to perform the download operation";

/// A file of a web server, and what it takes to get it. Handed as JSON to the process that fetches it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpSource {
    /// Its address, `http` or `https`, without user information.
    pub url: Url,
    /// How to say who asks.
    pub authentication: Authentication,
    /// Whether traffic that others can read or change will do.
    pub allow_insecure: bool,
}

/// How a web server is told who asks.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Authentication {
    /// Not at all.
    None,
    /// User name and password.
    Basic(String, String),
    /// A digest of user name, password and what the server challenges with.
    Digest(String, String),
}

impl std::fmt::Debug for HttpSource {
    /// Without what may be secret: passwords, and signatures in queries.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("HttpSource").field("url", &shown(&self.url)).finish_non_exhaustive()
    }
}

impl HttpSource {
    /// Reads and checks the source.
    pub fn read(info: &SourceInfo) -> Result<Self, String> {
        let allow_insecure = info.flag("allowInsecureDownload")?;
        let method = info.text("authMethod")?;
        let (username, password) = (info.secret("username")?, info.secret("password")?);
        let mut url = parse(&info.text("url")?)?;
        let in_url = take_user_information(&mut url);
        let authentication = match (method.as_str(), in_url) {
            ("" | "None", None) => Authentication::None,
            ("" | "None", Some((username, password))) => Authentication::Basic(username, password),
            ("Basic", _) => Authentication::Basic(username, password),
            ("Digest", _) => Authentication::Digest(username, password),
            _ => {
                return Err(format!(
                    "Invalid authentication method: {method}. The following methods are accepted: None, Basic, Digest"
                ));
            }
        };
        if url.scheme() == "http" && !allow_insecure {
            return Err(INSECURE.to_owned());
        }
        Ok(Self { url, authentication, allow_insecure })
    }

    /// Fetches the file.
    pub fn fetch(&self, job: &Job<'_>) -> Result<Content, Stop> {
        fetch::run(&Request::Http { source: self.clone(), into: job.staged("http") }, job)
    }
}

fn parse(text: &str) -> Result<Url, String> {
    let wrong_scheme =
        || "URL scheme for HTTP resource type is invalid. HTTP or HTTPS is accepted".to_owned();
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        Ok(_) | Err(url::ParseError::RelativeUrlWithoutBase) => Err(wrong_scheme()),
        Err(error) => Err(format!("Invalid URL format: {error}")),
    }
}

/// Takes user name and password out of a URL, so that no message shows them.
pub fn take_user_information(url: &mut Url) -> Option<(String, String)> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let found = (decode(url.username()), decode(url.password().unwrap_or_default()));
    // Neither can fail for a URL that had them.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Some(found)
}

/// A URL as messages show it: the query may hold a signature.
pub fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = take_user_information(&mut url);
    url.set_fragment(None);
    if url.query().is_some() {
        url.set_query(Some("..."));
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::super::source_info::Format;
    use super::*;
    use serde_json::{Value, json};

    const FORMAT: Format = Format { prefix: "", type_name: "" };

    fn read(info: &Value) -> Result<HttpSource, String> {
        HttpSource::read(&SourceInfo::read(info, &FORMAT).unwrap())
    }

    #[test]
    fn a_url_without_tls_needs_to_be_allowed() {
        let reason = read(&json!({"url": "http://h/f"})).unwrap_err();
        assert!(
            reason.starts_with("Non secure URL provided and insecure download is not allowed."),
            "{reason}"
        );
        assert!(read(&json!({"url": "http://h/f", "allowInsecureDownload": true})).is_ok());
        assert!(read(&json!({"url": "https://h/f"})).is_ok());
    }

    #[test]
    fn other_schemes_and_methods_are_refused() {
        for url in ["ftp://h/f", "file:///etc/passwd", "h/f", ""] {
            assert!(read(&json!({"url": url})).unwrap_err().starts_with("URL scheme for HTTP"), "{url}");
        }
        assert!(read(&json!({"url": "https://h:99999/"})).unwrap_err().starts_with("Invalid URL format: "));
        let reason = read(&json!({"url": "https://h/", "authMethod": "basic"})).unwrap_err();
        assert!(reason.starts_with("Invalid authentication method: basic."), "{reason}");
    }

    #[test]
    fn credentials_in_the_url_are_used_and_never_shown() {
        let source = read(&json!({"url": "https://me:p%40ss@h/f?X-Signature=hush#x"})).unwrap();
        assert!(source.authentication == Authentication::Basic("me".into(), "p@ss".into()));
        assert_eq!(shown(&source.url), "https://h/f?...");
        assert_eq!(format!("{source:?}"), "HttpSource { url: \"https://h/f?...\", .. }");
    }
}
