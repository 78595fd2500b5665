//! Handshakes, made by another implementation of TLS: `openssl s_client`.

use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;

use cortex_hub_lib::HubBuilder;
use cortex_hub_lib::HubConfig;
use cortex_hub_lib::config::NodeTls;
use cortex_hub_lib::trust::Purpose;
use rcgen::CertificateParams;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::Issuer;
use rcgen::KeyPair;
use rcgen::SanType;
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use crate::sandbox::Sandbox;
use crate::sandbox::wait;

/// What became of a connection.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// The server sent something behind the handshake.
    Accepted,
    /// It closed the connection; what the client says of that.
    Refused(String),
}

impl Seen {
    fn is_refused_with(&self, word: &str) -> bool {
        matches!(self, Seen::Refused(text) if text.contains(word))
    }
}

/// Connects with `openssl s_client`, and looks whether anything comes after the handshake: a server
/// of TLS 1.3 judges the client's certificate only then.
async fn connect(address: &str, arguments: &[&str]) -> Seen {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", address, "-alpn", "h2", "-quiet", "-ign_eof"]);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = command.kill_on_drop(true).spawn().expect("openssl is installed");
    // Kept open: at its end the client would go away by itself.
    let _stdin = client.stdin.take();
    let mut output = client.stdout.take().expect("it is a pipe");
    let mut errors = client.stderr.take().expect("it is a pipe");
    let mut byte = [0];
    // An HTTP/2 server sends its settings first.
    let first = wait(output.read(&mut byte)).await.expect("the output can be read");
    if first == 1 {
        return Seen::Accepted;
    }
    let mut text = String::new();
    wait(errors.read_to_string(&mut text)).await.expect("the errors can be read");
    Seen::Refused(text)
}

/// Files of a client certificate and its key.
struct Shown {
    certificate: PathBuf,
    key: PathBuf,
}

impl Shown {
    fn write(sandbox: &Sandbox, name: &str, certificate: &str, key: &str) -> Self {
        let shown = Self {
            certificate: sandbox.path(&format!("{name}.cert.pem")),
            key: sandbox.path(&format!("{name}.key.pem")),
        };
        std::fs::write(&shown.certificate, certificate).unwrap();
        std::fs::write(&shown.key, key).unwrap();
        shown
    }

    fn arguments(&self) -> [&str; 4] {
        ["-cert", self.certificate.to_str().unwrap(), "-key", self.key.to_str().unwrap()]
    }
}

/// The certificate that a node keeps.
fn of_node(sandbox: &Sandbox, name: &str) -> Shown {
    let dir = sandbox.path(&format!("{name}-data"));
    let kept = std::fs::read(dir.join("enrolment.json")).unwrap();
    let kept: Value = serde_json::from_slice(&kept).unwrap();
    let leaf = kept["certificate"]["chain"][0].as_str().unwrap();
    let lines: Vec<_> = leaf.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    let lines = lines.join("\n");
    let pem = format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n");
    let number = &kept["certificate"]["key"];
    let key = std::fs::read_to_string(dir.join(format!("tls-{number}.key"))).unwrap();
    Shown::write(sandbox, name, &pem, &key)
}

/// A certificate that the hub's own authority has signed, as it never would.
fn forged(sandbox: &Sandbox, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Shown {
    let trust = sandbox.path("hub").join("trust");
    let ca_key = std::fs::read_to_string(trust.join("ca.key.pem")).unwrap();
    let ca = std::fs::read_to_string(trust.join("ca.cert.pem")).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&ca, KeyPair::from_pem(&ca_key).unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let uri = format!("spiffe://{}/node/nod_00000000000000000000000000", sandbox.hub.id());
    params.subject_alt_names = vec![SanType::URI(uri.as_str().try_into().unwrap())];
    change(&mut params);
    let certificate = params.signed_by(&key, &issuer).unwrap();
    Shown::write(sandbox, name, &certificate.pem(), &key.serialize_pem())
}

fn self_signed(sandbox: &Sandbox) -> Shown {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["node".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.self_signed(&key).unwrap();
    Shown::write(sandbox, "self", &certificate.pem(), &key.serialize_pem())
}

#[tokio::test(flavor = "multi_thread")]
async fn row_56_in_mutual_only_a_good_certificate_of_the_hubs_authority_gets_in() {
    let sandbox = Sandbox::with_config(|config| config.tls.nodes = NodeTls::Mutual).await;
    let node = sandbox.node("lab").await;
    let address = sandbox.node_address();
    let name = internal_name(&sandbox);
    let good = of_node(&sandbox, "lab");
    assert_eq!(connect(&address, &good.arguments()).await, Seen::Accepted);
    let named = [&good.arguments()[..], &["-servername", &name]].concat();
    assert_eq!(connect(&address, &named).await, Seen::Accepted);

    let none = connect(&address, &["-servername", &name]).await;
    assert!(none.is_refused_with("certificate required"), "{none:?}");
    let expired = forged(&sandbox, "expired", |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let early = forged(&sandbox, "early", |params| {
        params.not_before = rcgen::date_time_ymd(2100, 1, 1);
    });
    let server = forged(&sandbox, "server", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    for (shown, word) in [
        (&expired, "certificate expired"),
        (&early, "certificate"),
        (&server, "certificate"),
        (&self_signed(&sandbox), "unknown ca"),
    ] {
        let seen = connect(&address, &shown.arguments()).await;
        assert!(seen.is_refused_with(word), "{}: {seen:?}", shown.certificate.display());
    }
    let old = [&good.arguments()[..], &["-tls1_2"]].concat();
    let old = connect(&address, &old).await;
    assert!(old.is_refused_with("protocol version"), "{old:?}");
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_56_in_mutual_what_a_revoked_authority_has_signed_gets_in_no_more() {
    let sandbox = Sandbox::with_config(|config| config.tls.nodes = NodeTls::Mutual).await;
    let node = sandbox.node("lab").await;
    let address = sandbox.node_address();
    let (old, stolen) = (of_node(&sandbox, "lab"), forged(&sandbox, "stolen", |_| ()));
    for shown in [&old, &stolen] {
        assert_eq!(connect(&address, &shown.arguments()).await, Seen::Accepted);
    }
    sandbox.rotate(Purpose::Ca, 1).await;
    for shown in [&old, &stolen] {
        let seen = connect(&address, &shown.arguments()).await;
        assert!(seen.is_refused_with("alert"), "{seen:?}");
    }
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_56_by_token_the_node_port_speaks_tls_1_3_only() {
    let sandbox = Sandbox::start().await;
    let address = sandbox.node_address();
    assert_eq!(connect(&address, &["-tls1_3"]).await, Seen::Accepted);
    // The second is off in the client's own defaults.
    for (version, word) in [("-tls1_2", "alert protocol version"), ("-tls1_1", "alert")] {
        let seen = connect(&address, &[version, "-cipher", "ALL:@SECLEVEL=0"]).await;
        assert!(seen.is_refused_with(word), "{version}: {seen:?}");
    }
    sandbox.stop().await;
}

fn internal_name(sandbox: &Sandbox) -> String {
    format!("{}.cortex.internal", sandbox.hub.id().to_string().replace('_', "-"))
}

/// Writes a certificate and its key; `name` is in its subject.
fn write_outside(dir: &Path, name: &str) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["public.example".to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(dir.join("key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(dir.join("cert.pem"), certificate.pem()).unwrap();
}

/// The subject of the certificate that a server presents.
async fn presented(address: &str, name: &str) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", address, "-servername", name]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = wait(command.output()).await.expect("openssl is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let subject = text.lines().find(|line| line.starts_with("subject="));
    subject.unwrap_or_else(|| panic!("no certificate: {text}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outside_certificate_is_for_the_public_name_and_is_read_again_when_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    write_outside(dir.path(), "first");
    let mut config = HubConfig::default();
    config.data_dir = dir.path().join("hub");
    config.tls.certificate = Some(dir.path().join("cert.pem"));
    config.tls.key = Some(dir.path().join("key.pem"));
    let [nodes, http] = [listen().await, listen().await];
    let [grpc, web] = [&nodes, &http].map(|one| one.local_addr().unwrap().to_string());
    let (hub, driver) = Box::pin(HubBuilder::new(config).build(&nodes)).await.unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(driver.run(nodes, Some(http), stop.clone()));
    let internal = format!("{}.cortex.internal", hub.id().to_string().replace('_', "-"));
    assert!(presented(&web, "public.example").await.contains("first"));
    assert!(presented(&grpc, "public.example").await.contains("first"));
    let own = presented(&grpc, &internal).await;
    assert!(own.contains(&internal), "{own}");

    write_outside(dir.path(), "second");
    let changed = async {
        while !presented(&web, "public.example").await.contains("second") {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    wait(changed).await;
    assert!(presented(&grpc, "public.example").await.contains("second"));
    assert_eq!(presented(&grpc, &internal).await, own);
    stop.cancel();
    drop(hub);
    wait(running).await.unwrap().unwrap();
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}
