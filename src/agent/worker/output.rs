//! What a step writes: kept whole in a file up to a cap, counted and digested on the way.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use keelson_core::output::STREAM_LIMIT;
use sha2::{Digest, Sha256};

use crate::files::FileError;
use crate::run_directory::{RunDirectory, StepRecord, Stream, StreamRecord};

/// How much of a file is read at a time to digest it again.
const READ_BYTES: usize = 16 * 1024;

/// Both streams of one step, and what else it leaves beside how it ended.
#[derive(Debug)]
pub struct StepOutput {
    /// Standard output.
    pub stdout: OutputFile,
    /// Standard error.
    pub stderr: OutputFile,
    /// What is to be shown in place of both, where something went wrong outside what they tell.
    pub error: Option<String>,
    /// The Associations that are to run on this node again; all of them where no name is given.
    pub refresh_associations: Option<Vec<String>>,
}

impl StepOutput {
    /// The streams of step `index`. `earlier` is the step's record from before a reboot, after which its output
    /// goes on where it ended.
    pub fn open(directory: &RunDirectory, index: u32, cap: u64, earlier: Option<&StepRecord>) -> Self {
        let open = |stream, earlier: Option<&StreamRecord>| {
            OutputFile::open(
                directory.output(index, stream),
                cap,
                earlier.is_some_and(|record| record.capped),
            )
        };
        Self {
            stdout: open(Stream::Stdout, earlier.and_then(|record| record.stdout.as_ref())),
            stderr: open(Stream::Stderr, earlier.and_then(|record| record.stderr.as_ref())),
            error: None,
            refresh_associations: earlier.and_then(|record| record.refresh_associations.clone()),
        }
    }

    /// One of the two.
    pub fn stream(&mut self, stream: Stream) -> &mut OutputFile {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    /// Adds to the Associations that are to run again, each once; no name at all means every one.
    pub fn ask_refresh(&mut self, mut names: Vec<String>) {
        match &mut self.refresh_associations {
            Some(asked) if asked.is_empty() || names.is_empty() => asked.clear(),
            Some(asked) => {
                names.retain(|name| !asked.contains(name));
                asked.append(&mut names);
            }
            None => self.refresh_associations = Some(names),
        }
    }

    /// Why output was lost, where it was and not by the cap.
    pub fn failure(&self) -> Option<&FileError> {
        self.stdout.failure.as_ref().or(self.stderr.failure.as_ref())
    }
}

/// One stream of one step.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    file: Option<File>,
    cap: u64,
    bytes: u64,
    digest: Sha256,
    capped: bool,
    failure: Option<FileError>,
    unwritten: String,
    hidden: Vec<Range<u64>>,
}

/// A place in a stream.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    bytes: u64,
    unwritten: usize,
}

impl OutputFile {
    /// The file at `path`, which may hold what was written before a reboot. It is made when something comes.
    fn open(path: PathBuf, cap: u64, capped: bool) -> Self {
        let mut digest = Sha256::new();
        let (bytes, failure) = match digest_file(&path, &mut digest) {
            Ok(bytes) => (bytes, None),
            Err(error) => (0, Some(FileError::new("read", &path, error))),
        };
        Self {
            path,
            file: None,
            cap,
            bytes,
            digest,
            capped,
            failure,
            unwritten: String::new(),
            hidden: Vec::new(),
        }
    }

    /// Keeps what the script wrote, as far as cap and disk allow. A full disk does not stop the script: what
    /// cannot be written is dropped, and the step fails in the end.
    pub fn append(&mut self, mut data: &[u8]) {
        let room = usize::try_from(self.cap.saturating_sub(self.bytes)).unwrap_or(usize::MAX);
        if data.len() > room {
            self.capped = true;
            data = data.get(..room).unwrap_or_default();
        }
        if data.is_empty() || self.failure.is_some() {
            return;
        }
        if let Err(error) = self.write(data) {
            self.failure = Some(FileError::new("write", &self.path, error));
        }
    }

    /// Adds a sentence of the agent's own. It reaches the step's texts even when the file cannot take it, which
    /// is therefore no failure.
    pub fn note(&mut self, sentence: &str) {
        let (before, could_write) = (self.bytes, self.failure.is_none());
        self.append(sentence.as_bytes());
        if could_write {
            self.failure = None;
        }
        let written = usize::try_from(self.bytes - before).unwrap_or(usize::MAX);
        self.unwritten.push_str(sentence.get(written..).unwrap_or_default());
    }

    /// Adds a sentence on a line of its own.
    pub fn note_line(&mut self, sentence: &str) {
        let newline = if self.head().last().is_none_or(|&last| last == b'\n') { "" } else { "\n" };
        self.note(&format!("{newline}{sentence}"));
    }

    /// Begins a new line, whether or not the last one was ended, unless nothing was written yet.
    pub fn separate(&mut self) {
        if self.bytes > 0 || !self.unwritten.is_empty() {
            self.note("\n");
        }
    }

    /// Where the stream ends now.
    pub fn mark(&self) -> Mark {
        Mark { bytes: self.bytes, unwritten: self.unwritten.len() }
    }

    /// Leaves what came since the mark out of the step's texts. The file keeps it.
    pub fn hide_since(&mut self, mark: Mark) {
        if mark.bytes < self.bytes {
            self.hidden.push(mark.bytes..self.bytes);
        }
        self.unwritten.truncate(mark.unwritten);
    }

    /// The stream's beginning: as much as a result can show.
    pub fn head(&self) -> Vec<u8> {
        let mut head = Vec::new();
        if self.bytes > 0
            && let Ok(file) = File::open(&self.path)
        {
            // A file that cannot be read back is shown as far as it could: the archive says the rest.
            let _ = self.read_shown(file, &mut head);
        }
        let room = STREAM_LIMIT.saturating_sub(head.len());
        let unwritten = self.unwritten.as_bytes();
        head.extend_from_slice(unwritten.get(..room).unwrap_or(unwritten));
        head
    }

    /// Reads what is not hidden, up to the limit.
    fn read_shown(&self, mut file: File, head: &mut Vec<u8>) -> io::Result<()> {
        let mut start = 0;
        let end = self.bytes..self.bytes;
        for hidden in self.hidden.iter().chain([&end]) {
            let room = STREAM_LIMIT.saturating_sub(head.len()) as u64;
            file.seek(SeekFrom::Start(start))?;
            (&file).take(room.min(hidden.start.saturating_sub(start))).read_to_end(head)?;
            start = hidden.end;
        }
        Ok(())
    }

    /// Length and digest of what was kept, or nothing where nothing was written.
    pub fn record(&self) -> Option<StreamRecord> {
        (self.bytes > 0 || self.capped).then(|| StreamRecord {
            bytes: self.bytes,
            sha256: format!("{:x}", self.digest.clone().finalize()),
            capped: self.capped,
        })
    }

    fn write(&mut self, mut data: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(create(&self.path)?),
        };
        while !data.is_empty() {
            match file.write(data) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    let (written, rest) = data.split_at(count);
                    self.digest.update(written);
                    self.bytes += count as u64;
                    data = rest;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn create(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Feeds a file to the digest and tells its length, 0 where there is none.
fn digest_file(path: &Path, digest: &mut Sha256) -> io::Result<u64> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut buffer = vec![0; READ_BYTES];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(count) => {
                digest.update(buffer.get(..count).unwrap_or_default());
                bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
