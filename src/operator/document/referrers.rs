//! Which Documents each Association and each running Command names, as last seen: a Document is looked at when one
//! begins to use it and when one ceases to.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use keelson_api::{Association, Command};
use keelson_core::names::document_name;
use kube::ResourceExt as _;

use crate::index::association_of;

/// Namespace and name of a Document, whether or not there is one.
pub type DocumentKey = (String, String);

/// Who names Documents.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Referrer {
    /// An Association, by namespace and name.
    Association(String, String),
    /// A Command.
    Command(String, String),
}

/// A Document and what is said of it; another word is another use.
type Mention = (DocumentKey, String);

/// Remembers what is named.
#[derive(Default)]
pub struct Referrers(Mutex<HashMap<Referrer, BTreeSet<Mention>>>);

impl Referrers {
    /// The Documents that an Association names otherwise than when it was last looked at; `None` is one that is gone.
    pub fn association(
        &self,
        (namespace, name): (&str, &str),
        library: &str,
        association: Option<&Association>,
    ) -> BTreeSet<DocumentKey> {
        let mentions = association.into_iter().flat_map(|association| {
            let spec = &association.spec;
            mentions(namespace, library, &spec.document_name, &spec.document_version)
        });
        self.look(Referrer::Association(namespace.into(), name.into()), mentions.collect())
    }

    /// The Documents that a Command uses otherwise than when it was last looked at.
    pub fn command(
        &self,
        (namespace, name): (&str, &str),
        library: &str,
        command: Option<&Command>,
    ) -> BTreeSet<DocumentKey> {
        let mut all = BTreeSet::new();
        if let Some(command) = command {
            let (spec, status) = (&command.spec, command.status.clone().unwrap_or_default());
            if !command.has_ended() {
                let version = status.document_version.unwrap_or_else(|| spec.document_version.clone());
                // With the uid: one of the same name is another one.
                let own = format!("{version} {}", command.uid().unwrap_or_default());
                all.extend(mentions(namespace, library, &spec.document_name, &own));
            }
            // What an Association's run called stays in use until there is another one.
            if !command.has_ended() || association_of(command).is_some() {
                let called = status.called_documents.into_iter().map(|called| called.document);
                all.extend(called.map(|document| ((document.namespace, document.name), document.revision)));
            }
        }
        self.look(Referrer::Command(namespace.into(), name.into()), all)
    }

    fn look(&self, referrer: Referrer, now: BTreeSet<Mention>) -> BTreeSet<DocumentKey> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.get(&referrer).cloned().unwrap_or_default();
        let documents = before.symmetric_difference(&now).map(|(document, _)| document.clone()).collect();
        if now.is_empty() {
            known.remove(&referrer);
        } else {
            known.insert(referrer, now);
        }
        documents
    }
}

/// A name means a Document of the namespace, or else one of the library: either may be there.
fn mentions(namespace: &str, library: &str, name: &str, what: &str) -> Vec<Mention> {
    let name = document_name(name);
    let mut mentions = vec![((namespace.to_owned(), name.clone()), what.to_owned())];
    if namespace != library {
        mentions.push(((library.to_owned(), name), what.to_owned()));
    }
    mentions
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const KEY: (&str, &str) = ("shop", "keep");

    fn association(document: &str, version: &str) -> Association {
        let spec = json!({ "documentName": document, "documentVersion": version });
        Association::new("keep", serde_json::from_value(spec).unwrap())
    }

    fn names(documents: BTreeSet<DocumentKey>) -> Vec<String> {
        documents.into_iter().map(|(namespace, name)| format!("{namespace}/{name}")).collect()
    }

    #[test]
    fn a_document_is_looked_at_when_somebody_begins_and_ceases_to_name_it() {
        let referrers = Referrers::default();
        let look = |document: Option<&Association>| names(referrers.association(KEY, "library", document));
        assert_eq!(look(Some(&association("Web", "1"))), ["library/web", "shop/web"]);
        assert!(look(Some(&association("Web", "1"))).is_empty(), "nothing has changed");
        assert_eq!(look(Some(&association("web", "2"))), ["library/web", "shop/web"], "another version");
        assert_eq!(look(Some(&association("db", "2"))), ["library/db", "library/web", "shop/db", "shop/web"]);
        assert_eq!(look(None), ["library/db", "shop/db"]);
    }

    #[test]
    fn a_command_that_has_ended_names_nothing_any_more() {
        let referrers = Referrers::default();
        let mut command: Command =
            Command::new("c", serde_json::from_value(json!({ "documentName": "web" })).unwrap());
        assert_eq!(names(referrers.command(KEY, "library", Some(&command))).len(), 2);
        command.status = Some(serde_json::from_value(json!({ "status": "Success" })).unwrap());
        assert_eq!(names(referrers.command(KEY, "library", Some(&command))).len(), 2);
        assert!(referrers.command(KEY, "library", None).is_empty());
    }

    #[test]
    fn what_a_run_of_an_association_called_is_named_until_the_run_is_gone() {
        let referrers = Referrers::default();
        let document =
            json!({ "name": "web", "version": "1", "hash": "h", "revision": "web-v1", "namespace": "shop" });
        let command: Command = serde_json::from_value(json!({
            "metadata": { "ownerReferences": [
                { "apiVersion": "keelson.dev/v1alpha1", "kind": "Association", "name": "a", "uid": "u", "controller": true },
            ] },
            "spec": { "documentName": "parent" },
            "status": {
                "status": "Success",
                "calledDocuments": [{ "name": "web", "version": "$DEFAULT", "document": document }],
            },
        }))
        .unwrap();
        assert_eq!(names(referrers.command(KEY, "library", Some(&command))), ["shop/web"]);
        assert_eq!(names(referrers.command(KEY, "library", None)), ["shop/web"]);
    }
}
