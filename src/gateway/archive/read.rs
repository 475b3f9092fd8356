//! Puts a stream of output together again from the pieces it was kept in.

use futures::TryStreamExt as _;
use futures::stream::{self, Stream as Items};
use keelson_core::fleet::Placement;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use tonic::codegen::Bytes;

use super::{Archive, ArchiveError, RESULT, Stream, output_path, run_path};

/// Why a stream cannot be read whole.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store refused or could not be reached.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A piece has not come.
    #[error("the archive has no bytes of {stream} from {at} to {next}")]
    Gap {
        /// `stdout` or `stderr`
        stream: &'static str,
        /// The first byte that is missing.
        at: u64,
        /// The first byte after it that is there.
        next: u64,
    },
}

/// A piece: where it begins, how long it is, and where it is kept.
#[derive(Debug, Clone)]
struct Piece {
    offset: u64,
    length: u64,
    path: Path,
}

impl Archive {
    /// A run's full result, JSON, if it is there.
    pub async fn result(&self, placement: &Placement) -> Result<Option<Bytes>, ArchiveError> {
        match self.store.get(&run_path(placement).join(RESULT)).await {
            Ok(object) => Ok(Some(object.bytes().await?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// An output stream, piece by piece and so in little memory, each byte once. Ends with an error where a
    /// piece is missing.
    pub async fn output(
        &self,
        placement: &Placement,
        step: u32,
        stream: Stream,
    ) -> Result<impl Items<Item = Result<Bytes, ReadError>> + Send + use<>, ArchiveError> {
        let pieces = self.pieces(placement, step, stream).await?;
        let store = self.store.clone();
        let parts = stream::iter(needed(pieces, stream)).and_then(move |(piece, skip)| {
            let store = store.clone();
            async move {
                let object = store.get_range(&piece.path, skip..piece.length).await;
                object.map_err(|error| ArchiveError::from(error).into())
            }
        });
        Ok(parts)
    }

    /// How far a stream is kept without a gap, from its start.
    pub async fn output_end(
        &self,
        placement: &Placement,
        step: u32,
        stream: Stream,
    ) -> Result<u64, ArchiveError> {
        let (archive, placement) = (self.clone(), placement.clone());
        let pieces = self.call(async move { archive.pieces(&placement, step, stream).await }).await?;
        let whole = needed(pieces, stream).into_iter().map_while(Result::ok);
        Ok(whole.last().map_or(0, |(piece, _)| piece.offset.saturating_add(piece.length)))
    }

    async fn pieces(
        &self,
        placement: &Placement,
        step: u32,
        stream: Stream,
    ) -> Result<Vec<Piece>, ArchiveError> {
        let folder = output_path(placement, step);
        let mut pieces: Vec<_> = self
            .store
            .list(Some(&folder))
            .try_filter_map(|object| async move {
                let name = object.location.filename().and_then(|name| name.strip_prefix(stream.name()));
                let offset = name.and_then(|name| name.strip_prefix('-')?.parse().ok());
                Ok(offset.map(|offset| Piece { offset, length: object.size, path: object.location }))
            })
            .try_collect()
            .await?;
        pieces.sort_unstable_by_key(|piece| (piece.offset, piece.length));
        Ok(pieces)
    }
}

/// The pieces that hold something new, in order, with how much of each the earlier ones hold already.
fn needed(pieces: Vec<Piece>, stream: Stream) -> Vec<Result<(Piece, u64), ReadError>> {
    let mut end = 0;
    let mut needed = Vec::with_capacity(pieces.len());
    for piece in pieces {
        if piece.offset > end {
            needed.push(Err(ReadError::Gap { stream: stream.name(), at: end, next: piece.offset }));
            break;
        }
        let skip = end - piece.offset;
        if piece.length > skip {
            end = piece.offset.saturating_add(piece.length);
            needed.push(Ok((piece, skip)));
        }
    }
    needed
}
