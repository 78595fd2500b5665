//! The committed code is what the committed `.proto` files give.
//!
//! `CORTEX_UPDATE=1 cargo test -p cortex-hub-proto --no-default-features --test generated` writes it
//! anew; without the default features, conversions that no longer fit the messages are left out.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

const FILES: [&str; 11] = [
    "cortex/v1/browser.proto",
    "cortex/v1/capability.proto",
    "cortex/v1/enrollment.proto",
    "cortex/v1/health.proto",
    "cortex/v1/orchestrator.proto",
    "cortex/v1/policy.proto",
    "cortex/v1/pool.proto",
    "cortex/v1/signed.proto",
    "cortex/v1/sync.proto",
    "cortex/v1/task.proto",
    "cortex/v1/trust.proto",
];

/// The generated file and the descriptor set, by file name.
fn generate(root: &Path) -> Vec<(&'static str, Vec<u8>)> {
    let descriptors = protox::compile(FILES, [root.join("proto")]).expect("the protos compile");
    let out = tempfile::tempdir().expect("a temporary directory");
    let encoded = out.path().join("descriptor.bin");
    tonic_prost_build::configure()
        .out_dir(out.path())
        .file_descriptor_set_path(&encoded)
        .bytes(".")
        .codec_path("crate::codec::LeanCodec")
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors.clone())
        .expect("code is generated");
    let code = fs::read(out.path().join("cortex.v1.rs")).expect("the generated file");
    let set = prost::Message::encode_to_vec(&descriptors);
    vec![("cortex.v1.rs", code), ("descriptor.bin", set)]
}

#[test]
fn committed_code_matches_the_protos() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    for (name, fresh) in generate(&root) {
        let path = root.join("src/generated").join(name);
        if std::env::var_os("CORTEX_UPDATE").is_some() {
            fs::write(&path, &fresh).expect("the generated file can be written");
        }
        let committed = fs::read(&path).unwrap_or_default();
        assert!(
            committed == fresh,
            "src/generated/{name} is stale: the head of tests/generated.rs says how to write it anew"
        );
    }
}

#[test]
fn every_proto_file_is_compiled() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto/cortex/v1");
    let on_disk = fs::read_dir(folder).expect("the proto folder").count();
    assert_eq!(on_disk, FILES.len());
}
