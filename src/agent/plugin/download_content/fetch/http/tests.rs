//! Behaviour of downloads from web servers, against a server in the test's process.

use std::fs;

use super::super::server::{Server, answer, header};
use super::*;

fn source(url: &str, authentication: Authentication) -> HttpSource {
    HttpSource { url: url.parse().unwrap(), authentication, allow_insecure: true }
}

fn basic() -> Authentication {
    Authentication::Basic("me".into(), "p:ss".into())
}

/// What came of it: the suggested name and the text, or why not.
fn fetched(source: &HttpSource) -> Result<(String, String), String> {
    let folder = tempfile::tempdir().unwrap();
    match fetch(source, &folder.path().join("f"))? {
        Content::File { staged, name } => Ok((name, fs::read_to_string(staged).unwrap())),
        Content::Tree(_) => Err("a tree".to_owned()),
    }
}

#[test]
fn a_file_has_the_name_that_the_server_gives_it_or_a_random_one() {
    let disposition = "Content-Disposition: attachment; filename=\"run.sh\"\r\n";
    let server = Server::start(|_| vec![answer("200 OK", disposition, "one"), answer("200 OK", "", "two")]);
    let source = source(&format!("http://{}/f.sh?x=1", server.address), Authentication::None);
    assert_eq!(fetched(&source), Ok(("run.sh".to_owned(), "one".to_owned())));
    let (name, text) = fetched(&source).unwrap();
    let digits = name.strip_prefix("download").unwrap();
    assert!(!digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()), "{name}");
    assert_eq!(text, "two");
    assert!(server.requests()[0].starts_with("GET /f.sh?x=1 HTTP/1.1\r\n"));
}

#[test]
fn anything_but_200_is_a_failure_that_says_the_status() {
    let server = Server::start(|_| vec![answer("404 Not Found", "", "no"), answer("204 No Content", "", "")]);
    let source = source(&format!("http://{}/none", server.address), Authentication::None);
    assert_eq!(fetched(&source), Err("Failed to download file: Status: 404 Not Found".to_owned()));
    assert_eq!(fetched(&source), Err("Failed to download file: Status: 204 No Content".to_owned()));
}

#[test]
fn a_body_that_is_cut_short_is_a_failure() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345".to_owned();
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n".to_owned();
    let server = Server::start(|_| vec![cut, chunked]);
    let source = source(&format!("http://{}/f", server.address), Authentication::None);
    for _ in 0..2 {
        let reason = fetched(&source).unwrap_err();
        assert!(reason.starts_with("An error occurred during data transfer: "), "{reason}");
    }
}

#[test]
fn a_server_that_cannot_be_reached_is_named_without_what_is_secret() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let reason = fetched(&source(&format!("http://{free}/f?signature=hush"), basic())).unwrap_err();
    let expected = format!("Failed to download file: Cannot execute request: Get \"http://{free}/f?...\": ");
    assert!(reason.starts_with(&expected) && reason.contains("refused"), "{reason}");
}

#[test]
fn redirects_are_followed_and_credentials_stay_with_their_server() {
    let other = Server::start(|_| vec![answer("200 OK", "", "there")]);
    let port = other.address.rsplit_once(':').unwrap().1.to_owned();
    let server = Server::start(|address| {
        let near = format!("Location: http://{address}/b\r\n");
        let far = format!("Location: http://localhost:{port}/c\r\n");
        vec![answer("302 Found", &near, ""), answer("307 Temporary Redirect", &far, "")]
    });
    let source = source(&format!("http://{}/a", server.address), basic());
    assert_eq!(fetched(&source).unwrap().1, "there");
    let requests = server.requests();
    for request in &requests {
        assert_eq!(header(request, "Authorization"), "Basic bWU6cDpzcw==");
    }
    assert_eq!(header(&other.requests()[0], "Authorization"), "");
}

#[test]
fn a_loop_of_redirects_ends() {
    let server = Server::start(|address| {
        let again = format!("Location: http://{address}/a\r\n");
        vec![answer("302 Found", &again, ""); 11]
    });
    let reason = fetched(&source(&format!("http://{}/a", server.address), Authentication::None)).unwrap_err();
    assert!(reason.contains("too many redirects"), "{reason}");
}

#[test]
fn a_digest_answers_the_servers_challenge() {
    let challenge = "WWW-Authenticate: Basic realm=\"r\"\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n1\", qop=\"auth\"\r\n";
    let server =
        Server::start(|_| vec![answer("401 Unauthorized", challenge, ""), answer("200 OK", "", "in")]);
    let digest = Authentication::Digest("me".into(), "hush".into());
    let source = source(&format!("http://{}/f?x=1", server.address), digest);
    assert_eq!(fetched(&source).unwrap().1, "in");
    let requests = server.requests();
    assert_eq!(header(&requests[0], "Authorization"), "");
    let sent = header(&requests[1], "Authorization");
    for part in ["Digest ", "username=\"me\"", "uri=\"/f?x=1\"", "nonce=\"n1\"", "response=\""] {
        assert!(sent.contains(part), "{sent}");
    }
    assert!(!sent.contains("hush"));
}

#[test]
fn a_digest_that_nobody_asked_for_fails_as_on_aws() {
    let server = Server::start(|_| vec![answer("200 OK", "", "open")]);
    let digest = Authentication::Digest("me".into(), "hush".into());
    let source = source(&format!("http://{}/f", server.address), digest);
    assert_eq!(
        fetched(&source).unwrap_err(),
        "Failed to prepare the request: Unexpected HTTP response code received 200 instead of 401 Unauthorized. The \
         requested resources might not require authorization"
    );
}

#[test]
fn a_repository_is_looked_for_where_git_looks() {
    let server = Server::start(|_| {
        let statuses =
            ["200 OK", "404 Not Found", "401 Unauthorized", "403 Forbidden", "500 Internal Server Error"];
        statuses.map(|status| answer(status, "", "")).to_vec()
    });
    let source = source(&format!("http://{}/r.git/", server.address), basic());
    let answers: Vec<_> = (0..5).map(|_| check_repository(&source).err().unwrap_or_default()).collect();
    assert_eq!(
        answers,
        [
            "",
            "repository not found",
            "authentication required",
            "authorization failed",
            "unexpected answer: 500 Internal Server Error"
        ]
    );
    assert!(server.requests()[0].starts_with("GET /r.git/info/refs?service=git-upload-pack HTTP/1.1"));
}
