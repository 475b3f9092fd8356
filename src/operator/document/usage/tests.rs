//! Who is told when a version is to be deleted.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use k8s_openapi::jiff::Timestamp;
use keelson_api::{CalledDocument, CommandStatus, DocumentReference, RunStatus};
use serde_json::json;

use super::*;

fn version(number: &str, name: Option<&str>) -> DocumentVersion {
    DocumentVersion {
        version: number.into(),
        version_name: name.map(Into::into),
        hash: format!("hash-{number}"),
        revision: format!("web-v{number}"),
        created_date: Time(Timestamp::UNIX_EPOCH),
    }
}

/// `web`, whose default version is 1 and whose version 2 is `stable`.
fn document(namespace: &str) -> Document {
    let mut document = Document::new("web", serde_json::from_value(json!({ "content": {} })).unwrap());
    document.metadata.namespace = Some(namespace.into());
    document.status = Some(DocumentStatus {
        default_version: Some("1".into()),
        latest_version: Some("3".into()),
        versions: vec![version("1", None), version("2", Some("stable")), version("3", None)],
        ..DocumentStatus::default()
    });
    document
}

fn association(namespace: &str, version: &str) -> Arc<Association> {
    let spec = json!({ "documentName": "Web", "documentVersion": version });
    let mut association = Association::new("keep", serde_json::from_value(spec).unwrap());
    association.metadata.namespace = Some(namespace.into());
    association.metadata.uid = Some(format!("uid-{namespace}"));
    Arc::new(association)
}

fn command(name: &str, version: &str, status: CommandStatus) -> Command {
    let spec = json!({ "documentName": "web", "documentVersion": version });
    let mut command = Command::new(name, serde_json::from_value(spec).unwrap());
    command.metadata.namespace = Some("shop".into());
    command.metadata.uid = Some(format!("uid-{name}"));
    command.status = Some(status);
    command
}

fn began_with(number: &str) -> CommandStatus {
    CommandStatus {
        status: Some(RunStatus::InProgress),
        document_version: Some(number.into()),
        document_hash: Some(format!("hash-{number}")),
        ..CommandStatus::default()
    }
}

/// What each version of `document` is said to be used by.
fn said(document: &Document, associations: &[Arc<Association>], commands: Vec<Command>) -> Vec<String> {
    let status = document.status.clone().unwrap();
    let has_own = |namespace: &str| namespace == "own";
    let subject = Subject { document, status: &status, library: "library", has_own: &has_own };
    let commands: Vec<_> = commands.into_iter().map(Arc::new).collect();
    let usage = subject.usage(associations, &commands);
    usage.iter().map(|(number, users)| format!("{number} {users}")).collect()
}

#[test]
fn the_default_and_the_newest_version_are_always_in_use() {
    let mut document = document("shop");
    assert_eq!(said(&document, &[], vec![]), ["1 as the default version", "3 as the newest version"]);
    document.status.as_mut().unwrap().default_version = Some("3".into());
    assert_eq!(said(&document, &[], vec![]), ["3 as the default and newest version"]);
}

#[test]
fn associations_use_what_they_resolve_to() {
    let others =
        [association("shop", "stable"), association("shop", "$DEFAULT"), association("elsewhere", "2")];
    let said = said(&document("shop"), &others, vec![]);
    assert_eq!(said[0], "1 as the default version, by Association shop/keep");
    assert_eq!(said[1], "2 by Association shop/keep");
}

#[test]
fn a_document_of_the_library_is_used_from_namespaces_that_have_none_of_the_name() {
    let others = [association("shop", "2"), association("own", "2")];
    assert_eq!(said(&document("library"), &others, vec![])[1], "2 by Association shop/keep");
}

#[test]
fn commands_use_what_they_froze_until_they_have_ended() {
    let ended = CommandStatus { status: Some(RunStatus::Failed), ..began_with("2") };
    let commands = vec![
        command("running", "$DEFAULT", began_with("2")),
        command("ended", "$DEFAULT", ended),
        command(
            "of-an-earlier-document",
            "2",
            CommandStatus { document_hash: Some("other".into()), ..began_with("2") },
        ),
        command("new", "stable", CommandStatus::default()),
    ];
    assert_eq!(said(&document("shop"), &[], commands)[1], "2 by Command shop/new and Command shop/running");
}

#[test]
fn a_document_that_a_running_command_calls_is_in_use() {
    let mut calling = command("calling", "$DEFAULT", self::calling(RunStatus::InProgress));
    calling.spec.document_name = "other".into();
    assert_eq!(said(&document("shop"), &[], vec![calling])[1], "2 by Command shop/calling");
}

/// A Command that the Association `shop/keep` made, the nth.
fn run(number: u8, status: CommandStatus) -> Command {
    let mut command = command(&format!("run-{number}"), "$DEFAULT", status);
    command.metadata.creation_timestamp = Some(Time(Timestamp::from_second(number.into()).unwrap()));
    command.metadata.owner_references = Some(vec![OwnerReference {
        kind: "Association".into(),
        name: "keep".into(),
        uid: "uid-shop".into(),
        controller: Some(true),
        ..OwnerReference::default()
    }]);
    command
}

#[test]
fn commands_of_an_association_are_told_only_where_it_has_gone_on_to_another_version() {
    let others = [association("shop", "2")];
    assert_eq!(
        said(&document("shop"), &others, vec![run(1, began_with("2"))])[1],
        "2 by Association shop/keep"
    );
    assert_eq!(
        said(&document("shop"), &others, vec![run(1, began_with("1"))])[0],
        "1 as the default version, by Command shop/run-1"
    );
}

/// What a Command says that runs another document, which calls version 2 of `web`.
fn calling(state: RunStatus) -> CommandStatus {
    let mut status = CommandStatus { status: Some(state), ..began_with("7") };
    let document = DocumentReference {
        name: "web".into(),
        version: "2".into(),
        hash: "hash-2".into(),
        revision: "web-v2".into(),
        namespace: "shop".into(),
    };
    status.called_documents = vec![CalledDocument { name: "web".into(), version: "stable".into(), document }];
    status
}

#[test]
fn runs_of_an_association_that_call_the_same_at_every_tick_are_no_news() {
    let mut other = Association::clone(&association("shop", "$DEFAULT"));
    other.spec.document_name = "other".into();
    let others = [Arc::new(other)];
    let said = |commands| said(&document("shop"), &others, commands)[1].clone();
    let made = || run(2, CommandStatus::default());
    let ended = || run(1, calling(RunStatus::Success));
    let by_association = "2 by Association shop/keep";
    assert_eq!(said(vec![run(1, calling(RunStatus::InProgress))]), by_association);
    assert_eq!(said(vec![ended()]), by_association, "between two ticks");
    assert_eq!(said(vec![ended(), made()]), by_association, "the next one has not begun");
    assert_eq!(said(vec![ended(), run(2, calling(RunStatus::InProgress))]), by_association);
    let calls_nothing = CommandStatus { status: Some(RunStatus::Success), ..began_with("8") };
    assert_eq!(
        said(vec![ended(), run(2, calls_nothing)]),
        "3 as the newest version",
        "it calls another one now"
    );
}

#[test]
fn what_runs_of_an_association_that_is_gone_call_is_used_until_they_have_ended() {
    let said = |state| said(&document("shop"), &[], vec![run(1, calling(state))])[1].clone();
    assert_eq!(said(RunStatus::InProgress), "2 by Command shop/run-1");
    assert_eq!(said(RunStatus::Failed), "3 as the newest version");
}

#[test]
fn what_was_frozen_from_the_library_stays_in_use_when_the_namespace_gets_a_document_of_the_name() {
    let mut command = command("running", "$DEFAULT", began_with("2"));
    command.metadata.namespace = Some("own".into());
    assert_eq!(said(&document("library"), &[], vec![command])[1], "2 by Command own/running");
}

#[test]
fn a_command_that_is_starting_may_have_frozen_any_version_that_it_sees() {
    let (own, library) = (document("shop"), document("library"));
    let may = |document: &Document, status| {
        let status_of_document = document.status.clone().unwrap();
        let subject =
            Subject { document, status: &status_of_document, library: "library", has_own: &|_| false };
        subject.may_be_frozen_by(&command("c", "$DEFAULT", status))
    };
    assert!(may(&own, CommandStatus::default()) && may(&library, CommandStatus::default()));
    assert!(!may(&document("elsewhere"), CommandStatus::default()));
    assert!(!may(&own, began_with("1")), "it says what it froze");
    let refused = CommandStatus { status: Some(RunStatus::Failed), ..CommandStatus::default() };
    assert!(!may(&own, refused));
}

#[test]
fn of_many_users_the_first_are_told() {
    let commands = (0..8).map(|number| command(&format!("c{number}"), "2", began_with("2"))).collect();
    assert_eq!(
        said(&document("shop"), &[], commands)[1],
        "2 by Command shop/c0, Command shop/c1, Command shop/c2, Command shop/c3, Command shop/c4 and 3 more"
    );
}
