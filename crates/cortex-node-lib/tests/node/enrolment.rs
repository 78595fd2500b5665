//! Joining a hub, and not joining another one.

use std::path::Path;
use std::sync::atomic::Ordering;

use cortex_core::ErrorKind;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use cortex_core::policy::SandboxPolicy;
use cortex_core::task::Outcome;
use cortex_core::task::TaskSpec;
use cortex_node_lib::NodeBuilder;
use cortex_node_lib::Status;
use cortex_node_lib::config::InviteToken;
use cortex_node_lib::config::Pin;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt as _;

use crate::hub::FakeHub;
use crate::hub::LIMIT;
use crate::hub::Running;

#[tokio::test(flavor = "multi_thread")]
async fn an_invited_node_enrols_runs_a_task_and_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let running = hub.run(dir.path());
    let mut link = hub.link().await;
    assert_eq!((link.epoch, link.known.len()), (1, 0));
    let online = tokio::time::timeout(LIMIT, running.node.wait_online()).await.unwrap();
    assert_eq!(online.unwrap(), 1);
    assert_eq!(running.node.id(), Some(hub.state.node));
    assert_eq!(running.node.name().as_deref(), Some("lab-7"));

    let task = link.submit(TaskSpec::argv(["echo", "hi"])).await;
    let story = link.settle(task).await;
    assert_eq!(
        (story.stdout.as_slice(), &story.outcome),
        (&b"hi\n"[..], &Outcome::Exited { code: 0 })
    );
    assert!(story.pid.is_some() && story.stderr.is_empty());

    running.node.shutdown("SIGTERM");
    let leaving = link.next().await;
    let reason = match leaving {
        Some(cortex_proto::v1::node_message::Body::Leaving(leaving)) => leaving.reason,
        other => panic!("expected the leave, got {other:?}"),
    };
    assert_eq!(reason, "SIGTERM");
    assert_eq!(link.next().await, None);
    running.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolled_node_needs_no_invite_and_beats() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let first = hub.run(dir.path());
    drop(hub.link().await);
    first.stop().await.unwrap();
    let mut config = hub.config(dir.path());
    config.invite = None;
    let second = Running::start(NodeBuilder::new(config));
    let link = hub.link().await;
    assert_eq!(hub.state.finished.load(Ordering::SeqCst), 1);
    assert_eq!(second.node.id(), Some(hub.state.node));
    let beaten = async {
        while hub.state.beats.load(Ordering::SeqCst) < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, beaten).await.expect("two heartbeats in time");
    drop(link);
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_hub_hears_nothing_of_the_invite() {
    let dir = tempfile::tempdir().unwrap();
    let hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let mut config = hub.config(dir.path());
    config.hub.ca_spki_sha256 = vec![Pin::from_bytes([1; 32])];
    let running = Running::start(NodeBuilder::new(config));
    let status = running.node.status();
    let error = running.ended().await.expect_err("another hub");
    assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "hub_pin_mismatch"));
    for pin in [hub.pin.to_string(), Pin::from_bytes([1; 32]).to_string()] {
        assert!(error.message().contains(&pin), "{error}");
    }
    assert_eq!(hub.state.begun.load(Ordering::SeqCst), 0);
    assert!(matches!(*status.borrow(), Status::Stopped { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_with_another_name_or_id_is_refused_before_the_secret_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let mut config = hub.config(dir.path());
    config.hub.id = HubId::generate();
    let error = Running::start(NodeBuilder::new(config)).ended().await.expect_err("another id");
    assert_eq!(error.code(), "hub_mismatch");

    let mut config = hub.config(dir.path()).reconnect_limit(1);
    config.hub.server_name = "other.example".to_owned();
    let error = Running::start(NodeBuilder::new(config)).ended().await.expect_err("another name");
    assert_eq!(error.code(), "hub_certificate_refused");
    assert_eq!(hub.state.finished.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_that_is_refused_ends_the_node_with_its_word() {
    let dir = tempfile::tempdir().unwrap();
    let hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let config = hub.config(dir.path()).invite(InviteToken::new(hub.state.invite, [6; 32]));
    let error = Running::start(NodeBuilder::new(config)).ended().await.expect_err("refused");
    assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "invite_already_used"));
    assert!(error.hint().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_invite_and_enrolment_there_is_nothing_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let mut config = hub.config(dir.path());
    config.invite = None;
    let error = Running::start(NodeBuilder::new(config)).ended().await.expect_err("no invite");
    assert_eq!(error.code(), "not_enrolled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_of_another_identity_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let running = hub.run(dir.path());
    drop(hub.link().await);
    running.stop().await.unwrap();
    let mut config = hub.config(dir.path());
    config.id = Some(NodeId::generate());
    let error = NodeBuilder::new(config).build().expect_err("another node");
    assert_eq!(error.code(), "other_identity");
    let mut config = hub.config(dir.path());
    config.hub.id = HubId::generate();
    let error = NodeBuilder::new(config).build().expect_err("another hub");
    assert_eq!(error.code(), "other_identity");
}

/// A hub that does not have the pinned key sees a handshake that is broken off. A node that wants to
/// come back then asks once, whoever is there, for the bundle that would explain the new key: with its
/// own id, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn row_04_a_false_hub_receives_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let running = hub.run(dir.path());
    drop(hub.link().await);
    running.stop().await.unwrap();

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(false_hub(&hub)));
    let (seen, mut heard) = tokio::sync::mpsc::channel(8);
    let listening = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let shaken = acceptor.accept(stream).await;
            let said = match shaken {
                Ok(stream) => Some(listen(stream).await),
                Err(_) => None,
            };
            if seen.send(said).await.is_err() {
                return;
            }
        }
    });
    let stranger = tempfile::tempdir().unwrap();
    let come = async |data: &Path| {
        let mut config = hub.config(data).reconnect_limit(1);
        config.hub.grpc_port = port;
        let error =
            Running::start(NodeBuilder::new(config)).ended().await.expect_err("not its hub");
        let found = (error.kind(), error.code());
        assert_eq!(found, (ErrorKind::Denied, "hub_pin_mismatch"), "{error}");
    };
    let mut next = async || tokio::time::timeout(LIMIT, heard.recv()).await.unwrap().unwrap();
    come(stranger.path()).await;
    assert_eq!(next().await, None, "a machine that enrols breaks off");

    come(dir.path()).await;
    assert_eq!(next().await, None, "it does not take the key for its hub's");
    let said = next().await.expect("it asks for its bundle");
    assert_eq!(said.requests, 1, "{said:?}");
    // Five bytes that frame the message, two before its only field.
    let node = hub.state.node.to_string();
    assert_eq!(said.message.get(7..), Some(node.as_bytes()), "{said:?}");
    listening.abort();
}

/// What somebody said in HTTP/2 until its first message was whole.
#[derive(Debug, Default, PartialEq)]
struct Said {
    requests: usize,
    message: Vec<u8>,
}

/// Says as much as a server has to say first, and listens (RFC 9113, sections 3.4 and 4.1).
async fn listen(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Said {
    let mut said = Said::default();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let mut preface = [0; 24];
    if stream.write_all(&settings).await.is_err() || stream.read_exact(&mut preface).await.is_err()
    {
        return said;
    }
    let mut head = [0; 9];
    while stream.read_exact(&mut head).await.is_ok() {
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(len).unwrap()];
        stream.read_exact(&mut payload).await.unwrap();
        match (head[3], head[4]) {
            (1, _) => said.requests += 1,
            (0, flags) => {
                said.message.extend(payload);
                if flags & 1 == 1 {
                    break;
                }
            }
            _ => {}
        }
    }
    said
}

/// The TLS of somebody who has the hub's names, and a key of their own.
fn false_hub(hub: &FakeHub) -> rustls::ServerConfig {
    let name = format!("{}.cortex.internal", hub.state.hub.to_string().replace('_', "-"));
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec![format!("enrol.{name}"), name];
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialized_der().to_vec());
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth();
    let chain = vec![certificate.der().clone()];
    let mut config = config.with_single_cert(chain, key.into()).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}
