use super::*;

fn target(key: &str, values: &[&str]) -> Target {
    Target { key: key.to_owned(), values: values.iter().map(ToString::to_string).collect() }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

struct Node {
    name: &'static str,
    tags: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
}

impl Node {
    fn view(&self) -> NodeView<'_> {
        NodeView { name: self.name, tags: &self.tags, labels: &self.labels }
    }
}

fn fleet() -> [Node; 3] {
    [
        Node {
            name: "mi-1",
            tags: map(&[("Role", "web"), ("Env", "prod")]),
            labels: map(&[("zone", "a"), ("rack", "")]),
        },
        Node { name: "mi-2", tags: map(&[("Role", "db"), ("Env", "prod")]), labels: map(&[("zone", "b")]) },
        Node { name: "mi-3", tags: map(&[("Role", "web"), ("Env", "")]), labels: map(&[]) },
    ]
}

fn matched(targets: &[Target], selector: Option<LabelSelector>, exclude: &[Target]) -> Vec<&'static str> {
    let query = TargetQuery::parse(targets, selector, exclude).unwrap();
    fleet().iter().filter(|node| query.matches(&node.view())).map(|node| node.name).collect()
}

fn refused(targets: &[Target], selector: Option<LabelSelector>, exclude: &[Target]) -> Vec<String> {
    let errors = TargetQuery::parse(targets, selector, exclude).unwrap_err();
    errors.iter().map(ToString::to_string).collect()
}

fn requirement(key: &str, operator: &str, values: &[&str]) -> LabelSelector {
    LabelSelector {
        match_expressions: vec![LabelSelectorRequirement {
            key: key.to_owned(),
            operator: operator.to_owned(),
            values: values.iter().map(ToString::to_string).collect(),
        }],
        ..LabelSelector::default()
    }
}

#[test]
fn values_of_one_target_are_alternatives() {
    assert_eq!(matched(&[target("tag:Role", &["web", "db"])], None, &[]), ["mi-1", "mi-2", "mi-3"]);
    assert_eq!(matched(&[target("InstanceIds", &["mi-2", "mi-9"])], None, &[]), ["mi-2"]);
}

#[test]
fn all_targets_and_the_selector_have_to_hold() {
    let both = [target("tag:Role", &["web"]), target("tag:Env", &["prod"])];
    assert_eq!(matched(&both, None, &[]), ["mi-1"]);
    let selector = requirement("zone", "Exists", &[]);
    assert_eq!(matched(&[target("tag:Role", &["web"])], Some(selector), &[]), ["mi-1"]);
}

#[test]
fn tags_are_told_apart_by_case_and_may_have_an_empty_value() {
    assert!(matched(&[target("tag:role", &["web"])], None, &[]).is_empty());
    assert!(matched(&[target("tag:Role", &["Web"])], None, &[]).is_empty());
    assert_eq!(matched(&[target("tag:Env", &[""])], None, &[]), ["mi-3"]);
}

#[test]
fn a_tag_key_asks_only_whether_the_tag_is_there() {
    assert_eq!(matched(&[target("tag-key", &["Env", "Nope"])], None, &[]), ["mi-1", "mi-2", "mi-3"]);
    assert!(matched(&[target("tag-key", &["Nope"])], None, &[]).is_empty());
}

#[test]
fn a_star_is_every_node() {
    assert_eq!(matched(&[target("InstanceIds", &["*"])], None, &[]), ["mi-1", "mi-2", "mi-3"]);
}

#[test]
fn a_node_is_left_out_when_any_exclusion_matches() {
    let everyone = [target("InstanceIds", &["*"])];
    let exclude = [target("tag:Role", &["db"]), target("InstanceIds", &["mi-3"])];
    assert_eq!(matched(&everyone, None, &exclude), ["mi-1"]);
}

#[test]
fn a_label_selector_means_what_it_means_in_kubernetes() {
    let by = |selector| matched(&[], Some(selector), &[]);
    assert_eq!(by(requirement("zone", "In", &["a", "c"])), ["mi-1"]);
    assert_eq!(by(requirement("zone", "NotIn", &["a"])), ["mi-2", "mi-3"]);
    assert_eq!(by(requirement("rack", "Exists", &[])), ["mi-1"]);
    assert_eq!(by(requirement("zone", "DoesNotExist", &[])), ["mi-3"]);
    assert_eq!(by(LabelSelector::default()), ["mi-1", "mi-2", "mi-3"]);
    let labels = LabelSelector { match_labels: map(&[("zone", "b")]), ..LabelSelector::default() };
    assert_eq!(by(labels), ["mi-2"]);
}

#[test]
fn nothing_at_all_is_refused_rather_than_taken_for_everything() {
    assert_eq!(
        refused(&[], None, &[target("tag:Role", &["db"])]),
        [
            "spec.targets: no targets and no labelSelector; name what it is for; key InstanceIds with the value * \
          means every node"
        ]
    );
}

#[test]
fn every_mistake_is_told_at_once_with_its_place_and_mend() {
    let targets = [
        target("tag:Role", &["web"]),
        target("Role", &["web"]),
        target("resource-groups:Name", &["mine"]),
        target("tag:", &["x"]),
        target("tag-key", &[]),
    ];
    let errors = refused(&targets, None, &[target("tag:A", &["v"; 51])]);
    assert_eq!(
        errors,
        [
            "spec.targets[1].key: unknown key \"Role\"; use InstanceIds (node names, or * for every node), \
             tag:<name>, or tag-key",
            "spec.targets[2].key: \"resource-groups:Name\" is AWS's, but not supported by Keelson; use InstanceIds \
             (node names, or * for every node), tag:<name>, or tag-key",
            "spec.targets[3].key: \"tag:\" names no tag; write tag:<name>, such as tag:Role",
            "spec.targets[4].values: no values; give 1 to 50 for tag-key",
            "spec.exclude[0].values: 51 values; give 1 to 50 for tag:A",
        ]
    );
}

#[test]
fn limits_are_aws_except_that_a_thousand_nodes_may_be_named() {
    let names: Vec<String> = (0..1001).map(|number| format!("mi-{number}")).collect();
    let first = |count: usize| [Target { key: "InstanceIds".to_owned(), values: names[..count].to_vec() }];
    assert!(TargetQuery::parse(&first(1000), None, &[]).is_ok());
    assert_eq!(
        refused(&first(1001), None, &[]),
        ["spec.targets[0].values: 1001 values; give 1 to 1000 for InstanceIds"]
    );
    let six: Vec<Target> = (0..6).map(|number| target(&format!("tag:T{number}"), &["x"])).collect();
    assert!(TargetQuery::parse(&six[..5], None, &[]).is_ok());
    assert_eq!(refused(&six, None, &[]), ["spec.targets: 6 targets; 5 at most"]);
}

#[test]
fn a_selector_that_kubernetes_would_refuse_is_refused() {
    let errors = |selector| refused(&[], Some(selector), &[]);
    let at = "spec.labelSelector.matchExpressions[0]";
    assert_eq!(
        errors(requirement("zone", "Is", &["a"])),
        [format!("{at}.operator: unknown operator \"Is\"; use In, NotIn, Exists, or DoesNotExist")]
    );
    assert_eq!(
        errors(requirement("zone", "In", &[])),
        [format!("{at}.values: no values; operator In takes at least one")]
    );
    assert_eq!(
        errors(requirement("zone", "Exists", &["a"])),
        [format!("{at}.values: values; operator Exists takes none")]
    );
    assert_eq!(errors(requirement("a/b/c", "In", &["not ok"])).len(), 2);
    let labels = LabelSelector { match_labels: map(&[("-", "ok")]), ..LabelSelector::default() };
    assert_eq!(errors(labels).len(), 1);
}

#[test]
fn tags_become_labels_only_where_they_can() {
    assert_eq!(tag_label("Role").as_deref(), Some("tag.keelson.dev/Role"));
    assert_eq!(tag_label("a_b.c-1").as_deref(), Some("tag.keelson.dev/a_b.c-1"));
    for key in ["", "aws:cloudformation:stack-name", "a b", "-a", "a.", "é", "a/b", &"a".repeat(64)] {
        assert_eq!(tag_label(key), None, "{key:?}");
    }
    assert!(valid_label_value("") && valid_label_value("Web-1") && valid_label_value(&"a".repeat(63)));
    assert!(!valid_label_value("a b") && !valid_label_value("_a") && !valid_label_value(&"a".repeat(64)));
}

#[test]
fn targets_are_written_as_aws_writes_them() {
    let query: Target = serde::Deserialize::deserialize(serde::de::value::MapDeserializer::<
        _,
        serde::de::value::Error,
    >::new([("key", "tag-key")].into_iter()))
    .unwrap();
    assert_eq!(query, target("tag-key", &[]));
}
