//! Steps that download, in the worker process as the daemon starts it: nothing here knows its code.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

#[path = "worker/harness.rs"]
#[allow(dead_code, reason = "shared with the tests of other plugins")]
mod harness;
#[path = "download/web.rs"]
mod web;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use harness::{Ended, Run};
use serde_json::{Value, json};
use web::{Tls, answer};

/// A document that downloads and then runs a script.
fn document(source_type: &str, source_info: &Value, destination: &str, script: &str) -> Value {
    let inputs =
        json!({"sourceType": source_type, "sourceInfo": source_info, "destinationPath": destination});
    json!({"schemaVersion": "2.2", "mainSteps": [
        {"name": "d", "action": "aws:downloadContent", "inputs": inputs},
        {"name": "s", "action": "aws:runShellScript", "inputs": {"runCommand": [script]}},
    ]})
}

fn http(url: &str) -> Value {
    json!({"url": url, "allowInsecureDownload": true})
}

/// What one download ended with.
fn download(run: &Run, source_type: &str, source_info: &Value, destination: &str) -> Ended {
    run.run(&document(source_type, source_info, destination, "true"))
}

/// The names in a folder, hidden ones too.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_file_lands_below_the_downloads_ready_to_be_run() {
    let run = Run::new();
    let address = web::serve(vec![answer("200 OK", "", "#!/bin/sh\necho ran \"$0\"\n")]);
    let info = json!(http(&format!("http://{address}/f.sh")).to_string());
    let ended = run.run(&document("HTTP", &info, "sub", "pwd; ls; ./sub"));
    let downloads = run.file("downloads").display().to_string();
    assert_eq!(ended.steps(), ["Success 0", "Success 0"]);
    assert_eq!(ended.output(0), format!("Content downloaded to {downloads}/sub"));
    assert_eq!(ended.stdout(1), format!("{downloads}\nsub\nran ./sub\n"));
    assert_eq!(fs::metadata(run.file("downloads/sub")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_failed_download_leaves_nothing_and_what_was_there() {
    let run = Run::new();
    let folder = run.scratch("target");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("f"), "old").unwrap();
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnew".to_owned();
    let address = web::serve(vec![answer("404 Not Found", "", ""), cut]);
    let info = http(&format!("http://{address}/f"));
    let ended = download(&run, "HTTP", &info, &folder.join("f").display().to_string());
    assert_eq!(ended.steps()[0], "Failed 1");
    assert_eq!(ended.stderr(0), "Failed to download file: Status: 404 Not Found");
    let run = Run::new();
    let ended = download(&run, "HTTP", &info, &folder.join("f").display().to_string());
    assert!(ended.stderr(0).starts_with("An error occurred during data transfer: "), "{}", ended.stderr(0));
    assert_eq!(
        (names(&folder), fs::read(folder.join("f")).unwrap()),
        (vec!["f".to_owned()], b"old".to_vec())
    );
}

#[test]
fn a_cancel_ends_a_download_that_hangs() {
    let run = Run::new();
    let (asked, wait) = mpsc::channel();
    let address = web::hang(asked);
    let folder = run.scratch("target");
    let info = http(&format!("http://{address}/f"));
    let worker = run.start(&document("HTTP", &info, &format!("{}/", folder.display()), "echo never"));
    wait.recv_timeout(Duration::from_secs(20)).unwrap();
    let cancelled = Instant::now();
    run.cancel();
    let ended = run.wait(worker);
    assert!(cancelled.elapsed() < Duration::from_secs(10));
    assert_eq!(ended.steps(), ["Cancelled 137", "Cancelled 1"]);
    assert!(names(&folder).is_empty(), "{:?}", names(&folder));
}

#[test]
fn a_servers_certificate_is_held_to_the_nodes_own_authorities() {
    let tls = Tls::new();
    let mut run = Run::new();
    let authority = run.scratch("ca.pem");
    fs::write(&authority, &tls.certificate).unwrap();
    let insecure = "Location: http://127.0.0.1:1/f\r\n";
    let address = tls.serve(vec![answer("200 OK", "", "trusted"), answer("302 Found", insecure, "")]);
    let info = json!({"url": format!("https://localhost:{}/f", address.port())});
    run.environment = vec![("SSL_CERT_FILE", authority.display().to_string().leak())];
    let ended = run.run(&document("HTTP", &info, "f", "cat f"));
    assert_eq!((ended.steps()[0].as_str(), ended.stdout(1)), ("Success 0", "trusted"), "{}", ended.stderr(0));
    let mut run = Run::new();
    run.environment = vec![("SSL_CERT_FILE", authority.display().to_string().leak())];
    let ended = download(&run, "HTTP", &info, "f");
    assert!(ended.stderr(0).contains("redirects to a URL without TLS"), "{}", ended.stderr(0));
}

#[test]
fn a_server_that_no_authority_of_the_node_knows_is_refused_with_the_mend() {
    let address = Tls::new().serve(vec![answer("200 OK", "", "never")]);
    let mut run = Run::new();
    let authority = run.scratch("ca.pem");
    fs::write(&authority, Tls::new().certificate).unwrap();
    run.environment = vec![("SSL_CERT_FILE", authority.display().to_string().leak())];
    let info = json!({"url": format!("https://localhost:{}/f", address.port())});
    let ended = download(&run, "HTTP", &info, "f");
    assert_eq!(ended.steps()[0], "Failed 1");
    let told = ended.stderr(0);
    assert!(told.contains("is not trusted") && told.contains("SSL_CERT_FILE"), "{told}");
}

#[test]
fn a_proxy_of_the_environment_is_used() {
    let mut run = Run::new();
    let address = web::serve(vec![answer("403 Forbidden", "", "")]);
    run.environment = vec![("HTTPS_PROXY", format!("http://me:hush@{address}").leak())];
    let ended = download(&run, "HTTP", &json!({"url": "https://example.invalid/f"}), "f");
    assert_eq!(ended.steps()[0], "Failed 1");
    let told = ended.stderr(0);
    assert!(told.contains("403") && !told.contains("hush"), "{told}");
}

#[test]
fn a_document_of_the_cluster_is_written_under_its_name() {
    let mut run = Run::new();
    run.called_documents = json!([{
        "name": "web", "version": "$DEFAULT", "documentVersion": "3", "document": "{\"schemaVersion\":\"2.2\"}",
    }]);
    let ended = run.run(&document("SSMDocument", &json!("{\"name\":\"Web\"}"), "docs/", "cat docs/Web.json"));
    assert_eq!(
        (ended.steps(), ended.stdout(1)),
        (vec!["Success 0".into(); 2], "{\"schemaVersion\":\"2.2\"}")
    );
    let run = Run::new();
    let ended = download(&run, "SSMDocument", &json!({"name": "Web:2"}), "docs/");
    assert!(
        ended.stderr(0).contains("\"Web\" in version 2 did not come with the Command"),
        "{}",
        ended.stderr(0)
    );
}

/// Runs git in a folder as somebody.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let somebody = ["-c", "user.name=n", "-c", "user.email=e@x", "-c", "init.defaultBranch=main"];
    let ran = Command::new("git").current_dir(folder).args(somebody).args(arguments).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

/// A repository with a file `f` that says `one` in its first commit and `two` in its second, and `side` on a branch.
/// Returns its first commit.
fn repository(folder: &Path) -> String {
    fs::create_dir(folder).unwrap();
    git(folder, &["init", "--quiet"]);
    fs::create_dir(folder.join("sub")).unwrap();
    fs::write(folder.join("sub/run.sh"), "#!/bin/sh\necho ran\n").unwrap();
    for text in ["one", "two"] {
        fs::write(folder.join("f"), text).unwrap();
        git(folder, &["add", "."]);
        git(folder, &["commit", "--quiet", "-m", text]);
    }
    git(folder, &["branch", "side", "HEAD~1"]);
    git(folder, &["rev-parse", "HEAD~1"])
}

#[test]
fn a_repository_is_cloned_and_a_branch_or_commit_checked_out() {
    let run = Run::new();
    let origin = run.scratch("origin");
    let first = repository(&origin);
    let url = format!("file://{}", origin.display());
    let path = origin.display().to_string();
    for (repository, options, text) in [
        (&url, String::new(), "two"),
        (&path, "branch:side".to_owned(), "one"),
        (&url, format!("commitID:{first}"), "one"),
    ] {
        let run = Run::new();
        let info = json!({"repository": repository, "getOptions": options});
        let ended =
            run.run(&document("Git", &info, "repo", "cat repo/f; cd repo; git rev-parse HEAD; ./sub/run.sh"));
        assert_eq!(ended.steps(), ["Success 0", "Success 0"], "{}", ended.stderr(0));
        let stdout = ended.stdout(1);
        assert!(stdout.starts_with(text) && stdout.ends_with("ran\n"), "{stdout}");
        assert_eq!(names(&run.file("downloads")), ["repo"]);
    }
    // A clone that shared its files with the origin would have changed their mode there.
    let object = origin.join(".git/objects").join(&first[..2]).join(&first[2..]);
    assert_eq!(fs::metadata(object).unwrap().permissions().mode() & 0o777, 0o444);
}

#[test]
fn what_is_not_there_fails_as_on_aws() {
    let scratch = Run::new();
    let origin = scratch.scratch("origin");
    repository(&origin);
    let address = web::serve(vec![answer("404 Not Found", "", ""); 2]);
    let none = format!("http://{address}/none.git");
    for (repository, options, reason) in [
        (
            format!("file://{}", origin.display()),
            "branch:none",
            "Cannot checkout: reference not found".to_owned(),
        ),
        ("/no/such".to_owned(), "", "Cannot clone repository /no/such: repository not found".to_owned()),
        (none.clone(), "", format!("Cannot clone repository {none}: repository not found")),
    ] {
        let ended =
            download(&Run::new(), "Git", &json!({"repository": repository, "getOptions": options}), "repo");
        assert_eq!((ended.steps()[0].as_str(), ended.stderr(0)), ("Failed 1", reason.as_str()));
    }
    let info = json!({"repository": origin.display().to_string(), "getOptions": "commitID:0badc0de"});
    let ended = download(&Run::new(), "Git", &info, "repo");
    assert!(ended.stderr(0).starts_with("Cannot checkout: no branch or tag"), "{}", ended.stderr(0));
}

#[test]
fn a_repository_cannot_name_a_program_to_run() {
    let run = Run::new();
    let proof = run.scratch("proof");
    let repository = format!("ext::sh -c touch% {}", proof.display());
    for repository in [repository.as_str(), "--upload-pack=touch proof"] {
        let ended = download(&Run::new(), "Git", &json!({"repository": repository}), "repo");
        assert_eq!(ended.steps()[0], "Failed 1");
    }
    assert!(!proof.exists());
}

#[test]
fn credentials_reach_the_web_server_of_a_repository_and_nothing_else() {
    let scratch = Run::new();
    let origin = scratch.scratch("origin");
    repository(&origin);
    git(&origin, &["update-server-info"]);
    // base64 of me:hush
    let address = web::serve_folder(origin.join(".git"), Some("Basic bWU6aHVzaA=="));
    let url = format!("http://{address}/");
    let run = Run::new();
    let info = json!({"repository": url, "username": "me", "password": "hush"});
    let ended = run.run(&document("Git", &info, "repo", "cat repo/f repo/.git/config"));
    assert_eq!(ended.steps(), ["Success 0", "Success 0"], "{}", ended.stderr(0));
    assert!(ended.stdout(1).starts_with("two") && !ended.stdout(1).contains("hush"));
    for password in ["wrong", ""] {
        let info = json!({"repository": url, "username": "me", "password": password});
        let ended = download(&Run::new(), "Git", &info, "repo");
        assert_eq!(ended.stderr(0), format!("Cannot clone repository {url}: authentication required"));
    }
}

#[test]
fn a_password_is_in_no_message_of_an_older_document_either() {
    let properties =
        json!({"id": 5, "sourceType": "HTTP", "sourceInfo": {"url": "ftp://h", "password": "hush"}});
    let document = json!({"schemaVersion": "1.2", "runtimeConfig": {
        "aws:downloadContent": {"properties": [properties, "hush"]}}});
    let ended = Run::new().run(&document);
    assert_eq!(ended.steps(), ["Failed 1"]);
    assert!(ended.stderr(0).contains("URL scheme for HTTP") && !ended.stderr(0).contains("hush"));
}

#[test]
fn a_node_without_git_says_so_unless_there_is_nothing_to_clone() {
    let address = web::serve(vec![answer("404 Not Found", "", ""), answer("200 OK", "", "")]);
    let url = format!("http://{address}/r.git");
    let told: Vec<String> = (0..2)
        .map(|_| {
            let mut run = Run::new();
            run.environment = vec![("PATH", "/nowhere")];
            download(&run, "Git", &json!({"repository": url}), "repo").stderr(0).to_owned()
        })
        .collect();
    assert_eq!(told[0], format!("Cannot clone repository {url}: repository not found"));
    assert!(told[1].contains("install the package git"), "{}", told[1]);
}

#[test]
fn a_part_of_a_github_repository_comes_without_its_history() {
    let scratch = Run::new();
    let owner = scratch.scratch("acme");
    fs::create_dir(&owner).unwrap();
    repository(&owner.join("web.git"));
    let mirror = format!("url.file://{}/.insteadOf", owner.parent().unwrap().display());
    let github = |path: &str, options: &str, destination: &str, script: &str| {
        let mut run = Run::new();
        // Stands for the network, which ends here: all else is as with GitHub itself.
        run.environment = vec![
            ("GIT_CONFIG_COUNT", "1"),
            ("GIT_CONFIG_KEY_0", mirror.clone().leak()),
            ("GIT_CONFIG_VALUE_0", "https://github.com/"),
        ];
        let info = json!({"owner": "acme", "repository": "web", "path": path, "getOptions": options});
        let ended = run.run(&document("GitHub", &info, destination, script));
        if ended.steps()[0] == "Success 0" { ended.stdout(1).to_owned() } else { ended.stderr(0).to_owned() }
    };
    assert_eq!(github("sub/run.sh", "", "bin/", "bin/run.sh"), "ran\n");
    assert_eq!(github("sub", "branch:main", "bin", "ls -A bin"), "run.sh\n");
    assert_eq!(github("", "branch:side", "all", "ls -A all; cat all/f"), "f\nsub\none");
    let told = github("none", "", "x", "true");
    let whose = "Could not download from GitHub repository https://github.com/acme/web.git: ";
    assert_eq!(told, format!("{whose}it has no \"none\""));
    assert_eq!(github("", "branch:none", "x", "true"), "Cannot checkout: reference not found");
}

#[test]
fn a_private_key_reaches_ssh_in_a_file_of_its_own_and_does_not_stay() {
    let mut run = Run::new();
    let (origin, programs) = (run.scratch("origin"), run.scratch("programs"));
    repository(&origin);
    fs::create_dir(&programs).unwrap();
    // In the place of ssh: notes what it was given, and runs here what the server would run.
    let ssh = format!(
        "#!/bin/sh\n{{ echo \"$@\"; stat -c %a \"$KEELSON_GIT_KEY\"; cat \"$KEELSON_GIT_KEY\"; }} > {0}/given\n\
         for last; do :; done\nexec sh -c \"$last\"\n",
        programs.display()
    );
    fs::write(programs.join("ssh"), ssh).unwrap();
    fs::set_permissions(programs.join("ssh"), fs::Permissions::from_mode(0o700)).unwrap();
    run.environment = vec![("PATH", format!("{}:/usr/bin:/bin", programs.display()).leak())];
    let info = json!({"repository": format!("git@localhost:{}", origin.display()), "privateSSHKey": "-----KEY\nhush"});
    let ended = run.run(&document("Git", &info, "repo", "cat repo/f"));
    assert_eq!((ended.steps()[0].as_str(), ended.stdout(1)), ("Success 0", "two"), "{}", ended.stderr(0));
    let given = fs::read_to_string(programs.join("given")).unwrap();
    let (arguments, rest) = given.split_once('\n').unwrap();
    for wanted in ["BatchMode=yes", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "git@localhost"] {
        assert!(arguments.contains(wanted), "{arguments}");
    }
    assert!(!arguments.contains("hush"));
    assert_eq!(rest, "600\n-----KEY\nhush\n");
    assert_eq!(names(&run.file("downloads")), ["repo"]);
}
