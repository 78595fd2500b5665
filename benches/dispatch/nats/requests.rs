//! The asking side: many requests over one connection, each answer told to whoever waits for it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use anyhow::Context as _;
use anyhow::Result;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::wire;
use super::wire::Frame;
use super::wire::Reader;

const INBOX: &str = "_INBOX.bench";

type Waiting = Mutex<HashMap<u64, oneshot::Sender<Bytes>>>;

/// A connection that asks. Its tasks end when it is dropped.
#[derive(Debug)]
pub(crate) struct Requests {
    outgoing: mpsc::Sender<Bytes>,
    waiting: Arc<Waiting>,
    next: AtomicU64,
    _tasks: JoinSet<()>,
}

impl Requests {
    /// Connects and subscribes to the answers.
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self> {
        let (reader, outgoing, writing) = wire::connect(address).await?;
        let waiting = Arc::new(Waiting::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(writing);
        tasks.spawn(deliver(reader, outgoing.clone(), Arc::clone(&waiting)));
        outgoing.send(format!("SUB {INBOX}.* 1\r\n").into()).await?;
        Ok(Self { outgoing, waiting, next: AtomicU64::new(0), _tasks: tasks })
    }

    /// Publishes a request and waits for its answer.
    pub(crate) async fn ask(&self, subject: &str, payload: &[u8]) -> Result<Bytes> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        lock(&self.waiting).insert(id, sender);
        let frame = wire::publish(subject, Some(&format!("{INBOX}.{id}")), payload);
        self.outgoing.send(frame).await.context("the connection to nats-server is gone")?;
        answer.await.context("the connection to nats-server broke")
    }
}

async fn deliver(mut reader: Reader, outgoing: mpsc::Sender<Bytes>, waiting: Arc<Waiting>) {
    loop {
        match reader.next().await {
            Ok(Frame::Ping) => {
                if outgoing.send(Bytes::from_static(b"PONG\r\n")).await.is_err() {
                    break;
                }
            }
            Ok(Frame::Pong) => {}
            Ok(Frame::Message(message)) => {
                let id = message.subject.rsplit('.').next().and_then(|id| id.parse().ok());
                let asker = id.and_then(|id: u64| lock(&waiting).remove(&id));
                if let Some(asker) = asker {
                    // Whoever gave up does not need the answer.
                    drop(asker.send(message.payload));
                }
            }
            Err(_) => break,
        }
    }
    // Everybody who still waits learns of it by their dropped sender.
    lock(&waiting).clear();
}

fn lock(waiting: &Waiting) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Bytes>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
