//! What an Association's spec means, or why it cannot be followed.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use keelson_api::{Association, AssociationSpec, CommandSpec};
use keelson_core::names::document_name;
use keelson_core::schedule::Schedule;
use keelson_core::target::TargetQuery;
use keelson_document::Document;
use kube::ResourceExt as _;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::build;
use super::memory::Memory;
use crate::command::validate;
use crate::context::Context;
use crate::documents::{self, Unresolved};
use crate::error::Error;

/// A spec that can be followed.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// When it runs.
    pub schedule: Option<Schedule>,
    /// Which nodes.
    pub query: Arc<TargetQuery>,
    /// A hash of everything whose change makes it run.
    pub hash: String,
    /// What a Command for every node looks like.
    pub command: CommandSpec,
}

/// Why a spec cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `PascalCase`, for a condition.
    pub reason: &'static str,
    /// Where in the spec, what, and how to mend it.
    pub message: String,
}

impl Problem {
    /// Whether it goes away by itself where Document and Association are applied together.
    pub fn may_pass(&self) -> bool {
        matches!(self.reason, "DocumentNotFound" | "DocumentNotReady")
    }
}

impl From<Unresolved> for Problem {
    fn from(unresolved: Unresolved) -> Self {
        Self { reason: unresolved.reason, message: unresolved.message }
    }
}

/// Checks a spec. The document's content is read only where it or the spec changed since the last check.
pub async fn accept(
    context: &Context,
    memory: &Memory,
    association: &Association,
    now: Timestamp,
) -> Result<Result<Accepted, Problem>, Error> {
    let (spec, namespace) = (&association.spec, association.namespace().unwrap_or_default());
    let schedule = match schedule(spec) {
        Ok(schedule) => schedule,
        Err(problem) => return Ok(Err(problem)),
    };
    let found = documents::find_runnable(context, &namespace, &spec.document_name, &spec.document_version);
    let (document, version) = match found {
        Ok(found) => found,
        Err(unresolved) => return Ok(Err(unresolved.into())),
    };
    let strictness = Strictness {
        fail_fast: spec.fail_fast.unwrap_or(document.spec.fail_fast),
        strict_scripts: spec.strict_scripts.unwrap_or(document.spec.strict_scripts),
    };
    let hash = applied_hash(spec, &version.hash, strictness)?;
    let command = build::spec(association, &version.version, schedule.as_ref(), now);
    let fingerprint = format!("{hash} {} {}", spec.max_concurrency, spec.max_errors);
    let verdict = match memory.verdict(association, &fingerprint) {
        Some(verdict) => verdict,
        None => match documents::resolve(context, &namespace, &spec.document_name, &version.version).await? {
            Err(unresolved) => return Ok(Err(unresolved.into())),
            Ok(document) => memory.judge(association, fingerprint, check(&command, &document.content)),
        },
    };
    Ok(verdict.map(|query| Accepted { schedule, query, hash, command }))
}

/// The checks that the Command will have to pass.
fn check(command: &CommandSpec, content: &Document) -> Result<Arc<TargetQuery>, Problem> {
    match validate(command, content) {
        Ok(validated) => Ok(Arc::new(validated.query)),
        Err(refusal) => Err(Problem { reason: refusal.reason, message: refusal.message }),
    }
}

fn schedule(spec: &AssociationSpec) -> Result<Option<Schedule>, Problem> {
    spec.schedule_expression.as_deref().map(Schedule::parse).transpose().map_err(|error| Problem {
        reason: "InvalidSchedule",
        message: format!("spec.scheduleExpression: {error}"),
    })
}

/// How failures count in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct Strictness {
    fail_fast: bool,
    strict_scripts: bool,
}

/// The hash of what is applied to whom and when; the document counts by its content.
fn applied_hash(
    spec: &AssociationSpec,
    document_hash: &str,
    strictness: Strictness,
) -> Result<String, Error> {
    let mut parts = serde_json::to_vec(&(
        document_name(&spec.document_name),
        document_hash,
        &spec.parameters,
        &spec.targets,
        &spec.exclude,
        &spec.label_selector,
        &spec.schedule_expression,
    ))?;
    // Only where it is strict at all: a hash of the time before there was a choice still holds.
    if strictness != Strictness::default() {
        parts.extend(serde_json::to_vec(&strictness)?);
    }
    let digest = Sha256::digest(parts);
    Ok(digest.iter().take(16).fold(String::with_capacity(32), |hex, byte| hex + &format!("{byte:02x}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::association::fixtures::association;

    #[test]
    fn an_invalid_schedule_is_told_with_its_path_and_mend() {
        let mut association = association();
        association.spec.schedule_expression = Some("rate(30 second)".into());
        let problem = schedule(&association.spec).unwrap_err();
        assert_eq!(problem.reason, "InvalidSchedule");
        assert!(problem.message.starts_with("spec.scheduleExpression: "), "{}", problem.message);
        assert!(problem.message.contains("use minutes, hours or days"), "{}", problem.message);
    }

    #[test]
    fn wrong_parameters_and_targets_are_told_with_their_paths() {
        let content = keelson_document::parse(
            "schemaVersion: '2.2'\nparameters: {port: {type: Integer}}\nmainSteps: [{action: 'aws:runShellScript', name: a, inputs: {runCommand: ['true']}}]",
        )
        .unwrap();
        let mut association = association();
        let command = |association: &Association| build::spec(association, "1", None, Timestamp::UNIX_EPOCH);
        let problem = check(&command(&association), &content).unwrap_err();
        assert_eq!(problem.reason, "InvalidParameters");
        assert!(problem.message.contains("spec.parameters.port"), "{}", problem.message);
        association.spec.parameters.insert("port".into(), vec!["80".into()]);
        assert!(check(&command(&association), &content).is_ok());
        association.spec.targets[0].key = "Role".into();
        let problem = check(&command(&association), &content).unwrap_err();
        assert!(problem.message.contains("spec.targets[0].key"), "{}", problem.message);
    }

    #[test]
    fn what_is_applied_changes_with_content_parameters_targets_and_schedule_only() {
        let association = association();
        let hash = |change: &dyn Fn(&mut AssociationSpec), document: &str| {
            let mut spec = association.spec.clone();
            change(&mut spec);
            applied_hash(&spec, document, Strictness::default()).unwrap()
        };
        let same = hash(&|_| {}, "d1");
        assert_ne!(hash(&|_| {}, "d2"), same);
        assert_ne!(hash(&|spec| drop(spec.parameters.insert("a".into(), vec![])), "d1"), same);
        assert_ne!(hash(&|spec| spec.targets[0].values.push("db".into()), "d1"), same);
        assert_ne!(hash(&|spec| spec.schedule_expression = Some("rate(1 hour)".into()), "d1"), same);
        assert_eq!(hash(&|spec| spec.max_errors = "3".into(), "d1"), same);
        assert_eq!(hash(&|spec| spec.suspend = true, "d1"), same);
        assert_eq!(hash(&|spec| spec.document_version = "1".into(), "d1"), same);
        let strict = Strictness { strict_scripts: true, ..Strictness::default() };
        assert_ne!(applied_hash(&association.spec, "d1", strict).unwrap(), same);
    }
}
