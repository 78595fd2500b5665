//! Processes that a benchmark starts, and that end with it.

use std::os::fd::AsFd as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::anyhow;
use anyhow::bail;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::io::BufReader;
use tokio::io::Lines;
use tokio::net::unix::pipe;
use tokio::process::Child;
use tokio::process::ChildStdout;
use tokio::process::Command;

/// How long a program may take until it is ready.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(120);

/// Servers live there, which a user's `PATH` need not have.
const SERVER_DIRS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// A program in the background: killed and reaped when the value is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    child: Child,
    /// Kept open after the first line, so that the program can go on writing.
    lines: Option<Lines<BufReader<ChildStdout>>>,
    log: PathBuf,
}

impl Program {
    /// Starts a program; what it writes to standard error goes to a file in `dir`.
    ///
    /// Its standard input stays open as long as the value lives.
    pub(crate) fn start(name: &str, command: &mut Command, dir: &Path) -> Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let errors = std::fs::File::create(&log)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let lines = child.stdout.take().map(|stdout| BufReader::new(stdout).lines());
        Ok(Self { name: name.to_owned(), child, lines, log })
    }

    /// Waits for the first line of its standard output.
    pub(crate) async fn first_line(&mut self) -> Result<String> {
        let lines = self.lines.as_mut().context("standard output is piped")?;
        match tokio::time::timeout(START_LIMIT, lines.next_line()).await {
            Ok(Ok(Some(line))) => Ok(line),
            Ok(Ok(None)) => Err(self.failure("ended")),
            Ok(Err(error)) => Err(self.failure(&format!("broke ({error})"))),
            Err(_) => Err(self.failure("did not get ready in time")),
        }
    }

    /// Says what happened to it, with the end of what it wrote to standard error.
    pub(crate) fn failure(&mut self, what: &str) -> anyhow::Error {
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        let end = lines[lines.len().saturating_sub(20)..].join("\n");
        let state = match self.child.try_wait() {
            Ok(Some(status)) => format!(" ({status})"),
            _ => String::new(),
        };
        anyhow!("{} {what}{state}; it said:\n{end}", self.name)
    }

    /// Whether it has ended by itself, which none of these programs should.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it at once, and waits until it is gone.
    pub(crate) async fn kill(mut self) -> Result<()> {
        self.child.kill().await.with_context(|| format!("cannot kill {}", self.name))
    }

    /// What it wrote to standard error.
    pub(crate) fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(&self.log)?)
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Result<u32> {
        self.child.id().with_context(|| format!("{} has ended", self.name))
    }

    /// Its resident memory, in KiB.
    pub(crate) fn resident(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?))
            .context("the memory of a process can be read on Linux only")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let value = line.and_then(|line| line.split_whitespace().next());
        value.context("no VmRSS")?.parse().context("VmRSS is no number")
    }
}

/// Waits until whoever started this process closes its standard input, or ends.
pub(crate) async fn parent_ended() -> Result<()> {
    let mut input = pipe::Receiver::from_owned_fd(std::io::stdin().as_fd().try_clone_to_owned()?)?;
    // Nobody writes into it.
    while input.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}

/// A command for a program that may open as many files as the system lets it.
pub(crate) fn with_many_files(program: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n \"$(ulimit -Hn)\" && exec \"$@\"", "sh"]).arg(program);
    command
}

/// Finds a program of a peer.
///
/// # Errors
/// It is not installed; says how it gets there.
pub(crate) fn find_peer(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(SERVER_DIRS.map(PathBuf::from));
    let found = dirs.map(|dir| dir.join(name)).find(|file| file.is_file());
    found.with_context(|| {
        format!(
            "{name} is not installed, and figures without peers say little: run \
             `scripts/setup --peers`, or name what is to be measured with `-- --only cortex,…`"
        )
    })
}

/// Runs a program to its end and returns what it wrote to standard output.
pub(crate) async fn output_of(name: &str, command: &mut Command) -> Result<Vec<u8>> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{name} failed ({}): {}", output.status, said.trim());
    }
    Ok(output.stdout)
}

/// Asks again and again until `probe` has an answer.
pub(crate) async fn until<T, F: Future<Output = Result<Option<T>>>>(
    what: &str,
    mut probe: impl FnMut() -> F,
) -> Result<T> {
    let asked = async {
        loop {
            if let Some(answer) = probe().await? {
                return Ok(answer);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(START_LIMIT, asked).await;
    in_time.with_context(|| format!("{what}: not within {START_LIMIT:?}"))?
}
