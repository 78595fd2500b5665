//! A flood of output through a terminal: a long text, from the start of the program to its last
//! byte at the reader.

use std::fs::File;
use std::io::BufWriter;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::ensure;

use crate::cortex::Hub;
use crate::cortex::Node;
use crate::echo::request;
use crate::seat::Pipes;
use crate::socket::Socket;
use crate::ssh::Ssh;
use crate::table::Party;
use crate::table::Row;
use crate::table::Table;

/// A line of the text.
const LINE: &[u8] = b"The quick brown fox jumps over the lazy dog, again and again, and again.\n";

/// Bytes of the text: a whole one, and one for a look.
const WHOLE: usize = 256 << 20;
const QUICK: usize = 32 << 20;

/// Measures each party once.
pub(crate) async fn measure(
    ssh: &Ssh,
    hub: &Hub,
    node: &Node,
    dir: &Path,
    quick: bool,
    table: &mut Table,
) -> Result<()> {
    let lines = if quick { QUICK } else { WHOLE } / LINE.len();
    let file = text(dir, lines)?;
    // A terminal puts a carriage return before each line's end.
    let bytes = (lines * (LINE.len() + 1)) as u64;
    let command = ssh.terminal(&format!("exec cat {}", file.display()));
    let ssh = tokio::task::spawn_blocking(move || {
        let start = Instant::now();
        let seen = Pipes::start(command)?.drain()?;
        ensure!(seen == bytes, "{seen} of {bytes} bytes came through ssh");
        rate(bytes, start)
    });
    table.add(Row::Output, Party::Ssh, ssh.await??);
    let start = Instant::now();
    let task = node.submit(&request(&["cat", &file.to_string_lossy()])).await?;
    let mut socket = Socket::join(hub.api(), &task, false)?;
    let cortex = tokio::task::spawn_blocking(move || {
        let mut seen = 0;
        while let Some(data) = socket.next().context("a terminal's output")? {
            seen += data.len() as u64;
        }
        ensure!(seen == bytes, "{seen} of {bytes} bytes came through the hub");
        rate(bytes, start)
    });
    table.add(Row::Output, Party::Cortex, cortex.await??);
    Ok(())
}

/// MB/s since then.
fn rate(bytes: u64, start: Instant) -> Result<f64> {
    Ok(bytes as f64 / 1e6 / start.elapsed().as_secs_f64())
}

fn text(dir: &Path, lines: usize) -> Result<PathBuf> {
    let path = dir.join(format!("text-{lines}"));
    if !path.exists() {
        let mut file = BufWriter::new(File::create(&path)?);
        for _ in 0..lines {
            file.write_all(LINE)?;
        }
        file.flush()?;
    }
    Ok(path)
}
