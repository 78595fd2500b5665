//! One program from its start to its end.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use bytes::BytesMut;
use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::skill::Invocation;
use cortex_core::skill::StopReason;
use cortex_core::task::Outcome;
use cortex_core::task::Stream;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Child;
use tokio::process::ChildStdin;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio::time::timeout;
use tokio::time::timeout_at;

use super::BaseEnvironment;
use super::REVOKED;
use super::Ready;
use super::SHUTDOWN_GRACE;
use super::broken;
use super::group;
use super::group::Process;

/// How long pipes are read that somebody keeps open after the program has ended.
const HELD_OPEN: Duration = Duration::from_secs(1);

/// What a pipe holds at most when the program ends; it is read however slow the reader is.
const PIPE_BYTES: usize = 64 << 10;

/// Output is read into a buffer of this size at first, and of [`PIPE_BYTES`] once it was full.
const FIRST_READ_BYTES: usize = 4 << 10;

/// How long the system has to end what got KILL; what hangs in the kernel is not waited for.
const KILLED_WITHIN: Duration = Duration::from_millis(500);

/// How often a stopped group is looked at after its leader has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(super) async fn run(
    invocation: &Invocation,
    ready: Ready,
    environment: &BaseEnvironment,
) -> Result<Outcome> {
    let mut command = command(&ready, environment);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            return Ok(broken(format!("{} cannot be started: {error}", ready.file.display())));
        }
    };
    let pid = child.id().ok_or_else(|| defect("a program that was just started has no id"))?;
    let leader = i32::try_from(pid).map_err(|_| defect("a process id is out of range"))?;
    let mut guard = KillOnDrop { group: Some(leader) };
    invocation.started(Some(pid)).await;

    let stdin = child.stdin.take().map(|pipe| (pipe, ready.work.stdin.clone()));
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let exited = watch::Sender::new(None);
    let pumps = async {
        tokio::join!(
            feed(stdin),
            pump(invocation, Stream::Stdout, stdout, exited.subscribe()),
            pump(invocation, Stream::Stderr, stderr, exited.subscribe()),
        );
    };
    let life = async {
        let end = supervise(invocation, &mut child, leader).await;
        exited.send_replace(Some(Instant::now()));
        end
    };
    tokio::pin!(pumps, life);
    let end = tokio::select! {
        biased;
        () = &mut pumps => life.await,
        end = &mut life => {
            let was_stopped = matches!(end, Ok(End::Stopped(..)));
            if was_stopped {
                // Nobody waits for the rest of what was stopped, should the hub be away.
                if timeout(HELD_OPEN, pumps).await.is_err() {
                    invocation.cut(Stream::Stdout);
                    invocation.cut(Stream::Stderr);
                }
            } else {
                pumps.await;
            }
            end
        }
    };
    guard.group = None;
    Ok(match end? {
        End::Exited(status) => outcome_of(status),
        End::Stopped(reason, processes) => stopped(reason, processes),
    })
}

/// How the main process came to its end.
enum End {
    Exited(ExitStatus),
    /// Somebody wanted it; so many processes ended.
    Stopped(StopReason, u32),
}

/// Ends a group when the skill's future is dropped before its time.
struct KillOnDrop {
    group: Option<i32>,
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            group::kill(group, &group::members(group));
        }
    }
}

fn command(ready: &Ready, environment: &BaseEnvironment) -> Command {
    // Nothing here may keep the standard library from posix_spawn (no hook before exec, no ids):
    // a fork of a large process is much slower.
    let mut command = Command::new(&ready.file);
    command
        .arg0(ready.argv.first().map_or("", String::as_str))
        .args(ready.argv.iter().skip(1))
        .current_dir(&ready.cwd)
        .env_clear()
        .envs(environment.iter())
        .envs(&ready.work.env)
        .stdin(if ready.work.stdin.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command
}

async fn feed(stdin: Option<(ChildStdin, Bytes)>) {
    if let Some((mut pipe, data)) = stdin {
        // A program that does not read its input to the end is none of our business.
        let _ = pipe.write_all(&data).await;
    }
}

/// Hands on one stream until it is closed, or held open for too long after the program's end.
async fn pump<R: AsyncRead + Unpin>(
    invocation: &Invocation,
    stream: Stream,
    pipe: Option<R>,
    mut exited: watch::Receiver<Option<Instant>>,
) {
    let Some(mut pipe) = pipe else { return };
    let mut chunk = FIRST_READ_BYTES;
    let mut after_exit = 0;
    loop {
        let mut buffer = BytesMut::with_capacity(chunk);
        let seen = *exited.borrow_and_update();
        let read = match seen {
            None => tokio::select! {
                biased;
                read = pipe.read_buf(&mut buffer) => read,
                _ = exited.changed() => continue,
            },
            Some(at) => {
                let deadline = at + HELD_OPEN;
                if Instant::now() >= deadline && after_exit >= PIPE_BYTES {
                    return invocation.cut(stream);
                }
                match timeout_at(deadline, pipe.read_buf(&mut buffer)).await {
                    Ok(read) => read,
                    Err(_) => return,
                }
            }
        };
        let len = match read {
            Ok(0) | Err(_) => return,
            Ok(len) => len,
        };
        if seen.is_some() {
            after_exit += len;
        }
        if len == chunk {
            chunk = PIPE_BYTES;
        }
        invocation.write(stream, buffer.freeze()).await;
    }
}

/// Waits for the main process, and ends its group when the task is to stop.
async fn supervise(invocation: &Invocation, child: &mut Child, leader: i32) -> Result<End> {
    let reason = tokio::select! {
        biased;
        status = child.wait() => return Ok(End::Exited(status.map_err(cannot_wait)?)),
        reason = invocation.cancelled() => reason,
    };
    let mut members = group::members(leader);
    group::terminate(leader, &members);
    let grace = match reason {
        StopReason::Shutdown => invocation.grace.min(SHUTDOWN_GRACE),
        StopReason::Revoked => Duration::ZERO,
        _ => invocation.grace,
    };
    let deadline = Instant::now() + grace;
    let leader_ended = timeout_at(deadline, child.wait()).await.is_ok();
    // The others of the group have the rest of the grace time.
    while leader_ended && Instant::now() < deadline && any_alive(&members) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    members.extend(group::members(leader));
    if !leader_ended || any_alive(&members) {
        group::kill(leader, &members);
        child.wait().await.map_err(cannot_wait)?;
        let deadline = Instant::now() + KILLED_WITHIN;
        while Instant::now() < deadline && any_alive(&members) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    let ended = members.iter().filter(|member| !group::is_alive(**member)).count();
    Ok(End::Stopped(reason, u32::try_from(ended).unwrap_or(u32::MAX).max(1)))
}

fn any_alive(members: &BTreeSet<Process>) -> bool {
    members.iter().any(|member| group::is_alive(*member))
}

fn outcome_of(status: ExitStatus) -> Outcome {
    match (status.code(), status.signal()) {
        (Some(code), _) => Outcome::Exited { code },
        (None, Some(signal)) => Outcome::Signalled { signal },
        (None, None) => broken(format!("the program ended in an unknown way: {status}")),
    }
}

fn stopped(reason: StopReason, processes: u32) -> Outcome {
    match reason {
        StopReason::Timeout => Outcome::TimedOut { processes },
        StopReason::Shutdown => Outcome::Interrupted { reason: "node was shut down".to_owned() },
        StopReason::Revoked => Outcome::Interrupted { reason: REVOKED.to_owned() },
        _ => Outcome::Cancelled { processes },
    }
}

fn cannot_wait(error: std::io::Error) -> Error {
    defect("the program's end cannot be awaited").with_source(error)
}

fn defect(message: &str) -> Error {
    Error::new(ErrorKind::Internal, "run program", message)
}
