//! Who a node is, and who its hub is: keys that are replaced, and a hub that is a false one.

use std::fs::File;
use std::net::TcpStream;
use std::process::Command;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;

use crate::rig::Bench;
use crate::rig::NODE;
use crate::rig::Running;
use crate::rig::stderr;
use crate::rig::stdout;
use crate::rig::until;

/// Runs `cortex-node` on the node of `NAME.yaml`.
fn node_command(bench: &Bench, name: &str, args: &[&str]) -> Command {
    let mut command = bench.command(NODE);
    let (config, data) = (format!("{name}.yaml"), format!("{name}-data"));
    command.args(args).args(["--config", &config, "--data-dir", &data]);
    command
}

#[test]
fn a_stopped_node_gets_a_new_identity_key_and_a_running_one_does_not() {
    let mut bench = Bench::start(&[]);
    let mut node = bench.node("lab");
    let rotate = || {
        node_command(&bench, "lab", &["-o", "json", "rotate-identity"]).output().expect("it runs")
    };
    let refused = rotate();
    assert_eq!(refused.status.code(), Some(5), "{refused:?}");
    assert!(stderr(&refused).contains("data_dir_in_use"), "{refused:?}");
    let old = bench.read("lab-data/identity.key");
    node.signal(Signal::TERM);
    assert_eq!(node.exit_code(), Some(0));
    let rotated = rotate();
    assert_eq!(rotated.status.code(), Some(0), "{rotated:?}");
    let said: Value = serde_json::from_str(stdout(&rotated)).expect("one line of JSON");
    assert_eq!(said["identity_key"].as_str().unwrap().len(), 64);
    assert_ne!(bench.read("lab-data/identity.key"), old);
    let records = bench.json(&["audit", "list", "--action", "node.rekey"]);
    let detail = records["items"][0]["detail"].as_str().unwrap();
    assert!(detail.contains(said["identity_key"].as_str().unwrap()), "{records}");
    let mut node = bench.start_node("lab");
    bench.until_status("lab", "online");
    node.signal(Signal::TERM);
    assert_eq!(node.exit_code(), Some(0));

    // Nobody is there: the key waits on the disk, and the next start makes the change.
    bench.hub().kill();
    let unsettled = node_command(&bench, "lab", &["rotate-identity"]).output().expect("it runs");
    assert_eq!(unsettled.status.code(), Some(6), "{unsettled:?}");
    assert!(stderr(&unsettled).contains("start the node"), "{unsettled:?}");
    let next = bench.read("lab-data/identity-next.key");
    bench.serve(&[]);
    let _node = bench.start_node("lab");
    bench.until_status("lab", "online");
    assert_eq!(bench.read("lab-data/identity.key"), next);
}

/// Somebody who answers at the hub's address, has its names, and a key of their own.
fn false_hub(bench: &Bench, name: &str) -> Running {
    let names = format!("subjectAltName=DNS:{name},DNS:enrol.{name}");
    let made = bench
        .command("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-keyout", "false.key", "-out", "false.pem", "-days", "2", "-subj", "/CN=hub"])
        .args(["-addext", &names, "-addext", "basicConstraints=critical,CA:FALSE"])
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{made:?}");
    let file = |name: &str| File::create(bench.path(name)).expect("a file");
    let mut command = bench.command("openssl");
    command
        .args(["s_server", "-accept", bench.grpc(), "-cert", "false.pem", "-key", "false.key"])
        .args(["-tls1_3", "-alpn", "h2", "-quiet"])
        .stdin(Stdio::piped())
        .stdout(file("false.received"))
        .stderr(file("false.log"));
    let server = Running::of(command.spawn().expect("openssl is installed"));
    until("the false hub listens", || TcpStream::connect(bench.grpc()).ok());
    server
}

#[test]
fn row_04_a_false_hub_receives_no_byte_of_a_token_and_the_node_exits_with_an_error() {
    let mut bench = Bench::start(&[]);
    let mut known = bench.node("lab");
    known.signal(Signal::TERM);
    assert_eq!(known.exit_code(), Some(0));
    let config = bench.invite("stranger");
    let config = std::fs::read_to_string(config).expect("the invite's file");
    let name = config.lines().find_map(|line| line.trim().strip_prefix("server_name:"));
    let name = name.expect("the name of the hub").trim().trim_matches('"').to_owned();
    bench.hub().kill();
    let _false_hub = false_hub(&bench, &name);

    // A machine that would use its invite, a node that would get a token, one that would renew its key.
    let attempts: [(&str, &[&str]); 3] =
        [("stranger", &["run"]), ("lab", &["run"]), ("lab", &["rotate-identity"])];
    for (node, args) in attempts {
        let mut command = node_command(&bench, node, args);
        command.env("CORTEX_NODE_NODE__RECONNECT_LIMIT", "1");
        let ended = command.output().expect("it runs");
        assert_eq!(ended.status.code(), Some(3), "{node} {args:?}: {ended:?}");
        let words = stderr(&ended);
        assert!(words.contains("hub_pin_mismatch") || words.contains("pin"), "{words}");
    }
    let alerts = bench.read("false.log").matches("alert").count();
    assert!(alerts >= 3, "they came, and went away: {}", bench.read("false.log"));
    assert_eq!(bench.read("false.received"), "", "what the false hub received");
}
