//! Behaviour of what is kept of a step's output.

use super::*;
use std::fs;

fn opened(folder: &Path, cap: u64) -> OutputFile {
    OutputFile::open(folder.join("0/stdout"), cap, false)
}

fn sha256(text: &[u8]) -> String {
    format!("{:x}", Sha256::digest(text))
}

#[test]
fn a_silent_stream_leaves_no_file_and_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let file = opened(folder.path(), 10);
    assert_eq!((file.record(), file.head()), (None, Vec::new()));
    assert!(!folder.path().join("0").exists());
}

#[test]
fn what_is_past_the_cap_is_dropped_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = opened(folder.path(), 10);
    file.append(b"0123456");
    file.append(b"7");
    assert!(!file.record().unwrap().capped);
    file.append(b"89abc");
    file.append(b"def");
    let expected = StreamRecord { bytes: 10, sha256: sha256(b"0123456789"), capped: true };
    assert_eq!(file.record(), Some(expected));
    assert_eq!(fs::read(folder.path().join("0/stdout")).unwrap(), b"0123456789");
}

#[test]
fn a_reopened_stream_goes_on_and_its_digest_covers_both_parts() {
    let folder = tempfile::tempdir().unwrap();
    opened(folder.path(), 100).append(b"first\n");
    let mut file = opened(folder.path(), 100);
    file.append(b"second\n");
    assert_eq!(file.head(), b"first\nsecond\n");
    assert_eq!(file.record().unwrap().sha256, sha256(b"first\nsecond\n"));
}

#[test]
fn a_note_is_in_the_text_even_when_the_file_has_no_room_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = opened(folder.path(), 12);
    file.append(b"0123456789");
    file.note("failed");
    assert_eq!(file.head(), b"0123456789failed");
    assert_eq!(file.record().unwrap().bytes, 12);
}

#[test]
fn what_is_hidden_stays_in_the_file_and_out_of_the_text() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = opened(folder.path(), 100);
    for _ in 0..2 {
        file.append(b"shown ");
        let mark = file.mark();
        file.append(b"hidden ");
        file.hide_since(mark);
    }
    file.append(b"end");
    assert_eq!(file.head(), b"shown shown end");
    assert_eq!(fs::read(folder.path().join("0/stdout")).unwrap(), b"shown hidden shown hidden end");
}

#[test]
fn parts_are_separated_by_a_newline_once_there_is_something_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = opened(folder.path(), 100);
    file.separate();
    file.append(b"one\n");
    file.separate();
    file.append(b"two");
    assert_eq!(file.head(), b"one\n\ntwo");
}

#[test]
fn a_wish_for_every_association_covers_those_that_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut output = StepOutput::open(&RunDirectory::new(folder.path()), 0, 100, None);
    output.ask_refresh(vec!["a".to_owned()]);
    output.ask_refresh(vec!["b".to_owned(), "a".to_owned()]);
    assert_eq!(output.refresh_associations, Some(vec!["a".to_owned(), "b".to_owned()]));
    output.ask_refresh(Vec::new());
    output.ask_refresh(vec!["c".to_owned()]);
    assert_eq!(output.refresh_associations, Some(Vec::new()));
}

#[test]
fn a_file_that_cannot_be_used_says_why_and_still_shows_notes() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("0"), "in the way").unwrap();
    let mut file = opened(folder.path(), 100);
    file.append(b"lost");
    file.note("note");
    file.note_line("line");
    assert!(file.failure.as_ref().unwrap().to_string().starts_with("cannot read "));
    assert_eq!((file.head(), file.record()), (b"note\nline".to_vec(), None));
}
