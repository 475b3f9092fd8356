//! Behaviour of downloads from S3, against a server in the test's process.

use super::super::server::{Server, answer};
use super::*;

fn source(address: &str, key: &str) -> S3Source {
    S3Source {
        endpoint: format!("http://{address}/").parse().unwrap(),
        bucket: "b".into(),
        key: key.into(),
        region: "us-east-1".into(),
        is_aws: false,
    }
}

fn list(keys: &[&str], next: Option<&str>) -> String {
    let object = |key: &&str| {
        format!(
            "<Contents><Key>{key}</Key><LastModified>x</LastModified><ETag>e</ETag><Size>1</Size></Contents>"
        )
    };
    let contents: Vec<String> = keys.iter().map(object).collect();
    let next = next.map(|token| format!("<NextContinuationToken>{token}</NextContinuationToken>"));
    let next = next.unwrap_or_default();
    let body = format!("<ListBucketResult>{}{next}</ListBucketResult>", contents.concat());
    answer("200 OK", "Content-Type: application/xml\r\n", &body)
}

fn refusal(status: &str, code: &str, headers: &str) -> String {
    let body = format!("<Error><Code>{code}</Code><Message>No, sorry.</Message></Error>");
    answer(status, headers, &body)
}

/// The paths that a server was asked for, queries without signatures.
fn asked(server: Server) -> Vec<String> {
    let paths = server.requests().into_iter().map(|request| request.split(' ').nth(1).unwrap().to_owned());
    paths
        .map(|path| {
            let (path, query) = path.split_once('?').unwrap_or((&path, ""));
            let told = query
                .split('&')
                .filter(|part| part.starts_with("prefix=") || part.starts_with("continuation"));
            format!("{path} {}", told.collect::<Vec<_>>().join(" ")).trim_end().to_owned()
        })
        .collect()
}

#[test]
fn an_object_comes_as_a_file_with_the_name_of_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|_| vec![answer("200 OK", "", "text")]);
    let path = folder.path().join("s3");
    let content = fetch(&source(&server.address, "a/my file.sh"), &path).unwrap();
    assert_eq!(content, Content::File { staged: path.clone(), name: "my file.sh".into() });
    assert_eq!(fs::read_to_string(path).unwrap(), "text");
    assert_eq!(asked(server), ["/b/a/my%20file.sh"]);
}

#[test]
fn a_key_that_is_no_object_is_taken_for_a_prefix_over_all_pages() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|_| {
        vec![
            refusal("404 Not Found", "NoSuchKey", ""),
            list(&["a/", "a/one"], Some("more")),
            answer("200 OK", "", "1"),
            list(&["a/sub/two &amp; three"], None),
            answer("200 OK", "", "2"),
        ]
    });
    let into = folder.path().join("s3");
    assert_eq!(fetch(&source(&server.address, "a"), &into), Ok(Content::Tree(into.clone())));
    assert_eq!(fs::read_to_string(into.join("one")).unwrap(), "1");
    assert_eq!(fs::read_to_string(into.join("sub/two & three")).unwrap(), "2");
    assert_eq!(
        asked(server),
        [
            "/b/a",
            "/b/ prefix=a%2F",
            "/b/a/one",
            "/b/ continuation-token=more prefix=a%2F",
            "/b/a/sub/two%20%26%20three"
        ]
    );
}

#[test]
fn nothing_at_all_is_a_failure_that_says_what_the_server_says() {
    let folder = tempfile::tempdir().unwrap();
    let server =
        Server::start(|_| vec![refusal("404 Not Found", "NoSuchKey", ""), list(&[], None), list(&[], None)]);
    let reason = fetch(&source(&server.address, "a"), &folder.path().join("x")).unwrap_err();
    assert_eq!(reason, "Failed to download s3://b/a: Status: 404 Not Found: NoSuchKey: No, sorry.");
    let reason = fetch(&source(&server.address, "a/"), &folder.path().join("y")).unwrap_err();
    assert_eq!(reason, "Failed to download s3://b/a/: there is no object");
}

#[test]
fn what_fails_below_a_prefix_is_said_unless_it_cannot_be_listed() {
    let folder = tempfile::tempdir().unwrap();
    let missing = || refusal("403 Forbidden", "AccessDenied", "");
    let broken = refusal("500 Internal Server Error", "Broken", "");
    let server = Server::start(|_| vec![missing(), list(&["a/one"], None), broken, missing(), missing()]);
    let reason = fetch(&source(&server.address, "a"), &folder.path().join("x")).unwrap_err();
    assert_eq!(
        reason,
        "Failed to download s3://b/a/one: Status: 500 Internal Server Error: Broken: No, sorry."
    );
    let reason = fetch(&source(&server.address, "a"), &folder.path().join("y")).unwrap_err();
    assert!(
        reason.starts_with("Failed to download s3://b/a: Status: 403 Forbidden: AccessDenied"),
        "{reason}"
    );
}

#[test]
fn a_key_cannot_lead_out_of_the_folder() {
    for key in ["a/../../../etc/cron.d/x", "a//x", "a/./x"] {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(|_| vec![list(&[key], None)]);
        let reason = fetch(&source(&server.address, "a/"), &folder.path().join("s3")).unwrap_err();
        assert_eq!(reason, format!("the key {key:?} is not fit for the path of a file"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_request_is_signed_anew_for_the_region_that_the_server_names() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = "x-amz-bucket-region: eu-west-1\r\n";
    let server = Server::start(|_| {
        vec![refusal("301 Moved Permanently", "PermanentRedirect", elsewhere), answer("200 OK", "", "text")]
    });
    let source = source(&server.address, "f");
    let mut store = Store::open(&source).unwrap();
    store.credentials = Some(Credentials::new("key", "secret"));
    let response = store.object("f").unwrap().ok().unwrap();
    save_object(&source, response, &folder.path().join("f")).unwrap();
    let requests = server.requests();
    for (request, region) in requests.iter().zip(["us-east-1", "eu-west-1"]) {
        assert!(request.contains("X-Amz-Credential=key%2F"), "{request}");
        assert!(request.contains(&format!("%2F{region}%2Fs3%2Faws4_request")), "{request}");
    }
}

#[test]
fn what_is_no_s3_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|_| vec![answer("200 OK", "", "<html>welcome"), answer("200 OK", "", "{}")]);
    for _ in 0..2 {
        let reason = fetch(&source(&server.address, "a/"), &folder.path().join("s3")).unwrap_err();
        assert!(
            reason.contains("does not answer as S3 does") || reason.contains("there is no object"),
            "{reason}"
        );
    }
}
