//! The recorded documents end on a booted node as they did on the real agent, or as the list of differences says.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use keelson_e2e::Lab;
use keelson_e2e::conformance::{Folder, run};

#[tokio::test]
async fn recorded_documents_are_answered_as_the_real_agent_answers_them() {
    let Some(path) = Folder::find() else {
        println!("skipped: there are no recorded cases here; KEELSON_CONFORMANCE_DIR names a folder of them");
        return;
    };
    let folder = Folder::read(&path).unwrap();
    let cases: Vec<_> = folder.cases.iter().collect();
    let lab = Lab::start("conformance-test", 1).await.unwrap();
    let report = run::all(&lab, &cases, |_| {}).await.unwrap();
    println!("{report}");
    assert!(report.is_right(), "{report}");
}
