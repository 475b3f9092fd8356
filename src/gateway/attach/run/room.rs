//! A place in memory that is kept for a report which the node was asked to say again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedSemaphorePermit;

/// See the module. The run puts the place in, and the stream takes it when the report comes.
#[derive(Debug, Default)]
pub(crate) struct Room(Mutex<Option<OwnedSemaphorePermit>>);

impl Room {
    /// Keeps a place, instead of any other.
    pub fn keep(&self, place: OwnedSemaphorePermit) {
        *self.lock() = Some(place);
    }

    /// The place, if there is one.
    pub fn take(&self) -> Option<OwnedSemaphorePermit> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
