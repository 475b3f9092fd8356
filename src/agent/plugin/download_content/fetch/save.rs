//! Writes what a server sends to a file, as long as the disk has room to spare.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

/// What a download leaves free on the file system, in bytes: a full one breaks more than the step.
const RESERVE: u64 = 64 << 20;
/// How many bytes are written between two looks at what is free.
const CHECK_BYTES: u64 = 8 << 20;
const BUFFER_BYTES: usize = 64 << 10;

/// Writes `body`, which says to be of `length`, to a new file.
pub fn save(mut body: impl Read, length: Option<u64>, path: &Path) -> Result<(), String> {
    let mut room = room(path)?;
    if let Some(length) = length.filter(|&length| length > room) {
        return Err(format!(
            "the file has {length} bytes, but {} has room for {room} only",
            folder(path).display()
        ));
    }
    let mut file =
        File::create_new(path).map_err(|error| format!("cannot create {}: {error}", path.display()))?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let (mut written, mut checked) = (0_u64, 0_u64);
    loop {
        let count = match body.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) => return Err(error.to_string()),
        };
        written += count as u64;
        if written - checked > room.min(CHECK_BYTES) {
            room = self::room(path)?;
            checked = written;
            if room == 0 {
                return Err(format!("{} has no room for more than {written} bytes", folder(path).display()));
            }
        }
        let wrote = file.write_all(buffer.get(..count).unwrap_or_default());
        wrote.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
}

/// How many bytes may be written beside `path`.
fn room(path: &Path) -> Result<u64, String> {
    let folder = folder(path);
    let found = rustix::fs::statvfs(folder);
    let found =
        found.map_err(|error| format!("cannot tell how much room {} has: {error}", folder.display()))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize).saturating_sub(RESERVE))
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_written_whole_and_never_over_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let body = vec![7_u8; 3 * BUFFER_BYTES + 5];
        save(body.as_slice(), None, &path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), body);
        assert!(save(body.as_slice(), None, &path).unwrap_err().starts_with("cannot create "));
    }

    #[test]
    fn a_file_that_cannot_fit_is_refused_before_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let reason = save([].as_slice(), Some(u64::MAX), &path).unwrap_err();
        assert!(reason.contains("room for"), "{reason}");
        assert!(!path.exists());
    }
}
