//! What becomes of a Document's content: the version that it is already, or the next one, and under which name. Pure.

use keelson_api::{DocumentStatus, DocumentVersion};

use super::status::Problem;
use crate::documents::described;

/// A name that is another version's, or a version that has another name.
const NAME_TAKEN: &str = "VersionNameTaken";

/// What to do so that the newest version is the content.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it is.
    Keep,
    /// Name the newest version, which it is.
    Name(String),
    /// Make a version.
    Make {
        /// Its number.
        number: i64,
        /// Its name.
        name: Option<String>,
    },
    /// It cannot be.
    Refuse(Problem),
}

/// Decides, from the versions that are stored (oldest first), those that the status knew, the hash of the content and
/// the name that is wanted for it.
pub fn next(
    stored: &[DocumentVersion],
    status: Option<&DocumentStatus>,
    hash: &str,
    name: Option<&str>,
) -> Next {
    let latest = stored.last();
    let same = latest.filter(|latest| latest.hash == hash);
    let named =
        name.and_then(|name| stored.iter().find(|version| version.version_name.as_deref() == Some(name)));
    match (name, same, named) {
        (None, Some(_), _) => Next::Keep,
        (Some(_), Some(same), Some(holder)) if same.version == holder.version => Next::Keep,
        (Some(name), _, Some(holder)) => Next::Refuse(taken(name, holder, hash)),
        (Some(name), Some(same), None) => match &same.version_name {
            Some(earlier) => Next::Refuse(renamed(name, same, earlier)),
            None => Next::Name(name.to_owned()),
        },
        (_, None, _) => make(latest, status, hash, name),
    }
}

/// A number is never given to other content, even where the newest version was deleted; the same content gets it back.
fn make(
    latest: Option<&DocumentVersion>,
    status: Option<&DocumentStatus>,
    hash: &str,
    name: Option<&str>,
) -> Next {
    let number = |version: &DocumentVersion| version.version.parse::<i64>().unwrap_or(0);
    let highest = latest.map_or(0, number);
    let known = status.and_then(|status| status.versions.last()).filter(|known| number(known) > highest);
    let name = name.map(ToOwned::to_owned);
    match known {
        Some(known) if known.hash == hash => {
            Next::Make { number: number(known), name: name.or_else(|| known.version_name.clone()) }
        }
        Some(known) => Next::Make { number: number(known).saturating_add(1), name },
        None => Next::Make { number: highest.saturating_add(1), name },
    }
}

fn taken(name: &str, holder: &DocumentVersion, hash: &str) -> Problem {
    let mend = if holder.hash == hash {
        format!(
            "which has this content: give spec.defaultVersion {name:?} to go back to it, or give the content another name"
        )
    } else {
        "and never names another: give this content another name, or none".to_owned()
    };
    Problem {
        reason: NAME_TAKEN,
        message: format!("spec.versionName: {name:?} names version {} already, {mend}", holder.version),
    }
}

fn renamed(name: &str, version: &DocumentVersion, earlier: &str) -> Problem {
    Problem {
        reason: NAME_TAKEN,
        message: format!(
            "spec.versionName: version {} has a name already, and keeps it: give {earlier:?} again, or change \
             spec.content so that {name:?} names another version",
            described(version)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    fn version(number: i64, hash: &str, name: Option<&str>) -> DocumentVersion {
        DocumentVersion {
            version: number.to_string(),
            version_name: name.map(Into::into),
            hash: hash.into(),
            revision: format!("d-v{number}"),
            created_date: Time(Timestamp::UNIX_EPOCH),
        }
    }

    fn make(number: i64, name: Option<&str>) -> Next {
        Next::Make { number, name: name.map(Into::into) }
    }

    fn refusal(next: Next) -> String {
        match next {
            Next::Refuse(problem) => problem.message,
            other => format!("{other:?} is no refusal"),
        }
    }

    #[test]
    fn changed_content_is_the_next_version_and_unchanged_content_none() {
        assert_eq!(next(&[], None, "a", None), make(1, None));
        let stored = [version(1, "a", None), version(2, "b", None)];
        assert_eq!(next(&stored, None, "b", None), Next::Keep);
        assert_eq!(next(&stored, None, "c", Some("new")), make(3, Some("new")));
        assert_eq!(next(&stored, None, "a", None), make(3, None), "old content again is a new version");
    }

    #[test]
    fn the_newest_version_can_be_named_once() {
        assert_eq!(next(&[version(1, "a", None)], None, "a", Some("one")), Next::Name("one".into()));
        let named = [version(1, "a", Some("one"))];
        assert_eq!(next(&named, None, "a", Some("one")), Next::Keep);
        assert_eq!(
            next(&named, None, "a", None),
            Next::Keep,
            "the name stays where the spec has none any more"
        );
        let said = refusal(next(&named, None, "a", Some("two")));
        assert!(said.starts_with("spec.versionName: version 1 (one) has a name already"), "{said}");
    }

    #[test]
    fn a_name_never_moves_to_other_content() {
        let stored = [version(1, "a", Some("one")), version(2, "b", None)];
        let said = refusal(next(&stored, None, "c", Some("one")));
        assert!(said.contains("\"one\" names version 1 already") && said.contains("another name"), "{said}");
        let said = refusal(next(&stored, None, "b", Some("one")));
        assert!(said.contains("\"one\" names version 1 already"), "{said}");
        let said = refusal(next(&stored, None, "a", Some("one")));
        assert!(said.contains("spec.defaultVersion \"one\""), "going back is another thing to write: {said}");
    }

    #[test]
    fn the_number_of_a_version_that_was_deleted_is_not_given_to_other_content() {
        let stored = [version(1, "a", None)];
        let status = DocumentStatus {
            versions: vec![version(1, "a", None), version(2, "b", Some("two"))],
            ..DocumentStatus::default()
        };
        assert_eq!(next(&stored, Some(&status), "c", None), make(3, None));
        assert_eq!(next(&stored, Some(&status), "b", None), make(2, Some("two")));
    }
}
