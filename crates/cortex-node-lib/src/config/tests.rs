//! Reading a configuration: precedence, origins, and errors that say where.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

const PIN: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn hub_id() -> HubId {
    HubId::from_bytes([1; 16])
}

fn good() -> String {
    let hub = hub_id();
    format!(
        "hub:\n  id: {hub}\n  server_host: 10.0.0.1\n  ca_spki_sha256: [\"{PIN}\"]\n\
         node:\n  name: lab-7\n  drain: 90s\n  labels:\n    role: build\n"
    )
}

fn load_text(text: &str, environment: &Environment) -> (Result<Loaded>, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.yaml");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    (NodeConfig::load(&path, environment), dir.path().to_path_buf())
}

fn refusal(text: &str, environment: &Environment) -> Error {
    load_text(text, environment).0.expect_err("must be refused")
}

fn origin_of(loaded: &Loaded, key: &str) -> (String, Origin) {
    let row = loaded.origins.iter().find(|row| row.key == key).unwrap();
    (row.value.clone(), row.origin.clone())
}

#[test]
fn file_and_defaults_make_a_configuration() {
    let (loaded, dir) = load_text(&good(), &Environment::empty());
    let loaded = loaded.unwrap();
    let config = &loaded.config;
    assert_eq!(config.hub.grpc_port, DEFAULT_GRPC_PORT);
    let name = config.hub.server_name.as_str();
    assert!(name.starts_with("hub-") && name.ends_with(".cortex.internal"), "{name}");
    assert_eq!(config.data_dir, dir.join("cortex-node-data"));
    assert_eq!(config.drain, Duration::from_secs(90));
    assert_eq!(config.labels["role"], "build");
    assert_eq!(origin_of(&loaded, "node.drain"), ("1m 30s".into(), Origin::File));
    assert_eq!(origin_of(&loaded, "node.max_tasks"), ("64".into(), Origin::Default));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn the_environment_wins_over_the_file() {
    let environment = Environment::empty()
        .with("CORTEX_NODE_HUB__SERVER_HOST", "hub.example")
        .with("CORTEX_NODE_NODE__LABELS", "a=1, b=2")
        .with("CORTEX_NODE_POLICY", "{mode: strict, allow: [ls]}")
        .with("CORTEX_NODE_CONFIG", "ignored by the library")
        .with("HOME", "/root");
    let loaded = load_text(&good(), &environment).0.unwrap();
    assert_eq!(loaded.config.hub.server_host, "hub.example");
    assert_eq!(loaded.config.labels.len(), 2);
    assert_eq!(loaded.config.policy.as_ref().map(|policy| policy.allow.len()), Some(1));
    let origin = Origin::Environment("CORTEX_NODE_HUB__SERVER_HOST".into());
    assert_eq!(origin_of(&loaded, "hub.server_host"), ("hub.example".into(), origin));
}

#[test]
fn an_unknown_key_is_refused_with_line_and_column() {
    let text = good().replace("  name: lab-7", "  nmae: lab-7");
    let error = refusal(&text, &Environment::empty());
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("nmae"), "{error}");
    assert!(error.message().contains("line 6"), "{error}");
    assert!(error.message().contains("column 3"), "{error}");
}

#[test]
fn wrong_values_are_refused_with_their_place() {
    for (from, to) in [
        ("server_host: 10.0.0.1", "server_host: 10.0.0.1\n  grpc_port: 99999"),
        ("drain: 90s", "drain: soon"),
        (PIN, "0011"),
    ] {
        let error = refusal(&good().replace(from, to), &Environment::empty());
        assert!(error.message().contains("line "), "{to}: {error}");
    }
}

#[test]
fn an_unknown_variable_is_refused_with_the_nearest_name() {
    let environment = Environment::empty().with("CORTEX_NODE_HUB_SERVER_HOST", "x");
    let error = refusal(&good(), &environment);
    assert!(error.message().contains("CORTEX_NODE_HUB_SERVER_HOST"), "{error}");
    assert_eq!(error.hint(), Some("did you mean CORTEX_NODE_HUB__SERVER_HOST?"));
    let environment = Environment::empty().with("CORTEX_NODE_HUB__GRPC_PORT", "http");
    let error = refusal(&good(), &environment);
    assert!(error.message().contains("CORTEX_NODE_HUB__GRPC_PORT"), "{error}");
}

#[test]
fn what_must_be_there_is_missed_by_name() {
    for key in ["hub.id", "hub.server_host", "hub.ca_spki_sha256"] {
        let leaf = key.rsplit('.').next().unwrap();
        let kept = good().lines().filter(|line| !line.contains(leaf)).fold(
            String::new(),
            |mut text, line| {
                text.push_str(line);
                text.push('\n');
                text
            },
        );
        let error = refusal(&kept, &Environment::empty());
        assert!(error.message().contains(key), "{key}: {error}");
    }
    let error = refusal("", &Environment::empty());
    assert!(error.message().contains("hub.id is missing"), "{error}");
}

#[test]
fn a_readable_invite_is_warned_of_and_masked() {
    let invite = format!("cxi1.inv_{}.{}", "0".repeat(26), "A".repeat(43));
    let loaded = load_text(&format!("{}invite: {invite}\n", good()), &Environment::empty());
    let loaded = loaded.0.unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].contains("chmod 600"), "{:?}", loaded.warnings);
    let (value, _) = origin_of(&loaded, "invite");
    assert!(value.starts_with("cxi1.inv_") && !value.contains("AAAA"), "{value}");
    let garbled = refusal(&format!("{}invite: cxi1.oops\n", good()), &Environment::empty());
    assert!(garbled.message().contains("cxi1.<id>.<secret>"), "{garbled}");
}

#[test]
fn limits_are_checked() {
    for (key, value) in [("max_tasks", "0"), ("max_tasks", "5000"), ("reconnect_limit", "0")] {
        let text = format!("{}  {key}: {value}\n", good());
        let error = refusal(&text, &Environment::empty());
        assert!(error.message().contains(key), "{key}: {error}");
    }
}
