//! Brings one file of a web server.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Read;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http_auth::{PasswordClient, PasswordParams};
use ureq::http::{Response, StatusCode, header};
use ureq::{Body, ResponseExt as _};
use url::Url;

use super::super::Content;
use super::super::http::{Authentication, HttpSource, shown};
use super::client::{Client, Rules};
use super::content_disposition;
use super::save::save;

/// Fetches the file to `into`.
pub fn fetch(source: &HttpSource, into: &Path) -> Result<Content, String> {
    let mut response = request(source, &source.url).map_err(|failure| match failure {
        Failure::Preparing(reason) => format!("Failed to prepare the request: {reason}"),
        Failure::Asking(reason) => format!("Failed to download file: Cannot execute request: {reason}"),
    })?;
    if response.status() != StatusCode::OK {
        return Err(format!("Failed to download file: Status: {}", response.status()));
    }
    let disposition = header_text(&response, header::CONTENT_DISPOSITION.as_str());
    let name = content_disposition::file_name(&disposition).unwrap_or_else(random_name);
    let length = response.body().content_length();
    save(response.body_mut().as_reader(), length, into)
        .map_err(|error| format!("An error occurred during data transfer: {error}"))?;
    Ok(Content::File { staged: into.to_owned(), name })
}

/// Opens a file that a web server gives to anybody. It may come without TLS, so whoever reads it has to know its digest.
pub fn open(url: &Url) -> Result<impl Read + use<>, String> {
    let client = Client::new(url, Rules { allow_insecure: true, follow_redirects: true })?;
    let response = client.get(url.as_str(), None)?;
    if response.status() != StatusCode::OK {
        return Err(format!("the server says {}", response.status()));
    }
    Ok(response.into_body().into_reader())
}

/// Asks a server whether it has the Git repository, as Git itself begins, and says what is wrong in the real agent's
/// words.
pub fn check_repository(source: &HttpSource) -> Result<(), String> {
    let mut url = source.url.clone();
    url.set_path(&format!("{}/info/refs", source.url.path().trim_end_matches('/')));
    url.set_query(Some("service=git-upload-pack"));
    let response =
        request(source, &url).map_err(|(Failure::Preparing(reason) | Failure::Asking(reason))| reason)?;
    match response.status() {
        StatusCode::OK => Ok(()),
        StatusCode::NOT_FOUND => Err("repository not found".to_owned()),
        StatusCode::UNAUTHORIZED => Err("authentication required".to_owned()),
        StatusCode::FORBIDDEN => Err("authorization failed".to_owned()),
        other => Err(format!("unexpected answer: {other}")),
    }
}

/// Why there is no answer.
enum Failure {
    /// The request could not be made as it has to be.
    Preparing(String),
    /// The server could not be asked.
    Asking(String),
}

fn request(source: &HttpSource, url: &Url) -> Result<Response<Body>, Failure> {
    let rules = Rules { allow_insecure: source.allow_insecure, follow_redirects: true };
    let client = Client::new(url, rules).map_err(Failure::Preparing)?;
    let get = |address: &str, authorization: Option<&str>| {
        let answered = client.get(address, authorization);
        answered.map_err(|reason| Failure::Asking(format!("Get {:?}: {reason}", shown(url))))
    };
    match &source.authentication {
        Authentication::None => get(url.as_str(), None),
        Authentication::Basic(username, password) => {
            let credentials = BASE64_STANDARD.encode(format!("{username}:{password}"));
            get(url.as_str(), Some(&format!("Basic {credentials}")))
        }
        Authentication::Digest(username, password) => {
            let challenge = get(url.as_str(), None)?;
            let answer = digest(&challenge, url, username, password).map_err(Failure::Preparing)?;
            get(&challenge.get_uri().to_string(), Some(&answer))
        }
    }
}

/// Answers a server's challenge.
fn digest(challenge: &Response<Body>, url: &Url, username: &str, password: &str) -> Result<String, String> {
    let status = challenge.status();
    if status != StatusCode::UNAUTHORIZED {
        return Err(format!(
            "Unexpected HTTP response code received {} instead of 401 Unauthorized. The requested resources might not \
             require authorization",
            status.as_u16()
        ));
    }
    let asked_by = challenge.get_uri();
    if asked_by.host() != url.host_str() {
        return Err("the server redirects to another host, which gets no credentials".to_owned());
    }
    let challenges = header_text(challenge, header::WWW_AUTHENTICATE.as_str());
    let mut client = PasswordClient::try_from(challenges.as_str())
        .map_err(|_| "the server does not offer Digest authentication".to_owned())?;
    let target = asked_by.path_and_query().map_or("/", |target| target.as_str());
    client.respond(&PasswordParams { username, password, uri: target, method: "GET", body: Some(&[]) })
}

/// A header's values, joined as one.
fn header_text(response: &Response<Body>, name: &str) -> String {
    let values = response.headers().get_all(name).iter();
    // Names in UTF-8 are against the rule, and common.
    let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    values.join(", ")
}

/// What a file is called that has no name of its own: the real agent does not take one from the URL either.
fn random_name() -> String {
    // The standard library seeds each hasher with randomness of the system.
    format!("download{}", RandomState::new().build_hasher().finish())
}

#[cfg(test)]
mod tests;
