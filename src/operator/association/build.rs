//! The Commands that an Association makes. No client is needed.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use keelson_api::{
    APPLIED_HASH_ANNOTATION, ASSOCIATION_LABEL, Association, CAUSE_ANNOTATION, Command, CommandSpec,
    OfflineNodes, RECONCILE_ANNOTATION, TICK_ANNOTATION, Target,
};
use keelson_core::names::{run_command_name, tick_command_name};
use keelson_core::schedule::Schedule;
use keelson_core::target::valid_label_value;
use kube::api::ObjectMeta;
use kube::{Resource as _, ResourceExt as _};

use super::due::Cause;
use crate::command::FINALIZER;

/// How long a node may take to accept a run, in seconds: the time between two ticks, within these bounds.
const MIN_TIMEOUT: i64 = 30;
const MAX_TIMEOUT: i64 = 600;
/// The Command and its Invocations stay for a day.
const TTL: i64 = 86_400;
/// The API server takes no longer comments.
const MAX_COMMENT: usize = 100;
/// The most names in one target, and the most targets.
const MAX_NAMES: usize = 1000;

/// One run: what it is for, and what it answers.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// Why.
    pub cause: Cause,
    /// The newest tick that it answers.
    pub tick: Option<Timestamp>,
    /// The hash of what it applies.
    pub hash: &'a str,
    /// The request that it answers.
    pub request: Option<&'a str>,
    /// The Command before, so that the same reason can come again.
    pub previous: Option<&'a str>,
}

/// What a Command for every node that matches looks like.
pub fn spec(
    association: &Association,
    version: &str,
    schedule: Option<&Schedule>,
    now: Timestamp,
) -> CommandSpec {
    let spec = &association.spec;
    let interval = schedule.and_then(|schedule| schedule.interval_hint(now));
    let comment = format!("Association {}", association.name_any());
    CommandSpec {
        document_name: spec.document_name.clone(),
        document_version: version.to_owned(),
        fail_fast: spec.fail_fast,
        strict_scripts: spec.strict_scripts,
        parameters: spec.parameters.clone(),
        targets: spec.targets.clone(),
        label_selector: spec.label_selector.clone(),
        exclude: spec.exclude.clone(),
        max_concurrency: spec.max_concurrency.clone(),
        max_errors: spec.max_errors.clone(),
        timeout_seconds: interval
            .map_or(MAX_TIMEOUT, |interval| interval.as_secs().clamp(MIN_TIMEOUT, MAX_TIMEOUT)),
        offline_nodes: OfflineNodes::Skip,
        cancel: false,
        comment: Some(comment.chars().take(MAX_COMMENT).collect()),
        ttl_seconds_after_finished: TTL,
    }
}

/// The same for some nodes only; those beyond what one Command can name come with the next.
pub fn for_nodes(spec: &CommandSpec, names: &[String]) -> CommandSpec {
    let values = names.iter().take(MAX_NAMES).cloned().collect();
    let targets = vec![Target { key: "InstanceIds".into(), values }];
    CommandSpec { targets, label_selector: None, exclude: Vec::new(), ..spec.clone() }
}

/// The names that the Command may have, the first that is free of strangers. The same run has the same names, so
/// that it cannot be made twice, whatever crashes when.
pub fn names(association: &Association, spec: &CommandSpec, run: &Run) -> Vec<String> {
    let (name, uid) = (association.name_any(), association.uid().unwrap_or_default());
    let tick = run.tick.map(|tick| tick.to_string()).unwrap_or_default();
    let nodes = if run.cause.is_for_some() { node_names(spec) } else { String::new() };
    let keys = [
        uid.as_str(),
        run.cause.as_str(),
        &tick,
        run.hash,
        run.request.unwrap_or_default(),
        run.previous.unwrap_or_default(),
        &nodes,
    ];
    let hashed = run_command_name(&name, &keys);
    match run.tick {
        Some(tick) => vec![tick_command_name(&name, tick), hashed],
        None => vec![hashed],
    }
}

fn node_names(spec: &CommandSpec) -> String {
    let names = spec.targets.iter().flat_map(|target| &target.values);
    names.map(String::as_str).collect::<Vec<_>>().join(",")
}

/// The Command, owned by the Association.
pub fn command(association: &Association, name: &str, spec: CommandSpec, run: &Run) -> Command {
    let mut command = Command::new(name, spec);
    let association_name = association.name_any();
    let labels = valid_label_value(&association_name)
        .then(|| BTreeMap::from([(ASSOCIATION_LABEL.to_owned(), association_name)]));
    command.metadata = ObjectMeta {
        namespace: association.namespace(),
        labels,
        annotations: Some(annotations(run)),
        owner_references: association.controller_owner_ref(&()).map(|owner| vec![owner]),
        finalizers: Some(vec![FINALIZER.to_owned()]),
        ..command.metadata
    };
    command
}

fn annotations(run: &Run) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::from([(CAUSE_ANNOTATION.to_owned(), run.cause.to_string())]);
    if run.cause.is_for_some() {
        return annotations; // it answers nothing that the Association still waits for
    }
    annotations.insert(APPLIED_HASH_ANNOTATION.to_owned(), run.hash.to_owned());
    let tick = run.tick.map(|tick| (TICK_ANNOTATION.to_owned(), tick.to_string()));
    let request = run.request.map(|request| (RECONCILE_ANNOTATION.to_owned(), request.to_owned()));
    annotations.extend(tick.into_iter().chain(request));
    annotations
}

/// Whether a Command is for nodes that were owed a run, not for all.
pub fn is_catch_up(command: &Command) -> bool {
    let cause = command.annotations().get(CAUSE_ANNOTATION);
    cause.is_some_and(|cause| [Cause::CatchUp, Cause::Refresh].iter().any(|some| some.as_str() == cause))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::association::fixtures::association;

    fn run(cause: Cause) -> Run<'static> {
        Run { cause, tick: None, hash: "h", request: None, previous: None }
    }

    fn first_name(association: &Association, run: &Run) -> String {
        names(association, &spec(association, "1", None, Timestamp::UNIX_EPOCH), run).remove(0)
    }

    #[test]
    fn a_run_has_the_same_name_however_often_it_is_tried() {
        let association = association();
        let tick = Some("2026-11-23T20:45:00Z".parse().unwrap());
        assert_eq!(
            first_name(&association, &Run { tick, ..run(Cause::Tick) }),
            "web-servers-20261123t204500z"
        );
        let change = run(Cause::Change);
        assert_eq!(first_name(&association, &change), first_name(&association, &change));
    }

    #[test]
    fn a_change_forth_and_back_is_another_run() {
        let association = association();
        let first = Run { previous: Some("web-servers-1"), ..run(Cause::Change) };
        let again = Run { previous: Some("web-servers-2"), ..first };
        assert_ne!(first_name(&association, &first), first_name(&association, &again));
    }

    #[test]
    fn an_association_with_a_long_name_goes_without_the_label() {
        let mut association = association();
        association.metadata.name = Some("a".repeat(100));
        let spec = spec(&association, "1", None, Timestamp::UNIX_EPOCH);
        assert!(spec.comment.as_ref().is_some_and(|comment| comment.chars().count() <= MAX_COMMENT));
        assert!(command(&association, "c", spec, &run(Cause::First)).metadata.labels.is_none());
    }

    #[test]
    fn delivery_may_take_as_long_as_an_interval_within_bounds() {
        let timeout = |schedule: Option<&str>| {
            let schedule = schedule.map(|text| Schedule::parse(text).unwrap());
            spec(&association(), "1", schedule.as_ref(), Timestamp::UNIX_EPOCH).timeout_seconds
        };
        assert_eq!(timeout(Some("rate(1 minute)")), 60);
        assert_eq!(timeout(Some("rate(2 hours)")), 600);
        assert_eq!(timeout(None), 600);
    }

    #[test]
    fn a_command_for_some_nodes_answers_nothing_and_has_a_name_of_its_own() {
        let association = association();
        let spec = spec(&association, "1", None, Timestamp::UNIX_EPOCH);
        let name = |cause, nodes: &[&str]| {
            let nodes: Vec<_> = nodes.iter().map(ToString::to_string).collect();
            names(&association, &for_nodes(&spec, &nodes), &run(cause)).remove(0)
        };
        assert_ne!(name(Cause::Refresh, &["a"]), name(Cause::CatchUp, &["a"]));
        assert_ne!(name(Cause::Refresh, &["a"]), name(Cause::Refresh, &["a", "b"]));
        for cause in [Cause::CatchUp, Cause::Refresh] {
            let command = command(&association, "c", spec.clone(), &run(cause));
            assert!(is_catch_up(&command) && !command.annotations().contains_key(APPLIED_HASH_ANNOTATION));
        }
    }

    #[test]
    fn a_command_says_what_it_answers() {
        let association = association();
        let run = Run { request: Some("now"), ..run(Cause::Request) };
        let spec = spec(&association, "7", None, Timestamp::UNIX_EPOCH);
        let command = command(&association, "c", spec, &run);
        assert_eq!(command.annotations()[RECONCILE_ANNOTATION], "now");
        assert_eq!(command.annotations()[APPLIED_HASH_ANNOTATION], "h");
        assert_eq!(command.spec.document_version, "7");
        assert_eq!(command.spec.offline_nodes, OfflineNodes::Skip);
        assert_eq!(command.labels()[ASSOCIATION_LABEL], "web-servers");
    }
}
