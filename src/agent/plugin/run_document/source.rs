//! Where the document of an `aws:runDocument` step comes from.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use keelson_document::{Document, DocumentSource, RunDocumentInputs};

use crate::files::{self, Durability, FileError};
use crate::plugin::{DOWNLOADS, StepContext, called_document, document_from_json, script};
use crate::run_directory::CalledDocument;

/// The document that does nothing, which need not exist.
const NO_OPERATION: &str = "AWS-Noop";
/// A file is read so far: more than any document has, so that a longer one is refused by its length.
const READ_LIMIT: u64 = 1024 * 1024;

/// Whether the step names AWS's document without effect.
pub fn is_no_operation(inputs: &RunDocumentInputs) -> bool {
    inputs.source == DocumentSource::ControlPlane && inputs.path.eq_ignore_ascii_case(NO_OPERATION)
}

/// The document that the inputs name, or why there is none.
pub fn read(inputs: &RunDocumentInputs, context: &StepContext<'_>) -> Result<Document, String> {
    match inputs.source {
        DocumentSource::LocalPath => {
            let path = context.downloads().join(&inputs.path);
            keelson_document::parse(&text(&path)?).map_err(|errors| errors.to_string())
        }
        DocumentSource::ControlPlane => {
            let (called, file_name) = called_document::find(&inputs.path, context.order)?;
            keep(called, &file_name, context)?;
            document_from_json(&called.document)
        }
    }
}

fn text(path: &Path) -> Result<String, String> {
    let bytes = read_file(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    if bytes.is_empty() {
        return Err("File is empty!".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8 text", path.display()))
}

/// Reads a file and nothing that looks like one: a FIFO would never end.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(READ_LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes the document below the step's folder, in the downloads of its own steps, where AWS's agent puts it.
fn keep(called: &CalledDocument, file_name: &str, context: &StepContext<'_>) -> Result<(), String> {
    let folder = script::folder::of_step(context.root, context.index, context.name, "").join(DOWNLOADS);
    let created = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    created.map_err(|error| FileError::new("create", &folder, error).to_string())?;
    files::replace(&folder.join(file_name), called.document.as_bytes(), Durability::Atomic)
        .map_err(|error| error.to_string())
}
