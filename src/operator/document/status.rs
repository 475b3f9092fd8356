//! What a Document's status says.

use keelson_api::{Document, DocumentParameter, DocumentStatus, DocumentVersion, condition};
use keelson_document::{Document as Content, Errors};

use crate::context::{Context, now};
use crate::error::Error;
use crate::patch::apply_status;

const MANAGER: &str = "keelson/document";

/// What came of the content.
pub enum Outcome {
    /// It cannot be run.
    Invalid(Errors),
    /// It can.
    Valid {
        /// All versions, oldest first.
        versions: Vec<DocumentVersion>,
        /// The default one; `None` where `spec.defaultVersion` names none of them.
        default: Option<(String, Content)>,
    },
}

/// The number that `spec.defaultVersion` means, if it is there.
pub fn default_number(wanted: &str, versions: &[DocumentVersion]) -> Option<String> {
    match wanted {
        "$LATEST" => versions.last().map(|version| version.version.clone()),
        number => {
            versions.iter().find(|version| version.version == number).map(|version| version.version.clone())
        }
    }
}

/// Writes the status if it changed, and an Event if the content became invalid.
pub async fn update(context: &Context, document: &Document, outcome: Outcome) -> Result<(), Error> {
    let old = document.status.clone().unwrap_or_default();
    let status = next(document, &old, outcome);
    if status == old {
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

fn next(document: &Document, old: &DocumentStatus, outcome: Outcome) -> DocumentStatus {
    let mut status = DocumentStatus { observed_generation: document.metadata.generation, ..old.clone() };
    let verdict = match outcome {
        Outcome::Invalid(problems) => Err(("InvalidContent", format!("spec.content: {problems}"))),
        Outcome::Valid { versions, default } => {
            status.latest_version = versions.last().map(|version| version.version.clone());
            status.versions = versions;
            match default {
                Some((number, content)) => {
                    describe(&mut status, &number, &content);
                    Ok(format!("version {number} is the default of {}", status.versions.len()))
                }
                None => Err(("VersionNotFound", missing_default(document, &status.versions))),
            }
        }
    };
    let (generation, conditions) = (document.metadata.generation, &mut status.conditions);
    match verdict {
        Ok(message) => {
            condition::set(conditions, generation, now(), condition::READY, true, "Valid", &message);
            condition::remove(conditions, condition::STALLED);
        }
        Err((reason, message)) => {
            condition::set(conditions, generation, now(), condition::READY, false, reason, &message);
            condition::set(conditions, generation, now(), condition::STALLED, true, reason, &message);
        }
    }
    status
}

fn describe(status: &mut DocumentStatus, number: &str, content: &Content) {
    status.default_version = Some(number.to_owned());
    status.platform_types = content.platforms().iter().map(ToString::to_string).collect();
    status.parameters = content
        .parameters
        .iter()
        .map(|(name, definition)| DocumentParameter {
            name: name.clone(),
            type_: definition.kind.as_str().to_owned(),
            default_value: definition.default.as_ref().map(ToString::to_string),
            description: definition.description.clone(),
        })
        .collect();
}

fn missing_default(document: &Document, versions: &[DocumentVersion]) -> String {
    let known: Vec<_> = versions.iter().map(|version| version.version.as_str()).collect();
    format!(
        "spec.defaultVersion: there is no version {}; give $LATEST or one of {}",
        document.spec.default_version,
        known.join(", ")
    )
}
