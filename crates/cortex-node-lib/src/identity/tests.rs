//! The data directory: one process, private files, nothing lost, nothing overwritten.

use std::os::unix::fs::PermissionsExt as _;

use cortex_core::ring::Phase;
use cortex_core::timestamp::Timestamp;

use super::*;

fn enrolment() -> Enrolment {
    Enrolment {
        hub: HubId::from_bytes([1; 16]),
        node: NodeId::from_bytes([2; 16]),
        name: "lab".into(),
        trust_anchor: Some(SigningKey::from_bytes(&[8; 32]).verifying_key()),
        task_keys: vec![SigningKey::from_bytes(&[7; 32]).verifying_key()],
        generation: 1,
        certificate: None,
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn key_and_enrolment_stay_the_same_over_restarts() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("a/b");
    let mut first = Identity::open(&dir).unwrap();
    let public = first.key().verifying_key();
    assert_eq!(first.enrolment(), None);
    first.keep(enrolment()).unwrap();
    drop(first);
    let second = Identity::open(&dir).unwrap();
    assert_eq!(second.key().verifying_key(), public);
    assert_eq!(second.enrolment(), Some(&enrolment()));
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join(KEY_FILE)), 0o600);
    assert_eq!(mode(&dir.join(ENROLMENT_FILE)), 0o600);
}

fn bundle(serial: u64) -> Bundle {
    let key = SigningKey::from_bytes(&[7; 32]).verifying_key();
    Bundle {
        hub: enrolment().hub,
        node: enrolment().node,
        serial,
        issued_at: Timestamp::from_millis(1),
        authorities: vec![bundle::Trusted { key: vec![1], phase: Phase::Active }],
        task_keys: vec![bundle::Trusted { key, phase: Phase::Active }],
    }
}

#[test]
fn the_newest_bundle_stays_over_restarts_and_is_verified_again() {
    let root = tempfile::tempdir().unwrap();
    let mut identity = Identity::open(root.path()).unwrap();
    identity.keep(enrolment()).unwrap();
    for serial in [1, 2] {
        let signed = bundle(serial).sign(&SigningKey::from_bytes(&[8; 32]));
        identity.keep_bundle(&signed.bundle, &signed.signature).unwrap();
    }
    drop(identity);
    let identity = Identity::open(root.path()).unwrap();
    assert_eq!(identity.bundle().as_deref(), Some(&bundle(2)));
    let path = root.path().join(BUNDLE_FILE);
    assert_eq!(mode(&path), 0o600);
    let forged = bundle(3).sign(&SigningKey::from_bytes(&[9; 32]));
    identity.keep_bundle(&forged.bundle, &forged.signature).unwrap();
    drop(identity);
    let error = Identity::open(root.path()).expect_err("forged");
    assert_eq!(error.code(), "data_dir_broken");
    assert!(error.message().contains("BAD_SIGNATURE"), "{error}");
    std::fs::write(&path, "").unwrap();
    assert_eq!(Identity::open(root.path()).expect_err("cut off").code(), "data_dir_broken");
}

#[test]
fn an_enrolment_without_a_trust_anchor_is_read() {
    let root = tempfile::tempdir().unwrap();
    let mut identity = Identity::open(root.path()).unwrap();
    let old = Enrolment { trust_anchor: None, ..enrolment() };
    identity.keep(old.clone()).unwrap();
    drop(identity);
    let text = std::fs::read_to_string(root.path().join(ENROLMENT_FILE)).unwrap();
    assert!(!text.contains("trust_anchor"));
    assert_eq!(Identity::open(root.path()).unwrap().enrolment(), Some(&old));
}

#[test]
fn of_a_removed_node_no_key_is_left() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    let mut identity = Identity::open(dir).unwrap();
    identity.first_tls_key().unwrap();
    identity.keep(enrolment()).unwrap();
    identity.join_state(enrolment()).begin().unwrap();
    identity.begin_rekey().unwrap();
    identity.keep_bundle(&bundle(1).to_bytes(), &[0; 64]).unwrap();
    for file in ["tls-3.new", "identity.new", "identity-next.new"] {
        std::fs::write(dir.join(file), "what a crash left").unwrap();
    }
    identity.erase().unwrap();
    let left = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), [LOCK_FILE]);
}

#[test]
fn a_directory_serves_one_process_at_a_time() {
    let root = tempfile::tempdir().unwrap();
    let first = Identity::open(root.path()).unwrap();
    let error = Identity::open(root.path()).expect_err("locked");
    assert_eq!(error.code(), "data_dir_in_use");
    drop(first);
    Identity::open(root.path()).unwrap();
}

#[test]
fn broken_files_are_named_and_left_alone() {
    let root = tempfile::tempdir().unwrap();
    for (name, content) in [(ENROLMENT_FILE, "{}"), (KEY_FILE, "not hex")] {
        let path = root.path().join(name);
        drop(Identity::open(root.path()).unwrap());
        std::fs::write(&path, content).unwrap();
        let error = Identity::open(root.path()).expect_err("broken");
        assert_eq!(error.code(), "data_dir_broken");
        assert!(error.message().contains(name), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn nothing_secret_is_printed() {
    let root = tempfile::tempdir().unwrap();
    let identity = Identity::open(root.path()).unwrap();
    let secret = std::fs::read_to_string(root.path().join(KEY_FILE)).unwrap();
    assert_eq!(secret.len(), 64);
    assert!(!format!("{identity:?}").contains(&secret));
}

#[test]
fn a_change_of_the_key_that_was_cut_off_goes_on_with_its_key() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    let identity = Identity::open(dir).unwrap();
    let old = identity.key().verifying_key();
    assert!(identity.next_key().unwrap().is_none());
    let next = identity.begin_rekey().unwrap().verifying_key();
    assert_eq!(mode(&dir.join(NEXT_KEY_FILE)), 0o600);
    drop(identity);

    let mut identity = Identity::open(dir).unwrap();
    assert_eq!(identity.key().verifying_key(), old, "until the hub has answered");
    let begun = identity.begin_rekey().unwrap();
    assert_eq!(begun.verifying_key(), next);
    // Somebody still has the old file open: what was in it is gone all the same.
    let mut held = File::open(dir.join(KEY_FILE)).unwrap();
    identity.finish_rekey(begun).unwrap();
    assert_eq!(identity.key().verifying_key(), next);
    let mut left = Vec::new();
    std::io::Read::read_to_end(&mut held, &mut left).unwrap();
    assert_eq!(left, [0; 64]);
    drop(identity);

    let identity = Identity::open(dir).unwrap();
    assert_eq!(identity.key().verifying_key(), next);
    assert!(identity.next_key().unwrap().is_none());
    identity.begin_rekey().unwrap();
    identity.abandon_rekey().unwrap();
    assert!(identity.next_key().unwrap().is_none());
    assert_eq!(mode(&dir.join(KEY_FILE)), 0o600);
}

fn certificate(key: u64) -> Certificate {
    let (from, to) = (Timestamp::from_millis(1), Timestamp::from_millis(2));
    Certificate { key, chain: vec![vec![1, 2], vec![3]], from, to }
}

#[test]
fn a_renewal_that_was_cut_off_goes_on_with_its_key() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    let open = || {
        let identity = Identity::open(dir).unwrap();
        let enrolment = identity.enrolment().cloned().unwrap();
        (identity.join_state(enrolment), identity)
    };
    let mut identity = Identity::open(dir).unwrap();
    let (number, key) = identity.first_tls_key().unwrap();
    assert_eq!(identity.first_tls_key().unwrap().1.to_pkcs8(), key.to_pkcs8());
    assert_eq!(mode(&dir.join("tls-1.key")), 0o600);
    identity.keep(Enrolment { certificate: Some(certificate(number)), ..enrolment() }).unwrap();
    drop(identity);

    let (join, identity) = open();
    assert!(join.begun().unwrap().is_none());
    assert_eq!(join.key().unwrap().unwrap().to_pkcs8(), key.to_pkcs8());
    let next = join.begin().unwrap();
    drop((join, identity));

    let (join, identity) = open();
    assert_eq!(join.begun().unwrap().unwrap().to_pkcs8(), next.to_pkcs8());
    assert_eq!(join.begin().unwrap().to_pkcs8(), next.to_pkcs8());
    assert_eq!(join.key().unwrap().unwrap().to_pkcs8(), key.to_pkcs8());
    join.finish(2, certificate(2)).unwrap();
    assert_eq!(join.key().unwrap().unwrap().to_pkcs8(), next.to_pkcs8());
    assert!(join.begun().unwrap().is_none());
    assert!(!dir.join("tls-1.key").exists(), "what is replaced is removed");
    drop((join, identity));
    assert_eq!(open().0.current().certificate, Some(certificate(2)));
}
