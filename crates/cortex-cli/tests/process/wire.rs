//! An HTTP/2 connection to a hub's node port, frame by frame: what no well-behaved client sends.

use std::io;
use std::io::ErrorKind;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;

use crate::rig::Bench;
use crate::rig::pause;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Kinds of frames.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Flags of `HEADERS`.
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// How to reach the node port of a hub.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    address: String,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Wire {
    tls: ClientConnection,
    socket: TcpStream,
    received: Vec<u8>,
    /// Whether the hub has said that it is over.
    pub(crate) is_dismissed: bool,
}

/// A frame as it is sent.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
    let mut frame = vec![len[1], len[2], len[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The headers of a call.
pub(crate) fn call(path: &str) -> Vec<u8> {
    let text = |text: &str| {
        let len = u8::try_from(text.len()).expect("a short text");
        [&[len], text.as_bytes()].concat()
    };
    // POST and https of the static table; a path, an authority and a content type without indexing.
    let mut block = vec![0x83, 0x87, 0x04];
    block.extend(text(path));
    block.push(0x01);
    block.extend(text("hub"));
    block.extend([0x0f, 0x10]);
    block.extend(text("application/grpc"));
    block
}

impl Gate {
    pub(crate) fn of(bench: &Bench) -> Self {
        bench.invite("stranger");
        let invite = bench.read("stranger.yaml");
        let line = invite.lines().find_map(|line| line.trim().strip_prefix("server_name: "));
        let name = line.expect("a name").trim().trim_matches('"').to_owned();
        let mut roots = RootCertStore::empty();
        let ca = bench.read("hub/trust/ca.cert.pem");
        roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).expect("PEM")).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from(name).expect("a name");
        Self { address: bench.grpc().to_owned(), name, config: Arc::new(config) }
    }

    /// A client that has said nothing yet.
    fn client(&self) -> ClientConnection {
        ClientConnection::new(Arc::clone(&self.config), self.name.clone()).expect("a client")
    }

    /// The first bytes that a client sends.
    pub(crate) fn hello(&self) -> Vec<u8> {
        let mut hello = Vec::new();
        self.client().write_tls(&mut hello).expect("a vector takes all");
        hello
    }

    /// A connection without a word on it.
    pub(crate) fn connect(&self) -> io::Result<TcpStream> {
        TcpStream::connect(&self.address)
    }

    /// A connection whose two sides have said that they speak HTTP/2.
    pub(crate) fn open(&self) -> Wire {
        let socket = self.connect().expect("the hub listens");
        socket.set_nonblocking(true).expect("a socket");
        let (tls, received) = (self.client(), Vec::new());
        let mut wire = Wire { tls, socket, received, is_dismissed: false };
        wire.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).expect("the hub listens");
        wire
    }
}

impl Wire {
    /// Sends all of this, and takes what comes meanwhile. An error means that the connection is
    /// over.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tls.writer().write_all(bytes)?;
        while self.tls.wants_write() || self.tls.is_handshaking() {
            let is_stuck = !self.flush()?;
            let is_silent = !self.take()?;
            if is_stuck && is_silent {
                pause();
            }
        }
        Ok(())
    }

    /// Puts this on the way as far as there is room, and takes nothing.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.tls.wants_write() {
            self.tls.writer().write_all(bytes)?;
        }
        if !self.flush()? {
            pause();
        }
        Ok(())
    }

    /// Whether anything went out.
    fn flush(&mut self) -> io::Result<bool> {
        let mut sent = 0;
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Ok(len) => sent += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(sent > 0)
    }

    /// Takes what has come; whether anything has.
    pub(crate) fn take(&mut self) -> io::Result<bool> {
        let mut has_come = false;
        loop {
            match self.tls.read_tls(&mut self.socket) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => has_come = true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            let state = self.tls.process_new_packets().map_err(io::Error::other)?;
            let before = self.received.len();
            self.received.resize(before + state.plaintext_bytes_to_read(), 0);
            self.tls.reader().read_exact(&mut self.received[before..])?;
            self.look();
        }
        Ok(has_come)
    }

    /// Reads whole frames, and forgets them.
    fn look(&mut self) {
        let mut at = 0;
        while let Some(&[a, b, c, kind, ..]) = self.received.get(at..at + 9) {
            let len = u32::from_be_bytes([0, a, b, c]) as usize;
            if self.received.len() < at + 9 + len {
                break;
            }
            self.is_dismissed |= kind == GOAWAY;
            at += 9 + len;
        }
        self.received.drain(..at);
    }
}
