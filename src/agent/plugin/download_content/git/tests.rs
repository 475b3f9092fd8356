//! What a Git source takes, and what it never shows.

use serde_json::{Value, json};

use super::super::source_info::Format;
use super::*;

const FORMAT: Format = Format { prefix: "SourceInfo: ", type_name: "privategit.GitInfo" };

fn read(info: &Value) -> Result<GitSource, String> {
    GitSource::read(&SourceInfo::read(info, &FORMAT).unwrap())
}

#[test]
fn credentials_go_with_the_kind_of_repository_they_are_for() {
    for (info, reason) in [
        (json!({}), "Repository for Git resources type must be specified"),
        (json!({"repository": "git@h:r.git", "password": "x"}), "Neither Username nor Password"),
        (json!({"repository": "https://h/r", "privateSSHKey": "x"}), "Private SSH key must not be provided"),
        (json!({"repository": "https://h:x/r"}), "Invalid repository url format: "),
        (json!({"repository": "/r", "getOptions": "x"}), "SourceInfo: getOptions is not specified"),
        (
            json!({"repository": "/r", "skipHostKeyChecking": "true"}),
            "SourceInfo: json: cannot unmarshal string",
        ),
        (json!({"repository": "/r", "privateSSHKey": "{{ssm-secure:k}}"}), "does not support"),
        (json!({"repository": "http::https://me:hush@h/r"}), "the repository names a program of Git"),
        (json!({"repository": "ext::sh -c touch% x"}), "the repository names a program of Git"),
    ] {
        let refused = read(&info).unwrap_err();
        assert!(refused.starts_with(reason) || refused.contains("does not support"), "{refused}");
    }
}

#[test]
fn credentials_are_taken_out_of_the_url_and_shown_nowhere() {
    let source = read(&json!({"repository": "https://me:hush@h/r.git"})).unwrap();
    assert_eq!(source.repository, "https://h/r.git");
    assert!(!format!("{source:?}").contains("hush"));
    let Access::Http { credentials: Some(credentials), .. } = &source.access else {
        unreachable!("no credentials")
    };
    assert_eq!(credentials, &("me".to_owned(), "hush".to_owned()));
}

#[test]
fn a_password_that_no_server_would_be_asked_with_is_taken_out_too() {
    for (given, repository) in [
        ("ssh://git:hush@h:22/a b/r.git", "ssh://git@h:22/a%20b/r.git"),
        ("git://me:hush@h/r", "git://me@h/r"),
        ("ssh://git@[::1]/a b/r.git", "ssh://git@[::1]/a b/r.git"),
        ("git@h:a::b.git", "git@h:a::b.git"),
        ("/srv/a:b", "/srv/a:b"),
    ] {
        assert_eq!(read(&json!({ "repository": given })).unwrap().repository, repository);
    }
}

#[test]
fn a_user_name_alone_is_no_credential() {
    let source = read(&json!({"repository": "https://h/r.git", "username": "me"})).unwrap();
    assert!(matches!(source.access, Access::Http { credentials: None, .. }));
}
