//! `aws:downloadContent`: brings files from elsewhere to this node.
//!
//! Whatever the source, content is fetched into a staging folder beside the place it is for and is moved there when
//! it is whole: a step that is cancelled, times out or fails leaves nothing under the final name. Network traffic is
//! left to processes of their own (`git`, or this program as `keelson-agent fetch`), which a cancel kills; the worker
//! stays small.

use std::path::PathBuf;

use keelson_core::status::StepStatus;
use keelson_document::Ended;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{STOPPED, StepContext, failed};
use crate::worker::StepOutput;

mod destination;
pub mod fetch;
mod git;
mod github;
mod http;
mod inputs;
mod job;
mod s3;
mod source_info;
mod ssm_document;
mod staging;

use destination::Destination;
use inputs::{Inputs, Source};
use job::{Job, Stop};
use staging::Staging;

/// What a source has left in the staging folder.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// One file, and what to call it in a folder.
    File { staged: PathBuf, name: String },
    /// All that is in this folder.
    Tree(PathBuf),
}

/// Runs one step: fetches its content and puts it where the step wants it.
pub fn run(inputs: &Value, context: &StepContext<'_>, output: &mut StepOutput) -> Ended {
    match download(inputs, context) {
        Ok(destination) => {
            output.stdout.note(&format!("Content downloaded to {destination}"));
            Ended { status: StepStatus::Success, code: 0 }
        }
        Err(Stop::Failed(reason)) => failed(1, &reason, output),
        Err(Stop::Cancelled) => Ended { status: StepStatus::Cancelled, code: STOPPED },
        Err(Stop::TimedOut(seconds)) => {
            output.stderr.note(&format!("the download did not end within {seconds} seconds"));
            Ended { status: StepStatus::TimedOut, code: STOPPED }
        }
    }
}

/// Does the step and returns where the content is, as the step calls it.
fn download(inputs: &Value, context: &StepContext<'_>) -> Result<String, Stop> {
    let inputs = Inputs::parse(inputs).map_err(Stop::Failed)?;
    let destination = Destination::new(&context.downloads(), &inputs.destination_path);
    let staging = Staging::create(&destination, &context.order.command_uid, context.index)?;
    let job = Job::new(context, staging.path(), inputs.timeout);
    match fetch_content(&inputs.source, &job)? {
        Content::File { staged, name } => staging::place_file(&staged, &name, &destination)?,
        Content::Tree(folder) => staging::place_tree(&folder, destination.path())?,
    }
    Ok(destination.shown().to_owned())
}

fn fetch_content(source: &Source, job: &Job<'_>) -> Result<Content, Stop> {
    match source {
        Source::Http(source) => source.fetch(job),
        Source::Git(source) => source.fetch(job),
        Source::GitHub(source) => source.fetch(job),
        Source::S3(source) => source.fetch(job),
        Source::SsmDocument(source) => source.fetch(job),
    }
}
