//! Removes what is older than it need be kept, a day of a namespace at a time.

use futures::{StreamExt as _, TryStreamExt as _};
use jiff::ToSpan as _;
use jiff::civil::Date;
use object_store::path::Path;

use super::{Archive, ArchiveError, LAYOUT};

/// How long output is kept unless told otherwise.
pub const RETENTION_DAYS: u32 = 30;

impl Archive {
    /// Removes every run made more than `days` days before `today` (UTC). Tells how many objects went.
    ///
    /// Folders with other names than dates stay. A sweep that failed half-way is taken up by the next.
    pub async fn sweep(&self, today: Date, days: u32) -> Result<u64, ArchiveError> {
        let Ok(oldest_kept) = today.checked_sub(i64::from(days).days()) else { return Ok(0) };
        let mut removed = 0;
        for namespace in self.folders(&Path::from(LAYOUT)).await? {
            for day in self.folders(&namespace).await? {
                let date = day.filename().and_then(|name| name.parse::<Date>().ok());
                if date.is_some_and(|date| date < oldest_kept) {
                    removed += self.remove(&day).await?;
                }
            }
        }
        Ok(removed)
    }

    async fn folders(&self, prefix: &Path) -> Result<Vec<Path>, ArchiveError> {
        match self.store.list_with_delimiter(Some(prefix)).await {
            Ok(listing) => Ok(listing.common_prefixes),
            Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    async fn remove(&self, folder: &Path) -> Result<u64, ArchiveError> {
        let objects = self.store.list(Some(folder)).map_ok(|object| object.location).boxed();
        let mut deleted = self.store.delete_stream(objects);
        let mut removed = 0;
        while let Some(result) = deleted.next().await {
            match result {
                Ok(_) => removed += 1,
                Err(object_store::Error::NotFound { .. }) => {} // another replica sweeps too
                Err(error) => return Err(error.into()),
            }
        }
        Ok(removed)
    }
}
