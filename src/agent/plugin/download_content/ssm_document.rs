//! Source type `SSMDocument`: the text of a Document of the cluster, which came with the order.

use std::fs;

use super::Content;
use super::job::{Job, Stop};
use super::source_info::SourceInfo;
use crate::files::FileError;
use crate::run_directory::CalledDocument;

/// What stands for a version where none is given.
const DEFAULT_VERSION: &str = "$DEFAULT";

/// A Document, as the step names it.
#[derive(Debug)]
pub struct SsmDocumentSource {
    name: String,
    version: String,
}

impl SsmDocumentSource {
    /// Reads and checks the source.
    pub fn read(info: &SourceInfo) -> Result<Self, String> {
        let called = info.text("name")?;
        if called.is_empty() {
            return Err("SSM Document name in SourceType must be specified".to_owned());
        }
        Ok(Self::named(&called))
    }

    /// `name`, `name:version`, or either at the end of an ARN.
    fn named(called: &str) -> Self {
        let bare = called.rsplit('/').next().unwrap_or(called);
        let (name, version) = bare.split_once(':').unwrap_or((bare, DEFAULT_VERSION));
        let version = if version.is_empty() { DEFAULT_VERSION } else { version };
        Self { name: name.to_owned(), version: version.to_owned() }
    }

    /// Writes the document's text.
    pub fn fetch(&self, job: &Job<'_>) -> Result<Content, Stop> {
        let document = self.find(&job.context().order.called_documents).ok_or_else(|| {
            Stop::Failed(format!(
                "the document {:?}, version {}, did not come with this run: there was none of this name and version in \
                 the Command's namespace or the library when the Command started",
                self.name, self.version
            ))
        })?;
        let staged = job.staged("document");
        fs::write(&staged, &document.document).map_err(|error| FileError::new("write", &staged, error))?;
        Ok(Content::File { staged, name: format!("{}.json", self.name) })
    }

    fn find<'a>(&self, documents: &'a [CalledDocument]) -> Option<&'a CalledDocument> {
        let name = self.name.to_lowercase();
        documents.iter().find(|document| document.name == name && document.version == self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_named_plainly_with_a_version_or_by_its_arn() {
        for (called, name, version) in [
            ("Web", "Web", "$DEFAULT"),
            ("Web:2", "Web", "2"),
            ("Web:$LATEST", "Web", "$LATEST"),
            ("Web:", "Web", "$DEFAULT"),
            ("arn:aws:ssm:us-east-1:123456789012:document/Web", "Web", "$DEFAULT"),
            ("arn:aws:ssm:us-east-1:123456789012:document/Web:3", "Web", "3"),
        ] {
            let source = SsmDocumentSource::named(called);
            assert_eq!((source.name.as_str(), source.version.as_str()), (name, version), "{called}");
        }
    }

    #[test]
    fn a_document_is_found_by_name_in_any_case_and_by_the_version_as_asked_for() {
        let document = CalledDocument {
            name: "web".into(),
            version: "2".into(),
            document_version: "2".into(),
            document: "{}".into(),
        };
        assert!(SsmDocumentSource::named("WEB:2").find(std::slice::from_ref(&document)).is_some());
        assert!(SsmDocumentSource::named("Web").find(&[document]).is_none());
    }
}
