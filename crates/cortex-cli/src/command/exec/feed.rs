//! Standard input on its way into running tasks: as it comes, of any length, each byte once.

use std::io::Read as _;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use cortex_core::ErrorKind;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use crate::client::CallError;
use crate::client::Client;
use crate::client::address::Route;
use crate::client::call::Call;
use crate::client::retry;
use crate::client::retry::Retry;
use crate::client::stream::may_pass;
use crate::exit::Failure;
use crate::exit::Result;

/// What is read and sent at once, in bytes.
const CHUNK_BYTES: usize = 64 << 10;

/// Chunks that wait for a task that does not read.
const WAITING: usize = 2;

/// The hub lets a request wait so long for a task that does not read.
const HUB_WAITS: Duration = Duration::from_secs(25);

/// How long to wait for a task's node.
const QUEUED_PAUSE: Duration = Duration::from_millis(500);

type Chunk = std::io::Result<Bytes>;

/// What one task gets of standard input.
#[derive(Debug)]
pub(crate) struct Feed {
    chunks: mpsc::Receiver<Chunk>,
}

/// Reads standard input for so many tasks; the slowest sets the pace.
///
/// The thread that reads is left where it waits when the program ends.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn read_for(tasks: usize) -> Result<Vec<Feed>> {
    let (senders, feeds): (Vec<_>, Vec<_>) = (0..tasks)
        .map(|_| {
            let (sender, chunks) = mpsc::channel(WAITING);
            (sender, Feed { chunks })
        })
        .unzip();
    let thread = std::thread::Builder::new().name("cortex-stdin".to_owned());
    thread.spawn(move || read(senders)).map_err(|error| {
        Failure::new(ErrorKind::Internal, format!("cannot read standard input: {error}"))
    })?;
    Ok(feeds)
}

fn read(mut senders: Vec<mpsc::Sender<Chunk>>) {
    let mut stdin = std::io::stdin().lock();
    let mut buffer = vec![0; CHUNK_BYTES];
    while !senders.is_empty() {
        let chunk = match stdin.read(&mut buffer) {
            Ok(0) => return,
            Ok(len) => Ok(Bytes::copy_from_slice(&buffer[..len])),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let copy = || match &chunk {
            Ok(bytes) => Ok(bytes.clone()),
            Err(error) => Err(std::io::Error::new(error.kind(), error.to_string())),
        };
        // A task that has ended takes nothing any more.
        senders.retain(|sender| sender.blocking_send(copy()).is_ok());
        if chunk.is_err() {
            return;
        }
    }
}

/// Whether a task takes more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Put {
    Taken,
    Ended,
}

impl Feed {
    /// Puts all of it into the task, once it is known, and then closes its standard input.
    ///
    /// # Errors
    /// Standard input cannot be read, or the rest of it does not get through: the task has a part.
    pub(crate) async fn run(
        mut self,
        mut client: Client,
        task: oneshot::Receiver<String>,
    ) -> Result<()> {
        let Ok(id) = task.await else { return Ok(()) };
        let mut offset = 0;
        while let Some(chunk) = self.chunks.recv().await {
            let chunk = chunk.map_err(|error| {
                Failure::new(ErrorKind::Internal, format!("cannot read standard input: {error}"))
            })?;
            let len = chunk.len() as u64;
            if put(&mut client, &id, offset, chunk, false).await? == Put::Ended {
                return Ok(());
            }
            offset += len;
        }
        put(&mut client, &id, offset, Bytes::new(), true).await.map(drop)
    }
}

/// Puts bytes in, over as many requests as it takes: the hub knows by `offset` what it has.
async fn put(client: &mut Client, id: &str, offset: u64, bytes: Bytes, close: bool) -> Result<Put> {
    let route = Route::new("/api/tasks").segment(id).segment("input").query("offset", offset);
    let route = if close { route.query("close", "true") } else { route };
    let call = Call::post_bytes(route, bytes).waiting(HUB_WAITS);
    let mut retry = Retry::default();
    loop {
        let Err(error) = client.send(&call).await else { return Ok(Put::Taken) };
        match &error {
            CallError::Refused(failure) => match failure.code() {
                "task_ended" => return Ok(Put::Ended),
                "input_waits" => continue,
                "task_queued" => {
                    tokio::time::sleep(QUEUED_PAUSE).await;
                    continue;
                }
                _ if may_pass(&error) => {}
                _ => return Err(client.told(error)),
            },
            CallError::Lost(_) if may_pass(&error) => {}
            CallError::Lost(_) => return Err(client.told(error)),
        }
        match retry.failed(Instant::now(), retry::random()) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(client.told(error)),
        }
    }
}
