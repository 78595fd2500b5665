//! One program from its start to its end.

use std::os::fd::AsFd;
use std::process::Stdio;
use std::time::Duration;

use bytes::BytesMut;
use cortex_core::Result;
use cortex_core::skill::Invocation;
use cortex_core::task::Input;
use cortex_core::task::Outcome;
use cortex_core::task::ShellWork;
use cortex_core::task::Stream;
use rustix::pipe::fcntl_setpipe_size;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::process::ChildStdin;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio::time::timeout;
use tokio::time::timeout_at;

use super::BaseEnvironment;
use super::Ready;
use super::broken;
use super::family::Family;
use super::group;
use super::life::End;
use super::life::KillOnDrop;
use super::life::defect;
use super::life::supervise;

/// How long pipes are read that somebody keeps open after the program has ended.
const HELD_OPEN: Duration = Duration::from_secs(1);

/// What a pipe holds at most when the program ends; it is read however slow the reader is. A
/// program that fills its pipe gets one of this size, as far as the system lets it.
const PIPE_BYTES: usize = 1 << 20;

/// Output is read into a buffer of this size at first. One that was filled is followed by a larger
/// one, up to [`LARGEST_READ_BYTES`], and by a smaller one again where little comes.
const FIRST_READ_BYTES: usize = 4 << 10;
const LARGEST_READ_BYTES: usize = 256 << 10;

/// Once a buffer of this size was filled, the pipe is made larger: the system's own holds as much.
const FULL_PIPE_BYTES: usize = 64 << 10;

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
    group::stand_back(pid);
    let family = Family { leader: Some(leader), mark: ready.mark };
    let mut guard = KillOnDrop::of(family);
    crash_point!("node::spawned");
    invocation.started(Some(pid)).await;

    let stdin = child.stdin.take();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let exited = watch::Sender::new(None);
    let pumps = async {
        tokio::join!(
            feed(invocation, stdin, &ready.work, exited.subscribe()),
            pump(invocation, Stream::Stdout, stdout, exited.subscribe()),
            pump(invocation, Stream::Stderr, stderr, exited.subscribe()),
        );
    };
    let life = async {
        let end = supervise(invocation, &mut child, family).await;
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
    guard.leave();
    Ok(end?.outcome())
}

fn command(ready: &Ready, environment: &BaseEnvironment) -> Command {
    // Nothing here may keep the standard library from posix_spawn (no hook before exec, no ids):
    // a fork of a large process is much slower.
    let has_stdin = ready.work.open_stdin || !ready.work.stdin.is_empty();
    let mut command = Command::new(&ready.file);
    command
        .arg0(ready.argv.first().map_or("", String::as_str))
        .args(ready.argv.iter().skip(1))
        .current_dir(&ready.cwd)
        .env_clear()
        .envs(environment.iter())
        .envs(&ready.work.env)
        .envs(ready.mark.variables())
        .stdin(if has_stdin { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// Writes to standard input what came with the task, and then what is sent to it, to its end or
/// the program's.
async fn feed(
    invocation: &Invocation,
    stdin: Option<ChildStdin>,
    work: &ShellWork,
    mut exited: watch::Receiver<Option<Instant>>,
) {
    let Some(mut pipe) = stdin else { return };
    let writing = async {
        // A program that does not read its input to the end is none of our business.
        pipe.write_all(&work.stdin).await?;
        if !work.open_stdin {
            return Ok(());
        }
        loop {
            match invocation.input().await {
                Input::Data(data) => pipe.write_all(&data).await?,
                Input::Resize(_) | Input::Signal(_) => {}
                Input::Close => return std::io::Result::Ok(()),
            }
        }
    };
    tokio::select! {
        _ = writing => {}
        _ = exited.wait_for(Option::is_some) => {}
    }
}

/// Hands on one stream until it is closed, or held open for too long after the program's end.
async fn pump<R: AsyncRead + AsFd + Unpin>(
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
            if chunk == FULL_PIPE_BYTES {
                // Where that is too much for the system or the user, it stays as it is.
                let _ = fcntl_setpipe_size(&pipe, PIPE_BYTES);
            }
            chunk = (chunk * 4).min(LARGEST_READ_BYTES);
        } else if len < chunk / 8 {
            chunk = (chunk / 4).max(FIRST_READ_BYTES);
        }
        invocation.write(stream, buffer.freeze()).await;
    }
}
