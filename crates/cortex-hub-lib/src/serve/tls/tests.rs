use std::net::UdpSocket;
use std::os::fd::OwnedFd;

use cortex_core::timestamp::Timestamp;
use futures::StreamExt as _;
use futures::poll;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::TlsConnector;
use tonic::transport::server::Connected;

use super::*;
use crate::config::NodeTls;
use crate::trust::Trust;
use crate::trust::door::Door;

/// Longer than anything here takes, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

struct Scene {
    incoming: Incoming,
    address: SocketAddr,
    client: TlsConnector,
    name: ServerName<'static>,
}

async fn scene(limits: HandshakeLimits) -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let now = Timestamp::from(std::time::SystemTime::now());
    let trust = Trust::open(dir.path(), &[], now).unwrap();
    let authority = trust.authority();
    let doors = Doors::for_nodes(trust.hub(), authority, NodeTls::Token);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.ca_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec()];
    Scene {
        incoming: incoming(listener, Arc::new(doors), limits),
        address,
        client: TlsConnector::from(Arc::new(client)),
        name: ServerName::try_from(authority.server_name().to_owned()).unwrap(),
    }
}

/// Connects an honest client and has it say and hear something.
async fn exchange(scene: &mut Scene) {
    let Scene { incoming, address, client, name } = scene;
    let dial = async {
        let stream = TcpStream::connect(*address).await.unwrap();
        let local = stream.local_addr().unwrap();
        let mut stream = client.connect(name.clone(), stream).await.unwrap();
        stream.write_all(b"ping").await.unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"pong");
        local
    };
    let serve = async {
        let mut stream = incoming.next().await.unwrap().unwrap();
        let mut question = [0; 4];
        stream.read_exact(&mut question).await.unwrap();
        assert_eq!(&question, b"ping");
        stream.write_all(b"pong").await.unwrap();
        stream.flush().await.unwrap();
        stream
    };
    let both = async { tokio::join!(dial, serve) };
    let (peer, stream) = tokio::time::timeout(PATIENCE, both).await.unwrap();
    let info = stream.connect_info();
    assert_eq!(info, Peer { address: peer, door: Door::Main, node: None });
    assert!(stream.stream.get_ref().0.nodelay().unwrap());
}

async fn stall(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut stalled = Vec::with_capacity(count);
    for _ in 0..count {
        stalled.push(TcpStream::connect(address).await.unwrap());
    }
    stalled
}

/// Polls the stream until `count` handshakes are under way.
async fn accept(incoming: &mut Incoming, count: usize) {
    let all = async {
        while incoming.pending.len() < count {
            assert!(poll!(incoming.next()).is_pending());
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap();
}

fn long() -> HandshakeLimits {
    HandshakeLimits { timeout: PATIENCE * 2, crowded_timeout: PATIENCE, ..Default::default() }
}

#[tokio::test]
async fn those_who_stall_keep_nobody_waiting() {
    let mut scene = scene(long()).await;
    let mut stalled = stall(scene.address, 100).await;
    // Half of them begin and then stop in the middle of a record.
    for stream in &mut stalled[..50] {
        stream.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await.unwrap();
    }
    accept(&mut scene.incoming, 100).await;
    for _ in 0..3 {
        exchange(&mut scene).await;
    }
    assert_eq!(scene.incoming.pending.len(), 100);
}

#[tokio::test]
async fn failed_handshakes_do_not_end_the_stream() {
    let mut scene = scene(long()).await;
    for junk in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), &[0; 100], &[0xff; 3]] {
        let mut stream = TcpStream::connect(scene.address).await.unwrap();
        stream.write_all(junk).await.unwrap();
        exchange(&mut scene).await;
    }
    // One that leaves at once.
    drop(TcpStream::connect(scene.address).await.unwrap());
    exchange(&mut scene).await;
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_closed() {
    let limits = HandshakeLimits { timeout: Duration::from_millis(50), ..Default::default() };
    let mut scene = scene(limits).await;
    let mut stalled = stall(scene.address, 1).await;
    accept(&mut scene.incoming, 1).await;
    let mut byte = [0];
    let closed = async {
        tokio::select! {
            read = stalled[0].read(&mut byte) => read.unwrap(),
            _ = scene.incoming.next() => panic!("a stalled handshake came through"),
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, closed).await.unwrap(), 0);
    let emptied = async {
        while scene.incoming.pending.len() > 0 {
            assert!(poll!(scene.incoming.next()).is_pending());
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, emptied).await.unwrap();
    assert!(scene.incoming.pending.oldest().is_none());
}

#[tokio::test]
async fn a_full_house_gives_up_the_oldest() {
    let limits = HandshakeLimits {
        pending: 4,
        crowded_timeout: Duration::from_millis(50),
        timeout: PATIENCE * 2,
        ..Default::default()
    };
    let mut scene = scene(limits).await;
    let mut stalled = stall(scene.address, 4).await;
    accept(&mut scene.incoming, 4).await;
    exchange(&mut scene).await;
    // One made room; the others may stay as long as nobody waits.
    assert!(poll!(scene.incoming.next()).is_pending());
    assert_eq!(scene.incoming.pending.len(), 3);
    let mut byte = [0];
    let read = tokio::time::timeout(PATIENCE, stalled[0].read(&mut byte)).await.unwrap();
    assert_eq!(read.unwrap(), 0);
}

#[tokio::test]
async fn a_listener_that_refuses_is_asked_again_after_a_growing_pause() {
    // A datagram socket in the place of the listener: `accept` fails each time.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"wake", address).unwrap();
    let listener = std::net::TcpListener::from(OwnedFd::from(socket));
    let mut scene = scene(long()).await;
    scene.incoming.listener = TcpListener::from_std(listener).unwrap();
    let mut polls = 0;
    let grown = async {
        std::future::poll_fn(|cx| {
            polls += 1;
            assert!(scene.incoming.poll_next_unpin(cx).is_pending());
            let is_grown = scene.incoming.next_pause >= FIRST_PAUSE * 8;
            if is_grown { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    };
    tokio::time::timeout(PATIENCE, grown).await.unwrap();
    assert!(scene.incoming.pause.is_some());
    assert!(polls < 64, "{polls} polls for 3 pauses: it spins");
}

#[test]
fn an_address_has_a_limit_and_loopback_has_none() {
    let limits = HandshakeLimits { pending_per_source: 2, ..Default::default() };
    let admits = |text: &str, there| limits.admit(text.parse().unwrap(), there);
    assert!(admits("192.0.2.1", 1) && !admits("192.0.2.1", 2));
    assert!(admits("2001:db8::1", 1) && !admits("2001:db8::1", 2));
    assert!(!admits("::ffff:192.0.2.1", 2));
    assert!(admits("127.0.0.1", 99) && admits("::1", 99) && admits("::ffff:127.0.0.1", 99));
}

#[tokio::test]
async fn handshakes_are_counted_by_source_until_they_end() {
    let mut pending = Pending::default();
    let [one, near, far] =
        ["2001:db8::1", "2001:db8::2", "192.0.2.1"].map(|text| text.parse().unwrap());
    pending.start(one, std::future::pending());
    pending.start(near, std::future::ready(None));
    assert_eq!((pending.len(), pending.len_from(one), pending.len_from(far)), (2, 2, 0));
    let ended = async {
        while pending.len() > 1 {
            assert!(poll!(std::future::poll_fn(|cx| pending.poll_done(cx))).is_pending());
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
    assert_eq!(pending.len_from(near), 1);
    assert!(pending.give_up_oldest(Duration::ZERO));
    assert_eq!((pending.len(), pending.len_from(near)), (0, 0));
}

/// What tonic's `serve_with_incoming_shutdown` asks of its connections.
fn suits_a_grpc_server<S, C, E>(_: &S)
where
    S: Stream<Item = Result<C, E>>,
    C: tokio::io::AsyncRead + tokio::io::AsyncWrite + Connected + Unpin + Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
}

#[tokio::test]
async fn it_suits_a_grpc_server() {
    suits_a_grpc_server(&scene(HandshakeLimits::default()).await.incoming);
}
