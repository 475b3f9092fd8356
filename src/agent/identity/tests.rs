use std::os::unix::fs::PermissionsExt;

use super::*;

fn identity(node: &str, key: &str) -> Identity {
    Identity {
        record: NodeRecord {
            namespace: "default".into(),
            node: node.into(),
            uid: "uid".into(),
            addresses: vec!["gateway:8443".into()],
            proxy: None,
        },
        ca: "ca".into(),
        certificate: "certificate".into(),
        key: key.into(),
    }
}

fn enrolled() -> (tempfile::TempDir, IdentityFolder, Identity) {
    let state = tempfile::tempdir().unwrap();
    let folder = IdentityFolder::new(state.path());
    let identity = identity("mi-1", &folder.stage_key(false).unwrap());
    folder.adopt(&identity).unwrap();
    (state, folder, identity)
}

#[test]
fn a_node_is_not_enrolled_until_an_identity_is_adopted_and_after_it_is_removed() {
    let state = tempfile::tempdir().unwrap();
    let folder = IdentityFolder::new(state.path());
    assert_eq!(folder.load().unwrap(), None);
    folder.stage_key(false).unwrap();
    assert_eq!(folder.load().unwrap(), None);
    let (_state, folder, identity) = enrolled();
    assert_eq!(folder.load().unwrap(), Some(identity));
    folder.remove().unwrap();
    folder.remove().unwrap();
    assert_eq!(folder.load().unwrap(), None);
}

#[test]
fn enrolling_again_uses_the_same_key_unless_a_new_one_is_asked_for() {
    let (_state, folder, identity) = enrolled();
    assert_eq!(folder.stage_key(false).unwrap(), identity.key);
    assert_ne!(folder.stage_key(true).unwrap(), identity.key);
    assert_eq!(folder.load().unwrap(), Some(identity), "nothing changes before the new identity is adopted");
}

#[test]
fn an_enrolment_that_was_interrupted_goes_on_with_its_key() {
    let state = tempfile::tempdir().unwrap();
    let first = IdentityFolder::new(state.path()).stage_key(false).unwrap();
    assert_eq!(IdentityFolder::new(state.path()).stage_key(false).unwrap(), first);
}

#[test]
fn another_identity_replaces_the_whole_and_leaves_nothing_of_the_former() {
    let (state, folder, _) = enrolled();
    let other = identity("mi-2", &folder.stage_key(true).unwrap());
    folder.adopt(&other).unwrap();
    assert_eq!(folder.load().unwrap(), Some(other));
    assert_eq!(fs::read_dir(state.path()).unwrap().count(), 1);
}

#[test]
fn every_file_is_for_its_owner_alone() {
    let (state, _, _) = enrolled();
    let folder = state.path().join("identity");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for file in [KEY, CERTIFICATE, CA, NODE] {
        assert_eq!(mode(&folder.join(file)), 0o600, "{file}");
    }
}

#[test]
fn parts_are_replaced_one_by_one() {
    let (_state, folder, mut identity) = enrolled();
    folder.replace_certificate(&identity, "renewed").unwrap();
    folder.replace_ca(&identity, "other ca").unwrap();
    identity.record.addresses = vec!["elsewhere:1".into()];
    folder.replace_record(&identity).unwrap();
    let loaded = folder.load().unwrap().unwrap();
    assert_eq!((loaded.certificate.as_str(), loaded.ca.as_str()), ("renewed", "other ca"));
    assert_eq!(loaded.record, identity.record);
}

#[test]
fn a_part_of_a_former_identity_does_not_get_into_the_present_one() {
    let (_state, folder, former) = enrolled();
    let other = identity("mi-2", &folder.stage_key(true).unwrap());
    folder.adopt(&other).unwrap();
    for late in [
        folder.replace_certificate(&former, "renewed"),
        folder.replace_ca(&former, "other ca"),
        folder.replace_record(&former),
    ] {
        assert!(matches!(late, Err(IdentityError::Replaced)), "{late:?}");
    }
    assert_eq!(folder.load().unwrap(), Some(other));
    folder.remove().unwrap();
    assert!(matches!(folder.replace_certificate(&former, "renewed"), Err(IdentityError::Replaced)));
}

#[test]
fn a_missing_part_is_named() {
    let (state, folder, _) = enrolled();
    fs::remove_file(state.path().join("identity/ca.pem")).unwrap();
    assert!(folder.load().unwrap_err().to_string().contains("ca.pem"));
}

#[test]
fn the_key_does_not_show_in_debug_output() {
    let (_state, _, identity) = enrolled();
    assert!(!format!("{identity:?}").contains("PRIVATE"));
}
