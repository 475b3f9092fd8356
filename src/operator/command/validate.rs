//! What a Command's spec means, or why it cannot run. No client is needed.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector as ApiSelector;
use keelson_api::{CommandSpec, Target as ApiTarget};
use keelson_core::rate::{MaxConcurrency, MaxErrors, RateError};
use keelson_core::target::{LabelSelector, LabelSelectorRequirement, Target, TargetQuery};
use keelson_document::{Bound, Document};
use std::fmt::Display;

/// A spec that can run.
#[derive(Debug)]
pub struct Validated {
    /// Which nodes.
    pub query: TargetQuery,
    /// How many at once and how many errors.
    pub rate: Rate,
    /// The parameters' values.
    pub bound: Bound,
}

/// Rate control as written.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// How many nodes run it at once.
    pub max_concurrency: MaxConcurrency,
    /// How many errors are borne.
    pub max_errors: MaxErrors,
}

/// Why a spec cannot run. AWS refuses such a `SendCommand`; here the Command ends at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `PascalCase`, for a condition.
    pub reason: &'static str,
    /// Where in the spec, what, and how to mend it.
    pub message: String,
}

/// Checks everything that `document` does not decide first, then the parameters against it.
pub fn validate(spec: &CommandSpec, document: &Document) -> Result<Validated, Refusal> {
    let query = query(&spec.targets, spec.label_selector.as_ref(), &spec.exclude)?;
    let rate = rate(spec)?;
    let bound = document.bind(&spec.parameters).map_err(|errors| Refusal {
        reason: "InvalidParameters",
        message: joined(errors.0.iter().map(|problem| format!("spec.{problem}"))),
    })?;
    let stored = document.store_references(bound.values());
    if let Some(first) = stored.first() {
        let message = format!(
            "{first}: refers to AWS's parameter store, which is not read: give the value as a parameter of the Command"
        );
        return Err(Refusal { reason: "ParameterStoreReference", message });
    }
    Ok(Validated { query, rate, bound })
}

/// Rate control of a spec.
pub fn rate(spec: &CommandSpec) -> Result<Rate, Refusal> {
    let refuse = |reason| move |error: RateError| Refusal { reason, message: format!("spec.{error}") };
    Ok(Rate {
        max_concurrency: MaxConcurrency::parse(&spec.max_concurrency)
            .map_err(refuse("InvalidMaxConcurrency"))?,
        max_errors: MaxErrors::parse(&spec.max_errors).map_err(refuse("InvalidMaxErrors"))?,
    })
}

/// Which nodes a spec means, be it a Command's or that of something that makes Commands.
pub fn query(
    among: &[ApiTarget],
    label_selector: Option<&ApiSelector>,
    exclude: &[ApiTarget],
) -> Result<TargetQuery, Refusal> {
    TargetQuery::parse(&targets(among), label_selector.map(selector), &targets(exclude))
        .map_err(|errors| Refusal { reason: "InvalidTargets", message: joined(errors.iter()) })
}

fn targets(targets: &[ApiTarget]) -> Vec<Target> {
    targets.iter().map(|target| Target { key: target.key.clone(), values: target.values.clone() }).collect()
}

fn selector(selector: &ApiSelector) -> LabelSelector {
    let requirements = selector.match_expressions.iter().flatten();
    LabelSelector {
        match_labels: selector.match_labels.clone().unwrap_or_default(),
        match_expressions: requirements
            .map(|requirement| LabelSelectorRequirement {
                key: requirement.key.clone(),
                operator: requirement.operator.clone(),
                values: requirement.values.clone().unwrap_or_default(),
            })
            .collect(),
    }
}

fn joined(problems: impl Iterator<Item = impl Display>) -> String {
    problems.map(|problem| problem.to_string()).collect::<Vec<_>>().join("; ")
}
