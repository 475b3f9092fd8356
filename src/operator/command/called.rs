//! The documents that a Command's document runs or downloads, and those that these do: frozen with it, so that every
//! node gets the same and none has to ask. One that is not there is left out, and the step that names it fails.

use std::collections::BTreeMap;
use std::time::Duration;

use keelson_api::{CalledDocument, DocumentReference};
use keelson_document::{Content, Document, DocumentCall, MAX_DEPTH, bind_called, called};
use serde_json::{Map, Value};

use super::validate::Refusal;
use crate::context::Context;
use crate::documents;
use crate::error::Error;

/// The most documents that one may call, with those that they call.
const MAX_DOCUMENTS: usize = 32;
/// The most bytes of JSON that they may have together: they go to each node with the document.
const MAX_BYTES: usize = 1024 * 1024;
/// The most different calls of one depth, so that documents that call each other with ever other values come to an end.
const MAX_CALLS: usize = 256;

/// What is called.
#[derive(Debug, Default, PartialEq)]
pub struct Called {
    /// The documents.
    pub documents: Vec<CalledDocument>,
    /// Whether one is not there: where all are applied together with the Command, it may yet come.
    pub lacking: bool,
    /// How much longer a run may take because of those that are run.
    pub timeout: Duration,
}

/// Where called documents are found.
pub trait Library {
    /// The document that a name and version mean, of whatever type.
    async fn find(&self, name: &str, version: &str) -> Result<Option<(DocumentReference, Content)>, Error>;
}

/// The Documents that a namespace sees.
pub struct Cluster<'a> {
    /// The API server and the caches.
    pub context: &'a Context,
    /// The namespace of the Command.
    pub namespace: &'a str,
}

impl Library for Cluster<'_> {
    async fn find(&self, name: &str, version: &str) -> Result<Option<(DocumentReference, Content)>, Error> {
        let Ok((document, version)) = documents::find(self.context, self.namespace, name, version) else {
            return Ok(None);
        };
        let reference = documents::reference(&document, &version);
        Ok(documents::load(self.context, &reference).await?.map(|content| (reference, content)))
    }
}

/// A document that is run with these values, so many times.
struct Caller {
    document: Document,
    values: Map<String, Value>,
    times: u32,
}

/// Follows the calls of a document to the depth that nodes follow them.
pub async fn freeze(
    library: &impl Library,
    document: &Document,
    values: &Map<String, Value>,
) -> Result<Result<Called, Refusal>, Error> {
    let mut frozen = Frozen::new(library);
    let mut callers = vec![Caller { document: document.clone(), values: values.clone(), times: 1 }];
    for _ in 0..MAX_DEPTH {
        let mut next = BTreeMap::new();
        for caller in &callers {
            for call in called(&caller.document, &caller.values) {
                frozen.load(&call).await?;
                let key = (call.name.clone(), call.version.clone(), parameters(&call).to_string());
                let entry: &mut (DocumentCall, u32) = next.entry(key).or_insert((call, 0));
                entry.1 = entry.1.saturating_add(caller.times);
            }
        }
        if let Err(refusal) = frozen.check(next.len()) {
            return Ok(Err(refusal));
        }
        callers = next.into_values().filter_map(|(call, times)| frozen.run(&call, times)).collect();
    }
    Ok(Ok(frozen.finish()))
}

/// What has been found so far.
struct Frozen<'a, L> {
    library: &'a L,
    /// By name and version as they are asked for; `None` is not there.
    found: BTreeMap<(String, String), Option<(DocumentReference, Content)>>,
    bytes: usize,
    timeout: Duration,
}

impl<'a, L: Library> Frozen<'a, L> {
    fn new(library: &'a L) -> Self {
        Self { library, found: BTreeMap::new(), bytes: 0, timeout: Duration::ZERO }
    }

    async fn load(&mut self, call: &DocumentCall) -> Result<(), Error> {
        let key = (call.name.clone(), call.version.clone());
        // One too many is enough to refuse all.
        if self.found.contains_key(&key) || self.found.len() > MAX_DOCUMENTS || self.bytes > MAX_BYTES {
            return Ok(());
        }
        let found = self.library.find(&call.name, &call.version).await?;
        self.bytes += found.as_ref().map_or(0, |(_, content)| content.canonical_json().len());
        self.found.insert(key, found);
        Ok(())
    }

    fn check(&self, calls: usize) -> Result<(), Refusal> {
        let refuse = |message: String| Err(Refusal { reason: "TooManyCalledDocuments", message });
        if self.found.len() > MAX_DOCUMENTS || calls > MAX_CALLS {
            return refuse(format!(
                "spec.documentName: its steps, and those of the documents that they run, name more than \
                 {MAX_DOCUMENTS} documents or make more than {MAX_CALLS} different calls: split it into several documents"
            ));
        }
        if self.bytes > MAX_BYTES {
            return refuse(format!(
                "spec.documentName: the documents that its steps name have more than {MAX_BYTES} bytes together, and \
                 go to each node with it: split it, or let nodes download them from elsewhere"
            ));
        }
        Ok(())
    }

    /// A document as a caller itself. One that is only downloaded may be run from its file, with what values no one
    /// knows: its defaults are taken. One that refuses its values fails on the node and calls nothing.
    fn run(&mut self, call: &DocumentCall, times: u32) -> Option<Caller> {
        let found = self.found.get(&(call.name.clone(), call.version.clone()))?.as_ref();
        let Some((_, Content::Command(document))) = found else { return None };
        let values = bind_called(document, &parameters(call)).ok()?;
        self.timeout = self.timeout.saturating_add(document.timeout(&values).saturating_mul(times));
        Some(Caller { document: document.clone(), values, times })
    }

    fn finish(self) -> Called {
        let lacking = self.found.values().any(Option::is_none);
        let there = self.found.into_iter().filter_map(|(key, found)| Some((key, found?)));
        let documents = there
            .map(|((name, version), (document, _))| CalledDocument { name, version, document })
            .collect();
        Called { documents, lacking, timeout: self.timeout }
    }
}

fn parameters(call: &DocumentCall) -> Value {
    call.parameters.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests;
