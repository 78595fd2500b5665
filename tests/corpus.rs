//! What the fuzzer started from and what it has found, run with every test run.
//!
//! The checks are those of the fuzz targets, in `fuzz/checks`; a finding becomes a file in
//! `fuzz/corpus`.

#[path = "../fuzz/checks/bundle.rs"]
mod bundle;
#[path = "../fuzz/checks/csr.rs"]
mod csr;
#[path = "../fuzz/checks/envelope.rs"]
mod envelope;
#[path = "../fuzz/checks/receipt.rs"]
mod receipt;
#[path = "../fuzz/checks/token.rs"]
mod token;

use std::path::Path;

fn each_seed(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut seeds: Vec<_> = std::fs::read_dir(&folder)
        .expect("the target has seeds")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "{} is empty", folder.display());
    for seed in seeds {
        let data = std::fs::read(&seed).expect("a seed can be read");
        let checked = std::panic::catch_unwind(|| check(&data));
        assert!(checked.is_ok(), "{} fails", seed.display());
    }
}

#[test]
fn envelopes() {
    each_seed("envelope", envelope::check);
}

#[test]
fn receipts() {
    each_seed("receipt", receipt::check);
}

#[test]
fn bundles() {
    each_seed("bundle", bundle::check);
}

#[test]
fn tokens() {
    each_seed("token", token::check);
}

#[test]
fn signing_requests() {
    each_seed("csr", csr::check);
}
