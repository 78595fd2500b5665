//! A wire between two processes that can be cut: what is sent then gets lost on the way, or waits,
//! and nobody is told.

use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::rig::pause;

/// How often a wire that nothing comes through looks whether it was cut or taken away.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The wire; it is taken away when the value is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// Where it begins.
    pub(crate) address: String,
    state: Arc<State>,
    listening: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    is_cut: AtomicBool,
    is_gone: AtomicBool,
}

impl Proxy {
    /// Lays a wire to an address.
    pub(crate) fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it listens").to_string();
        listener.set_nonblocking(true).expect("a listener");
        let state = Arc::<State>::default();
        let (shared, target) = (Arc::clone(&state), target.to_owned());
        let listen = move || listen(&listener, &target, &shared);
        let listening = std::thread::Builder::new().name("proxy".to_owned()).spawn(listen);
        Self { address, state, listening: Some(listening.expect("a thread")) }
    }

    pub(crate) fn cut(&self) {
        self.state.is_cut.store(true, Ordering::Relaxed);
    }

    pub(crate) fn heal(&self) {
        self.state.is_cut.store(false, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.is_gone.store(true, Ordering::Relaxed);
        // What went wrong in there has been seen in the test.
        let _ = self.listening.take().map(JoinHandle::join);
    }
}

fn listen(listener: &TcpListener, target: &str, state: &State) {
    std::thread::scope(|scope| {
        while !state.is_gone.load(Ordering::Relaxed) {
            let Ok((near, _)) = listener.accept() else {
                pause();
                continue;
            };
            let Ok(far) = TcpStream::connect(target) else { continue };
            let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) else { continue };
            scope.spawn(move || carry(near, far, state));
            scope.spawn(move || carry(far_too, near_too, state));
        }
    });
}

/// Carries bytes one way until either side ends.
fn carry(mut from: TcpStream, mut to: TcpStream, state: &State) {
    // Accepted sockets may have inherited that they do not wait.
    let is_ready =
        from.set_nonblocking(false).is_ok() && from.set_read_timeout(Some(LOOK_EVERY)).is_ok();
    let mut buffer = [0; 16 << 10];
    while is_ready && !state.is_gone.load(Ordering::Relaxed) {
        if state.is_cut.load(Ordering::Relaxed) {
            pause();
            continue;
        }
        match from.read(&mut buffer) {
            Ok(len @ 1..) if to.write_all(&buffer[..len]).is_ok() => {}
            Err(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            _ => break,
        }
    }
    // Either may be closed already.
    let _ = from.shutdown(std::net::Shutdown::Both);
    let _ = to.shutdown(std::net::Shutdown::Both);
}
