mod rotation;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use cortex_core::Error;
use x509_parser::extensions::ParsedExtension;

use super::*;
use crate::trust::Trust;
use crate::trust::certificate;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const CA_KEY: &str = "ca.key.pem";
const CA_CERTIFICATE: &str = "ca.cert.pem";
const MASTER: &str = "signing.master";
const FILES: [&str; 7] = [HUB, CA_KEY, CA_CERTIFICATE, MASTER, TOKEN_KEY, ANCHOR, layout::RINGS];

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn refusal(data_dir: &Path) -> Error {
    Vault::open(data_dir, NOW).unwrap_err()
}

/// Everything that rings are made of, by the names of its files.
fn secrets(rings: &Rings) -> Vec<(String, String)> {
    let files = layout::all(rings).into_iter();
    let json = String::from_utf8(layout::write(rings)).unwrap();
    let rings_file = (layout::RINGS.to_owned(), json);
    files.map(|file| (file.name, file.content.to_string())).chain([rings_file]).collect()
}

#[test]
fn the_first_start_makes_private_files_and_the_next_reads_them() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("new/data");
    let first = Vault::open(&data_dir, NOW).unwrap();
    let folder = data_dir.join(FOLDER);
    assert_eq!((mode(&data_dir), mode(&folder)), (0o700, 0o700));
    let mut names: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let mut expected = FILES;
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert!(FILES.iter().all(|name| mode(&folder.join(name)) == 0o600));
    assert!(!data_dir.join(UNFINISHED).exists());

    let second = Vault::open(&data_dir, NOW).unwrap();
    assert_eq!(first.hub, second.hub);
    assert_eq!((&first.token_key, &first.anchor), (&second.token_key, &second.anchor));
    assert_eq!(secrets(&first.rings()), secrets(&second.rings()));
}

#[test]
fn two_hubs_share_nothing() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [one, other] = dirs.each_ref().map(|dir| Vault::open(dir.path(), NOW).unwrap());
    assert_ne!(one.hub, other.hub);
    assert_ne!(one.token_key, other.token_key);
    assert_ne!(one.anchor, other.anchor);
    for (one, other) in secrets(&one.rings()).into_iter().zip(secrets(&other.rings())) {
        assert!(one.0 == layout::RINGS || one.1 != other.1, "{}", one.0);
    }
}

#[test]
fn what_a_cut_off_start_left_is_thrown_away() {
    let dir = tempfile::tempdir().unwrap();
    let left_over = dir.path().join(UNFINISHED);
    fs::create_dir(&left_over).unwrap();
    fs::write(left_over.join(HUB), "hub_0000000000").unwrap();
    fs::write(left_over.join(MASTER), "").unwrap();
    Vault::open(dir.path(), NOW).unwrap();
    assert!(!left_over.exists());
    Vault::open(dir.path(), NOW).unwrap();
}

#[test]
fn what_others_can_read_is_refused_with_the_command_that_helps() {
    let dir = tempfile::tempdir().unwrap();
    Vault::open(dir.path(), NOW).unwrap();
    let folder = dir.path().join(FOLDER);
    for name in FILES {
        for exposed in [0o640, 0o604, 0o660] {
            set_mode(&folder.join(name), exposed);
            let error = refusal(dir.path());
            assert_eq!(error.code(), "secrets_exposed");
            let hint = format!("run: chmod 600 '{}'", folder.join(name).display());
            assert_eq!(error.hint(), Some(hint.as_str()));
        }
        set_mode(&folder.join(name), 0o400);
    }
    Vault::open(dir.path(), NOW).unwrap();
    set_mode(&folder, 0o750);
    let error = refusal(dir.path());
    assert_eq!(error.hint(), Some(format!("run: chmod 700 '{}'", folder.display()).as_str()));
}

#[test]
fn a_missing_file_is_reported_and_not_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    Vault::open(dir.path(), NOW).unwrap();
    // Without the last one, it is a vault of the first layout; see the rotations' tests.
    for name in FILES.into_iter().filter(|name| *name != layout::RINGS) {
        let path = dir.path().join(FOLDER).join(name);
        let kept = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let error = refusal(dir.path());
        assert_eq!(error.code(), "trust_incomplete", "{name}");
        assert!(error.message().contains(name), "{error}");
        assert!(!path.exists());
        files::write(&path, &kept).unwrap();
    }
    Vault::open(dir.path(), NOW).unwrap();
}

#[test]
fn a_damaged_or_foreign_file_is_reported() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    dirs.iter().for_each(|dir| drop(Vault::open(dir.path(), NOW).unwrap()));
    let [folder, other] = dirs.each_ref().map(|dir| dir.path().join(FOLDER));
    let too_long = vec![b'0'; 1 << 20];
    for name in FILES {
        let path = folder.join(name);
        let kept = fs::read(&path).unwrap();
        let half = &kept[..kept.len() / 2];
        for bad in [b"".as_slice(), b"nonsense\n", half, &[0xff; 64], &too_long] {
            fs::write(&path, bad).unwrap();
            let error = refusal(dirs[0].path());
            assert_eq!(error.code(), "trust_incomplete", "{name}");
            assert!(error.message().contains(name), "{error}");
        }
        fs::write(&path, &kept).unwrap();
    }
    fs::copy(other.join(CA_KEY), folder.join(CA_KEY)).unwrap();
    assert_eq!(refusal(dirs[0].path()).code(), "trust_incomplete");
}

#[test]
fn a_data_directory_that_cannot_be_made_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = refusal(&file.join("data"));
    assert_eq!(error.kind(), Kind::Precondition);
    assert!(error.message().contains(file.to_str().unwrap()), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn the_authority_signs_only_certificates_and_ends_after_ten_years() {
    let vault = Vault::sample(NOW);
    let rings = vault.rings();
    let (_, parsed) = X509Certificate::from_der(&rings.ca.active().key.certificate).unwrap();
    assert_eq!(parsed.subject().to_string(), format!("CN=Cortex hub {} CA", vault.hub));
    assert_eq!(parsed.issuer(), parsed.subject());
    let basic = parsed.basic_constraints().unwrap().unwrap();
    assert!(basic.critical && basic.value.ca);
    assert_eq!(basic.value.path_len_constraint, Some(0));
    let usage = parsed.key_usage().unwrap().unwrap().value;
    assert!(usage.key_cert_sign() && usage.crl_sign() && !usage.digital_signature());
    let validity = parsed.validity();
    let seconds = NOW.as_millis() / 1_000;
    assert_eq!(validity.not_before.timestamp(), seconds - 300);
    assert_eq!(validity.not_after.timestamp(), seconds + 3650 * 24 * 3600);
    let others = parsed.extensions().iter().filter(|extension| {
        matches!(extension.parsed_extension(), ParsedExtension::SubjectAlternativeName(_))
    });
    assert_eq!(others.count(), 0);
}

#[test]
fn a_clock_outside_the_authoritys_life_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    Vault::open(dir.path(), NOW).unwrap();
    for now in [NOW - Duration::from_secs(3600), NOW + certificate::CA_LIFE * 2] {
        assert_eq!(Vault::open(dir.path(), now).unwrap_err().code(), "ca_expired");
    }
}

#[test]
fn debug_output_holds_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::open(dir.path(), NOW).unwrap();
    let rings = vault.rings();
    let (ca, master) = (&rings.ca.active().key, rings.signing.active().key.expose());
    let (der, token, anchor) =
        (ca.key.to_der(), vault.token_key.to_bytes(), vault.anchor.to_bytes());
    let first = format!("{vault:?} {rings:?} {ca:?}");
    let trust = Trust::new(vault, &[], NOW).unwrap();
    let following = trust.signer().follow(cortex_core::id::NodeId::generate());
    let shown = format!("{first} {trust:?} {following:?} {:?}", following.signer());
    let bytes_of = |bytes: &[u8]| format!("{bytes:?}").trim_matches(['[', ']']).to_owned();
    for secret in [&master[..], &token[..], &anchor[..], der.secret_der()] {
        assert!(!shown.contains(&hex::encode(&secret[..8])));
        assert!(!shown.contains(&bytes_of(&secret[..8])));
        assert!(!shown.contains(&bytes_of(&secret[secret.len() - 8..])));
    }
}
