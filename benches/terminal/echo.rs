//! A keystroke until its echo: in a terminal in raw mode runs `cat`, which puts out what it reads,
//! as an editor or a shell with line editing does.

use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use cortex_proto::json::DispatchRequest;
use cortex_proto::json::TerminalDraft;

use crate::cortex::Hub;
use crate::cortex::NODE;
use crate::cortex::Node;
use crate::sample::Sample;
use crate::seat::Pipes;
use crate::seat::Seat;
use crate::socket::Socket;
use crate::ssh::Ssh;
use crate::table::Party;
use crate::table::Row;
use crate::table::Table;

/// What the terminals run.
const LINE: &str = "stty raw -echo; echo ready; exec cat";

/// What is shown when they take keys.
const READY: &[u8] = b"ready";

/// Keys before those that count.
const WARM: usize = 50;

/// How fast a fast typist is.
const PAUSE: Duration = Duration::from_millis(20);

/// Somebody at a terminal.
pub(crate) trait Typist: Send {
    /// Types bytes.
    fn send(&mut self, keys: &[u8]) -> Result<()>;

    /// Waits for what is shown next.
    fn shown(&mut self) -> Result<Vec<u8>>;
}

/// Measures every way to a terminal in turn.
pub(crate) async fn measure(
    ssh: &Ssh,
    hub: &Hub,
    node: &Node,
    quick: bool,
    table: &mut Table,
) -> Result<()> {
    let keys = if quick { (500, 50) } else { (2_000, 200) };
    let pipes = Pipes::start(ssh.terminal(LINE))?;
    one(Party::Ssh, Row::API, pipes, keys, table).await.context("ssh")?;
    let task = node.submit(&request(&["sh", "-c", LINE])).await?;
    let socket = Socket::join(hub.api(), &task, true)?;
    one(Party::Cortex, Row::API, socket, keys, table).await.context("the hub's API")?;
    let seat = Seat::start(&ssh.terminal(LINE))?;
    one(Party::Ssh, Row::CLI, seat, keys, table).await.context("ssh in a terminal")?;
    let mut command = node.command();
    command.args(["shell", NODE, "--", "sh", "-c", LINE]);
    let seat = Seat::start(command.as_std())?;
    one(Party::Cortex, Row::CLI, seat, keys, table).await.context("cortex-cli shell")
}

/// A program in a terminal.
pub(crate) fn request(argv: &[&str]) -> DispatchRequest {
    let terminal = Some(TerminalDraft { cols: 80, rows: 24, term: None });
    let argv = argv.iter().map(|&arg| arg.to_owned()).collect();
    DispatchRequest { argv, terminal, ..DispatchRequest::default() }
}

async fn one(
    party: Party,
    rows: [Row; 4],
    typist: impl Typist + 'static,
    (fast, paced): (usize, usize),
    table: &mut Table,
) -> Result<()> {
    let measured = tokio::task::spawn_blocking(move || times(typist, fast, paced)).await?;
    let (mut fast, mut paced) = measured?;
    let [calm, calm_tail, quick, quick_tail] = rows;
    table.add(calm, party, paced.quantile(0.5));
    table.add(calm_tail, party, paced.quantile(0.99));
    table.add(quick, party, fast.quantile(0.5));
    table.add(quick_tail, party, fast.quantile(0.99));
    Ok(())
}

/// Types keys as fast as their echoes come, and as a person does.
#[expect(clippy::disallowed_methods, reason = "a person's pauses, on a thread of their own")]
fn times(mut typist: impl Typist, fast: usize, paced: usize) -> Result<(Sample, Sample)> {
    let mut seen = Vec::new();
    while !seen.windows(READY.len()).any(|part| part == READY) {
        seen.extend(typist.shown()?);
    }
    let (mut quick, mut calm) = (Sample::default(), Sample::default());
    for number in 0..WARM + fast {
        let took = key(&mut typist, number)?;
        if number >= WARM {
            quick.add(took);
        }
    }
    for number in 0..paced {
        std::thread::sleep(PAUSE);
        calm.add(key(&mut typist, number)?);
    }
    Ok((quick, calm))
}

/// Types a key and waits until it is shown.
fn key(typist: &mut impl Typist, number: usize) -> Result<Duration> {
    let key = b'a' + u8::try_from(number % 26)?;
    let start = Instant::now();
    typist.send(&[key])?;
    while !typist.shown()?.contains(&key) {}
    Ok(start.elapsed())
}
