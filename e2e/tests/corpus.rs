//! Documents that people wrote for AWS end on a booted node as a person who read them expects.
#![allow(clippy::unwrap_used, clippy::panic)] // the steps of a test, which clippy does not take for tests

use keelson_e2e::corpus::{self, Table};
use keelson_e2e::web::Files;
use keelson_e2e::{Lab, WebServer};

const PORT: u16 = 8080;

#[tokio::test]
async fn documents_of_the_corpus_end_as_expected() {
    let Some(folder) = corpus::find() else {
        println!("skipped: there is no corpus here; KEELSON_CORPUS_DIR names its folder");
        return;
    };
    let table = Table::read().unwrap();
    let lab = Lab::start("corpus", 1).await.unwrap();
    let address = (lab.network.host_address(), PORT);
    let web = WebServer::listen(address.into()).await.unwrap();
    web.serve(Files::from([("/hello.sh".to_owned(), b"echo hello\n".to_vec())]));
    let web = format!("{}:{}", address.0, address.1);
    let differences = corpus::differences(&lab, &folder, &table, &web).await.unwrap();
    let not_run: usize = table.not_run.iter().map(|not_run| not_run.paths.len()).sum();
    println!("{} runs, {} refused, {not_run} not run", table.run.len(), table.refused.len());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
