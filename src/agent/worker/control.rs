//! How a worker learns that its run is cancelled.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};

use crate::run_directory::{CANCEL_BYTE, RunDirectory, RunDirectoryError};

/// The daemon's end of the line: a marker for later and a FIFO for now.
#[derive(Debug)]
pub struct Control<'a> {
    directory: &'a RunDirectory,
    fifo: File,
}

impl<'a> Control<'a> {
    /// Listens to the run's FIFO.
    pub fn open(directory: &'a RunDirectory) -> Result<Self, RunDirectoryError> {
        Ok(Self { directory, fifo: directory.open_control()? })
    }

    /// Whether the run was cancelled, ever.
    pub fn is_cancelled(&self) -> bool {
        self.directory.is_cancelled()
    }

    /// Reads what is in the FIFO, or waits for something, and tells whether it is a cancel.
    pub fn receive(&self) -> bool {
        let mut bytes = [0; 16];
        let received = (&self.fifo).read(&mut bytes).unwrap_or(0);
        bytes.get(..received).is_some_and(|bytes| bytes.contains(&CANCEL_BYTE))
    }
}

impl AsFd for Control<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fifo.as_fd()
    }
}
