use futures::TryStreamExt as _;
use jiff::civil::date;

use super::*;
use crate::testing::{HOURS, hanging};

fn placement(day: &str) -> Placement {
    Placement {
        namespace: "shop".into(),
        date: day.into(),
        command_uid: "11112222-3333".into(),
        node: "mi-0123456789abcdef0".into(),
    }
}

fn run() -> Placement {
    placement("2026-11-23")
}

async fn whole(archive: &Archive, stream: Stream) -> Result<Vec<u8>, ReadError> {
    let parts: Vec<_> = archive.output(&run(), 0, stream).await?.try_collect().await?;
    Ok(parts.concat())
}

async fn put(archive: &Archive, offset: u64, data: &[u8]) -> u64 {
    archive.put_output(&run(), 0, Stream::Stdout, offset, data.to_vec()).await.unwrap()
}

/// Each test that reads and writes holds for both kinds of archive.
fn archives() -> (tempfile::TempDir, [Archive; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}/made/here", folder.path().display());
    let archives = [Archive::open("memory://").unwrap(), Archive::open(&url).unwrap()];
    (folder, archives)
}

#[tokio::test]
async fn output_is_kept_under_names_that_anyone_can_find() {
    let (folder, [_, archive]) = archives();
    put(&archive, 0, b"a").await;
    put(&archive, 1, b"b").await;
    archive.put_output(&run(), 12, Stream::Stderr, 0, b"e".to_vec()).await.unwrap();
    archive.put_result(&run(), Bytes::from_static(b"{}")).await.unwrap();
    let prefix = "v1/shop/2026-11-23/11112222-3333/mi-0123456789abcdef0";
    assert_eq!(Archive::run_key(&run()), prefix);
    let expected = [
        "0/stdout-00000000000000000000",
        "0/stdout-00000000000000000001",
        "12/stderr-00000000000000000000",
        "result.json",
    ];
    assert_eq!(archive.keys(prefix).await.unwrap(), expected.map(|name| format!("{prefix}/{name}")));
    let file = folder.path().join("made/here").join(prefix).join("0/stdout-00000000000000000000");
    assert_eq!(std::fs::read(file).unwrap(), b"a");
}

#[tokio::test]
async fn pieces_that_overlap_read_as_one_stream() {
    for archive in archives().1 {
        assert_eq!(put(&archive, 0, b"hello ").await, 6);
        assert_eq!(put(&archive, 6, b"wor").await, 9);
        // Sent again from an earlier offset, with other boundaries.
        assert_eq!(put(&archive, 3, b"lo world").await, 11);
        assert_eq!(put(&archive, 11, b"!").await, 12);
        assert_eq!(whole(&archive, Stream::Stdout).await.unwrap(), b"hello world!");
        assert_eq!(archive.output_end(&run(), 0, Stream::Stdout).await.unwrap(), 12);
        assert_eq!(whole(&archive, Stream::Stderr).await.unwrap(), b"");
        assert_eq!(archive.output_end(&run(), 0, Stream::Stderr).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_shorter_piece_never_replaces_a_longer_one() {
    for archive in archives().1 {
        put(&archive, 0, b"abcdef").await;
        assert_eq!(put(&archive, 0, b"abc").await, 6);
        assert_eq!(put(&archive, 0, b"abcdefgh").await, 8);
        assert_eq!(whole(&archive, Stream::Stdout).await.unwrap(), b"abcdefgh");
    }
}

#[tokio::test]
async fn a_missing_piece_is_told_and_not_papered_over() {
    for archive in archives().1 {
        put(&archive, 0, b"ab").await;
        put(&archive, 5, b"f").await;
        let error = whole(&archive, Stream::Stdout).await.unwrap_err().to_string();
        assert_eq!(error, "the archive has no bytes of stdout from 2 to 5");
        assert_eq!(archive.output_end(&run(), 0, Stream::Stdout).await.unwrap(), 2);
    }
}

#[tokio::test]
async fn names_cannot_lead_out_of_the_archive() {
    for archive in archives().1 {
        let odd = Placement { node: "../../x".into(), ..run() };
        archive.put_result(&odd, Bytes::from_static(b"{}")).await.unwrap();
        assert_eq!(archive.keys("v1/shop").await.unwrap().len(), 1);
        assert_eq!(archive.result(&odd).await.unwrap().as_deref(), Some(&b"{}"[..]));
        assert_eq!(archive.result(&run()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_sweep_removes_whole_days_beyond_the_retention() {
    let (folder, archives) = archives();
    for archive in archives {
        assert_eq!(archive.sweep(date(2026, 11, 23), RETENTION_DAYS).await.unwrap(), 0);
        for day in ["2026-10-23", "2026-10-24", "2026-11-23", "not-a-date"] {
            archive.put_result(&placement(day), Bytes::from_static(b"{}")).await.unwrap();
            archive.put_output(&placement(day), 0, Stream::Stdout, 0, b"x".to_vec()).await.unwrap();
        }
        assert_eq!(archive.sweep(date(2026, 11, 23), RETENTION_DAYS).await.unwrap(), 2);
        assert_eq!(archive.keys("v1/shop").await.unwrap().len(), 6);
        assert_eq!(archive.keys("v1/shop/2026-10-23").await.unwrap().len(), 0);
    }
    assert!(!folder.path().join("made/here/v1/shop/2026-10-23").exists());
}

#[test]
fn an_archive_of_an_unknown_kind_is_refused_with_what_would_do() {
    for (url, reason) in [
        ("s3://bucket", "\"s3\" is not supported"),
        ("file://relative", "the path is not absolute"),
        ("/var/lib", "it is no URL"),
        ("memory://x", "nothing may follow"),
    ] {
        let error = Archive::open(url).unwrap_err().to_string();
        assert!(error.contains(url) && error.contains(reason) && error.contains("use file:///"), "{error}");
    }
}

#[tokio::test]
async fn a_result_that_comes_again_in_short_leaves_the_whole() {
    let (_folder, archives) = archives();
    for archive in archives {
        for json in ["{\"long\":1}", "{}"] {
            archive.put_result(&run(), Bytes::from_static(json.as_bytes())).await.unwrap();
            assert_eq!(archive.result(&run()).await.unwrap().unwrap(), "{\"long\":1}");
        }
        let longer = Bytes::from_static(b"{\"longer\":1}");
        archive.put_result(&run(), longer.clone()).await.unwrap();
        assert_eq!(archive.result(&run()).await.unwrap().unwrap(), longer);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_fails_within_a_bounded_time_and_holds_a_bounded_number_of_calls() {
    let store = Arc::new(hanging());
    let archive = Archive::on(store.clone());
    let begun = tokio::time::Instant::now();
    let run = run();
    let puts = (0..200).map(|offset| archive.put_output(&run, 0, Stream::Stdout, offset, b"a".to_vec()));
    for put in futures::future::join_all(puts).await {
        assert!(matches!(put, Err(ArchiveError::TooSlow)), "{put:?}");
    }
    assert_eq!(begun.elapsed(), CALL_LIMIT);
    assert!(matches!(archive.put_result(&run, Bytes::from_static(b"{}")).await, Err(ArchiveError::TooSlow)));
    assert_eq!(archive.calls.available_permits(), 0);
    store.config_mut(|config| config.wait_put_per_call = Duration::ZERO);
    tokio::time::sleep(HOURS).await;
    archive.put_result(&run, Bytes::from_static(b"{}")).await.unwrap();
    assert_eq!(archive.calls.available_permits(), MAX_CALLS);
}
