//! One program in a terminal from its start to its end.
//!
//! What it shows is the task's output, what is typed is the task's input. A change of the
//! terminal's size stands among the output where it happened, so that whoever reads the task later
//! sees what its people saw: [`SizeChange`].

use std::time::Duration;

use cortex_core::Result;
use cortex_core::skill::Invocation;
use cortex_core::task::Input;
use cortex_core::task::Outcome;
use cortex_core::task::SizeChange;
use cortex_core::task::Stream;
use cortex_core::task::Terminal;
use cortex_core::task::Window;
use tokio::sync::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio::time::timeout;
use tokio::time::timeout_at;

use super::BaseEnvironment;
use super::Ready;
use super::broken;
use super::life::End;
use super::life::supervise;
use super::pty;
use super::pty::Display;
use super::pty::Keyboard;
use super::pty::Pty;

/// How long a terminal is read that somebody keeps open after its program has ended.
const HELD_OPEN: Duration = Duration::from_millis(200);

/// How long it is read after the program was stopped, should the hub be away.
const STOPPED: Duration = Duration::from_secs(1);

/// What a terminal holds at most when its program ends; it is read however slow the reader is.
const HELD_BYTES: usize = 64 << 10;

pub(super) async fn run(
    invocation: &Invocation,
    ready: Ready,
    terminal: &Terminal,
    environment: &BaseEnvironment,
) -> Result<Outcome> {
    let Pty { mut program, mut display, mut keyboard, mut guard } =
        match pty::start(&ready, terminal, environment) {
            Ok(started) => started,
            Err(error) => {
                let file = ready.file.display();
                return Ok(broken(format!("{file} cannot be started in a terminal: {error}")));
            }
        };
    let pid = program.pid;
    let family = program.family;
    invocation.started(Some(pid)).await;

    let exited = watch::Sender::new(None);
    let sizes = watch::Sender::new(terminal.window);
    // Bytes put out so far; who holds it puts out next.
    let written = Mutex::new(0);
    let shown = async {
        let noting = note_sizes(invocation, sizes.subscribe(), &written);
        let typing = take_input(invocation, &mut keyboard, &sizes, &written);
        tokio::select! {
            () = show(invocation, &mut display, &written, exited.subscribe()) => {}
            ((), ()) = async { tokio::join!(noting, typing) } => {}
        }
    };
    let life = async {
        let end = supervise(invocation, &mut program, family).await;
        exited.send_replace(Some(Instant::now()));
        end
    };
    tokio::pin!(shown, life);
    let end = tokio::select! {
        biased;
        () = &mut shown => life.await,
        end = &mut life => {
            if matches!(end, Ok(End::Stopped(..))) {
                if timeout(STOPPED, shown).await.is_err() {
                    invocation.cut(Stream::Stdout);
                }
            } else {
                shown.await;
            }
            end
        }
    };
    guard.leave();
    Ok(end?.outcome())
}

/// Hands on what the terminal shows until its program lets go of it, or held open for too long.
async fn show(
    invocation: &Invocation,
    display: &mut Display,
    written: &Mutex<u64>,
    mut exited: watch::Receiver<Option<Instant>>,
) {
    let mut after_exit = 0;
    loop {
        let seen = *exited.borrow_and_update();
        let read = match seen {
            None => tokio::select! {
                biased;
                read = display.read() => read,
                _ = exited.changed() => continue,
            },
            Some(at) => {
                let deadline = at + HELD_OPEN;
                if Instant::now() >= deadline && after_exit >= HELD_BYTES {
                    return invocation.cut(Stream::Stdout);
                }
                match timeout_at(deadline, display.read()).await {
                    Ok(read) => read,
                    Err(_) => return,
                }
            }
        };
        let Ok(data) = read else { return };
        let len = data.len();
        if len == 0 {
            return;
        }
        if seen.is_some() {
            after_exit += len;
        }
        let mut written = written.lock().await;
        invocation.write(Stream::Stdout, data).await;
        *written = invocation.put_out(Stream::Stdout).await;
    }
}

/// Puts changes of size that came while output waited behind it, as one.
async fn note_sizes(
    invocation: &Invocation,
    mut sizes: watch::Receiver<Window>,
    written: &Mutex<u64>,
) {
    while sizes.changed().await.is_ok() {
        let written = written.lock().await;
        let window = *sizes.borrow_and_update();
        note_size(invocation, *written, window).await;
    }
}

async fn note_size(invocation: &Invocation, at: u64, window: Window) {
    invocation.write(Stream::Stderr, SizeChange { at, window }.to_line()).await;
}

/// Types what is sent to the task. Never resolves: a terminal that takes no more input still shows.
async fn take_input(
    invocation: &Invocation,
    keyboard: &mut Keyboard,
    sizes: &watch::Sender<Window>,
    written: &Mutex<u64>,
) {
    let mut known = *sizes.borrow();
    loop {
        let taken = match invocation.input().await {
            Input::Data(data) => keyboard.write(&data).await,
            Input::Close => keyboard.end().await,
            Input::Signal(_) => Ok(()),
            Input::Resize(window) if window == known => Ok(()),
            Input::Resize(window) => {
                known = window;
                let is_set = keyboard.resize(window);
                // Noted before anything is shown that comes of it, but keys do not wait for that
                // while output does.
                match written.try_lock() {
                    Ok(written) => note_size(invocation, *written, window).await,
                    Err(_) => {
                        sizes.send_replace(window);
                    }
                }
                is_set
            }
        };
        if let Err(error) = taken {
            tracing::debug!(task = %invocation.task, %error, "a terminal takes no input");
        }
    }
}
