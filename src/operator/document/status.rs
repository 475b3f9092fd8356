//! What a Document's status says.

use keelson_api::{Document, DocumentStatus, DocumentVersion, condition};
use keelson_document::Content;

use super::content;
use crate::context::{Context, now};
use crate::documents::{described, listed, meant};
use crate::error::Error;
use crate::patch::apply_status;

use super::MANAGER;

/// What is wrong with a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `PascalCase`, for a condition.
    pub reason: &'static str,
    /// Where in the spec, what, and how to mend it.
    pub message: String,
}

/// A status in the making: with the versions there are, and which of them is default and newest.
pub fn begin(document: &Document, versions: Vec<DocumentVersion>) -> (DocumentStatus, Option<Problem>) {
    let old = document.status.clone().unwrap_or_default();
    let mut status = DocumentStatus {
        observed_generation: document.metadata.generation,
        document_type: Some(document.spec.document_type),
        document_format: Some(content::format(&document.spec)),
        latest_version: versions.last().map(|version| version.version.clone()),
        versions,
        ..old
    };
    let default = meant(&status, &document.spec.default_version).cloned();
    let problem = default.is_none().then(|| missing_default(document, &status.versions));
    match default {
        Some(default) => {
            status.default_version = Some(default.version);
            status.default_version_name = default.version_name;
        }
        // The last one that was meant stays as long as it is there.
        None if meant(&status, "$DEFAULT").is_none() => {
            (status.default_version, status.default_version_name) = (None, None);
        }
        None => {}
    }
    // Without any version there is nothing to choose from, and what is wrong with the content says why.
    let problem = problem.filter(|_| !status.versions.is_empty());
    (status, problem)
}

/// Puts conditions into a status, and what its default version says of itself.
pub fn conclude(
    document: &Document,
    mut status: DocumentStatus,
    default: Option<&Content>,
    problems: &[Problem],
) -> DocumentStatus {
    if let Some(default) = default {
        content::describe(&mut status, default);
    }
    let summary = summary(&status);
    let (generation, conditions) = (document.metadata.generation, &mut status.conditions);
    let Some(first) = problems.first() else {
        condition::set(conditions, generation, now(), condition::READY, true, "Valid", &summary);
        condition::remove(conditions, condition::STALLED);
        return status;
    };
    let messages: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
    let message = messages.join("; ");
    condition::set(conditions, generation, now(), condition::READY, false, first.reason, &message);
    condition::set(conditions, generation, now(), condition::STALLED, true, first.reason, &message);
    status
}

/// Writes the status if it changed, and an Event if something became wrong.
pub async fn update(context: &Context, document: &Document, status: &DocumentStatus) -> Result<(), Error> {
    let old = document.status.clone().unwrap_or_default();
    if *status == old {
        return Ok(());
    }
    let stalled = condition::get(&status.conditions, condition::STALLED);
    if let Some(stalled) = stalled
        && condition::get(&old.conditions, condition::STALLED)
            .is_none_or(|old| old.message != stalled.message)
    {
        context.events.warning(document, &stalled.reason, "Validate", &stalled.message).await;
    }
    apply_status(&context.client, document, MANAGER, &status).await?;
    Ok(())
}

fn summary(status: &DocumentStatus) -> String {
    let default = meant(status, "$DEFAULT").map(described).unwrap_or_default();
    format!("version {default} is the default of {}", status.versions.len())
}

fn missing_default(document: &Document, versions: &[DocumentVersion]) -> Problem {
    Problem {
        reason: "VersionNotFound",
        message: format!(
            "spec.defaultVersion: there is no version {}; give $LATEST or one of {}",
            document.spec.default_version,
            listed(versions)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;
    use serde_json::json;

    fn document(default_version: &str) -> Document {
        let spec = json!({ "content": {}, "defaultVersion": default_version });
        let mut document = Document::new("web", serde_json::from_value(spec).unwrap());
        document.metadata.generation = Some(4);
        document
    }

    fn versions() -> Vec<DocumentVersion> {
        [("1", Some("stable")), ("2", None)]
            .map(|(number, name)| DocumentVersion {
                version: number.into(),
                version_name: name.map(Into::into),
                hash: number.into(),
                revision: format!("web-v{number}"),
                created_date: Time(Timestamp::UNIX_EPOCH),
            })
            .to_vec()
    }

    #[test]
    fn the_default_version_is_told_by_number_and_name_however_the_spec_gives_it() {
        for (given, number, name) in
            [("$LATEST", "2", None), ("1", "1", Some("stable")), ("stable", "1", Some("stable"))]
        {
            let (status, problem) = begin(&document(given), versions());
            assert_eq!(problem, None);
            assert_eq!(status.default_version.as_deref(), Some(number));
            assert_eq!(status.default_version_name.as_deref(), name);
            assert_eq!(status.latest_version.as_deref(), Some("2"));
        }
    }

    #[test]
    fn a_default_that_is_not_there_is_told_and_what_was_meant_before_stays() {
        let mut document = document("stabel");
        document.status = Some(begin(&self::document("stable"), versions()).0);
        let (status, problem) = begin(&document, versions());
        let problem = problem.unwrap();
        assert_eq!(
            problem.message,
            "spec.defaultVersion: there is no version stabel; give $LATEST or one of 1 (stable), 2"
        );
        assert_eq!(status.default_version.as_deref(), Some("1"));
        let status = conclude(&document, status, None, &[problem]);
        assert!(condition::is_true(&status.conditions, condition::STALLED));
        assert_eq!(condition::breach(&status.conditions), None);
    }

    #[test]
    fn a_problem_that_is_mended_leaves_nothing_behind() {
        let (status, _) = begin(&document("stable"), versions());
        let problem = Problem { reason: "InvalidContent", message: "spec.content: no".into() };
        let stalled = conclude(&document("stable"), status, None, &[problem]);
        let mended = conclude(&document("stable"), stalled, None, &[]);
        let ready = condition::get(&mended.conditions, condition::READY).unwrap();
        assert_eq!(ready.message, "version 1 (stable) is the default of 2");
        assert!(condition::get(&mended.conditions, condition::STALLED).is_none());
    }
}
