//! Source type `SSMDocument`: the text of a Document of the cluster, which came with the order.

use std::fs;

use super::Content;
use super::job::{Job, Stop};
use super::source_info::SourceInfo;
use crate::files::FileError;
use crate::plugin::called_document;

/// A Document, as the step names it: `name`, `name:version`, or either at the end of an ARN.
#[derive(Debug)]
pub struct SsmDocumentSource(String);

impl SsmDocumentSource {
    /// Reads and checks the source.
    pub fn read(info: &SourceInfo) -> Result<Self, String> {
        let name = info.text("name")?;
        if name.is_empty() {
            return Err("SSM Document name in SourceType must be specified".to_owned());
        }
        Ok(Self(name))
    }

    /// Writes the document's text.
    pub fn fetch(&self, job: &Job<'_>) -> Result<Content, Stop> {
        let (called, name) = called_document::find(&self.0, job.context().order).map_err(Stop::Failed)?;
        let staged = job.staged("document");
        fs::write(&staged, &called.document).map_err(|error| FileError::new("write", &staged, error))?;
        Ok(Content::File { staged, name })
    }
}
