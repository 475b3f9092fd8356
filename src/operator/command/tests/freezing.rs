//! Which nodes are frozen, and how they are kept.

use serde_json::json;

use super::fleet::{command, frozen, node, spec, target};
use crate::command::freeze::{
    Frozen, FrozenTarget, decode, encode, first_list, further_lists, is_of, select,
};
use crate::command::validate::validate;
use kube::ResourceExt;

fn chosen(mut fields: serde_json::Value) -> Vec<String> {
    fields["parameters"] = json!({ "port": ["8080"] });
    let nodes = [
        node("mi-3", &[("Role", "db")], true),
        node("mi-1", &[("Role", "web")], true),
        node("mi-2", &[("Role", "web"), ("Stage", "retired")], false),
    ];
    let spec = spec(fields);
    let document = keelson_document::parse(super::validation::DOCUMENT).unwrap();
    let query = validate(&spec, &document).unwrap().query;
    select(&spec, &query, &nodes).into_iter().map(|target| target.name).collect()
}

#[test]
fn targets_are_those_that_match_by_name() {
    assert_eq!(chosen(json!({})), ["mi-1", "mi-2", "mi-3"]);
    assert_eq!(chosen(json!({ "targets": [{ "key": "tag:Role", "values": ["web"] }] })), ["mi-1", "mi-2"]);
    let exclude = json!({ "exclude": [{ "key": "tag:Stage", "values": ["retired"] }] });
    assert_eq!(chosen(exclude), ["mi-1", "mi-3"]);
}

#[test]
fn nodes_that_are_away_can_be_left_out() {
    assert_eq!(chosen(json!({ "offlineNodes": "Skip" })), ["mi-1", "mi-3"]);
}

#[test]
fn a_node_that_is_named_and_does_not_exist_is_a_target_that_cannot_be_delivered_to() {
    let named = json!([{ "key": "InstanceIds", "values": ["mi-1", "mi-typo"] }]);
    assert_eq!(chosen(json!({ "targets": named })), ["mi-1", "mi-typo"]);
    assert_eq!(
        chosen(json!({ "targets": named, "exclude": [{ "key": "InstanceIds", "values": ["mi-typo"] }] })),
        ["mi-1"]
    );
    let both = json!([named[0], { "key": "tag:Role", "values": ["web"] }]);
    assert_eq!(chosen(json!({ "targets": both })), ["mi-1"]);
}

fn written_and_read(frozen: &Frozen) -> (usize, Frozen) {
    let maps = encode(&command(json!({})), frozen).unwrap();
    let (first, further) = maps.split_last().unwrap();
    assert_eq!(first.name_any(), first_list(&command(json!({}))));
    let names: Vec<_> = further.iter().map(ResourceExt::name_any).collect();
    assert_eq!(further_lists(first).unwrap(), names);
    for map in &maps {
        assert_eq!(map.immutable, Some(true));
        assert_eq!(map.owner_references()[0].uid, "0b0b0b0b-command");
        let bytes: usize = map.data.iter().flatten().map(|(key, value)| key.len() + value.len()).sum();
        assert!(bytes < 1_000_000, "the API server takes 1 MiB");
    }
    (maps.len(), decode(first, further).unwrap())
}

#[test]
fn what_was_frozen_reads_back_as_it_was() {
    let few = frozen(vec![target("mi-1"), target("mi-2")]);
    let (maps, read) = written_and_read(&few);
    assert_eq!(maps, 1);
    assert_eq!(read, few);
}

#[test]
fn many_targets_with_long_names_fill_several_lists_in_order() {
    let long = |number: usize| FrozenTarget {
        name: format!("mi-{number:05}"),
        uid: format!("{number:036}"),
        hostname: "h".repeat(253),
    };
    let many = frozen((0..12_000).map(long).collect());
    let (maps, read) = written_and_read(&many);
    assert!(maps > 3, "{maps}");
    assert_eq!(read.targets, many.targets);
    assert_eq!(read.lists.len(), maps);
}

#[test]
fn an_attempt_that_was_cut_short_writes_the_same_lists_under_the_same_names() {
    let many = frozen((0..11_000).map(|number| target(&format!("mi-{number:05}"))).collect());
    let first = encode(&command(json!({})), &many).unwrap();
    assert_eq!(first, encode(&command(json!({})), &many).unwrap());
    let mut other = many.clone();
    other.targets[7000].hostname = "moved".into();
    let names = |frozen: &Frozen| {
        let maps = encode(&command(json!({})), frozen).unwrap();
        maps.iter().map(ResourceExt::name_any).collect::<Vec<_>>()
    };
    assert_ne!(names(&many)[0], names(&other)[0], "another content is never taken for it");
}

#[test]
fn called_documents_and_strictness_are_frozen_too_and_absent_in_lists_of_an_older_version() {
    let mut strict = frozen(vec![target("mi-1")]);
    strict.fail_fast = true;
    strict.strict_scripts = true;
    strict.called_documents = vec![keelson_api::CalledDocument {
        name: "child".into(),
        version: "stable".into(),
        document: strict.document.clone(),
    }];
    assert_eq!(written_and_read(&strict).1, strict);
    let mut older = encode(&command(json!({})), &strict).unwrap().remove(0);
    older
        .data
        .as_mut()
        .unwrap()
        .retain(|key, _| !["calledDocuments", "failFast", "strictScripts"].contains(&key.as_str()));
    assert_eq!(decode(&older, &[]).unwrap(), frozen(vec![target("mi-1")]));
}

#[test]
fn a_list_that_the_command_does_not_own_or_that_can_change_is_not_its_own() {
    let own = encode(&command(json!({})), &frozen(vec![target("mi-1")])).unwrap().remove(0);
    assert!(is_of(&command(json!({})), &own));
    let mut other = command(json!({}));
    other.metadata.uid = Some("0b0b0b0b-another".into());
    assert!(!is_of(&other, &own));
    let mut changeable = own.clone();
    changeable.immutable = None;
    assert!(!is_of(&command(json!({})), &changeable));
    let mut stray = own;
    stray.metadata.owner_references = None;
    assert!(!is_of(&command(json!({})), &stray));
}

#[test]
fn a_list_that_somebody_else_wrote_is_not_believed() {
    let maps = encode(&command(json!({})), &frozen(vec![target("mi-1")])).unwrap();
    let mut map = maps[0].clone();
    map.data.as_mut().unwrap().insert("targets".into(), "{}".into());
    assert_eq!(decode(&map, &[]), None);
    map.data = None;
    assert_eq!(decode(&map, &[]), None);
}
