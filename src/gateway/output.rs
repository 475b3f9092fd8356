//! Takes pieces of output into the archive.
//!
//! A piece is acknowledged once it is durable. The agent sends a stream's pieces in order, the next after the
//! acknowledgement of the one before; that is what makes "all bytes before this offset" true. A piece without
//! data asks how far the archive is.

use keelson_core::fleet::{Fleet, NodeIdentity, RecordError};
use keelson_protocol::MAX_OUTPUT_PIECE;
use keelson_protocol::v1::{OutputStream, PutOutputRequest, PutOutputResponse};
use tonic::Status;

use crate::archive::{ArchiveError, Stream};
use crate::shared::Shared;

/// The highest index of a step whose output is kept.
const MAX_STEP: u32 = 1000;
/// The longest name of a run.
const MAX_NAME: usize = 253;
/// The most bytes of one stream that are kept: far above the agent's own cap, it only keeps offsets sane.
const MAX_STREAM: u64 = 1 << 40;

/// Keeps one piece; tells up to where the stream is kept.
#[allow(clippy::result_large_err)] // tonic's own error type
pub(crate) async fn put_output<F: Fleet>(
    shared: &Shared<F>,
    node: &NodeIdentity,
    request: PutOutputRequest,
) -> Result<PutOutputResponse, Status> {
    let stream = check(&request)?;
    let PutOutputRequest { command_uid, invocation, step, offset, data, .. } = request;
    let placement = shared.placement(node, &invocation, &command_uid).await.map_err(|error| match error {
        RecordError::NotFound => {
            Status::not_found("this node has no such invocation: its output is not wanted")
        }
        RecordError::Superseded => Status::aborted("another connection owns this node"),
        RecordError::Unavailable(_) => Status::unavailable(error.to_string()),
    })?;
    let length = data.len() as u64;
    let stored = if data.is_empty() {
        shared.archive.output_end(&placement, step, stream).await
    } else {
        shared.archive.put_output(&placement, step, stream, offset, data).await
    };
    let stored = stored.map_err(|error| not_kept(shared, &error))?;
    shared.metrics.output_bytes.add(length);
    Ok(PutOutputResponse { stored })
}

#[allow(clippy::result_large_err)] // tonic's own error type
fn check(request: &PutOutputRequest) -> Result<Stream, Status> {
    let invalid = |message: String| Err(Status::invalid_argument(message));
    if request.data.len() > MAX_OUTPUT_PIECE {
        let length = request.data.len();
        return invalid(format!(
            "a piece of output has at most {MAX_OUTPUT_PIECE} bytes, this one has {length}"
        ));
    }
    if request.step > MAX_STEP {
        return invalid(format!("step {} is beyond the last possible one, {MAX_STEP}", request.step));
    }
    if request.offset > MAX_STREAM {
        return invalid(format!("offset {} is beyond the most that is kept, {MAX_STREAM}", request.offset));
    }
    if [&request.command_uid, &request.invocation].iter().any(|name| name.is_empty() || name.len() > MAX_NAME)
    {
        return invalid("a run's name is empty or too long".to_owned());
    }
    match request.stream() {
        OutputStream::Stdout => Ok(Stream::Stdout),
        OutputStream::Stderr => Ok(Stream::Stderr),
        OutputStream::Unspecified => invalid("the stream is neither stdout nor stderr".to_owned()),
    }
}

fn not_kept<F>(shared: &Shared<F>, error: &ArchiveError) -> Status {
    shared.metrics.archive_errors.increment();
    tracing::warn!(error = %error, "failed to archive output");
    Status::unavailable("the archive did not take the output: try again later")
}
