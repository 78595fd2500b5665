//! A pseudo-terminal and the program in it: the seam to `portable-pty`, which nothing else names.
//!
//! The program leads a session of its own, whose controlling terminal this is. The master's side is
//! read and written without blocking: a read takes all that is there, so that much output comes in
//! few pieces and a keystroke's echo comes at once.

use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::os::fd::RawFd;
use std::process::Child;
use std::process::ExitStatus;

use bytes::Bytes;
use cortex_core::task::Terminal;
use cortex_core::task::Window;
use filedescriptor::FileDescriptor;
use portable_pty::CommandBuilder;
use portable_pty::MasterPty;
use portable_pty::PtySize;
use portable_pty::native_pty_system;
use rustix::process::Signal;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use super::BaseEnvironment;
use super::Ready;
use super::family::Family;
use super::group;
use super::life::KillOnDrop;
use super::life::Leader;

/// The most that one read takes.
const READ_BYTES: usize = 64 << 10;

/// What is not passed on: it would hide the terminal's true size from programs.
const SIZE_VARIABLES: [&str; 2] = ["COLUMNS", "LINES"];

/// The character that ends a terminal's input at the start of a line.
const END_OF_INPUT: &[u8] = b"\x04";

/// A program that runs in a terminal, in its parts.
#[derive(Debug)]
pub(super) struct Pty {
    pub(super) program: Program,
    pub(super) display: Display,
    pub(super) keyboard: Keyboard,
    pub(super) guard: KillOnDrop,
}

/// The program's process; a thread waits for its end.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) pid: u32,
    pub(super) family: Family,
    ended: watch::Receiver<Option<ExitStatus>>,
    /// The terminal that it runs in.
    terminal: FileDescriptor,
}

/// Where the program's output comes out.
#[derive(Debug)]
pub(super) struct Display {
    fd: AsyncFd<FileDescriptor>,
    buffer: Box<[u8]>,
}

/// Where the program's input goes in.
pub(super) struct Keyboard {
    fd: AsyncFd<FileDescriptor>,
    master: Box<dyn MasterPty + Send>,
}

/// Starts a program in a terminal of its own.
///
/// # Errors
/// There is no terminal to be had, or the program cannot be started.
pub(super) fn start(
    ready: &Ready,
    terminal: &Terminal,
    environment: &BaseEnvironment,
) -> io::Result<Pty> {
    let pair = native_pty_system().openpty(size_of(terminal.window)).map_err(io::Error::other)?;
    let raw = pair.master.as_raw_fd().ok_or_else(|| io::Error::other("no descriptor"))?;
    let display = Display { fd: open(raw)?, buffer: vec![0; READ_BYTES].into() };
    let keyboard = Keyboard { fd: open(raw)?, master: pair.master };
    let command = command(ready, terminal, environment);
    let child: Box<dyn portable_pty::Child> =
        pair.slave.spawn_command(command).map_err(io::Error::other)?;
    // The program alone holds that side now: when it lets go, the output ends.
    drop(pair.slave);
    let child = child.downcast::<Child>().map_err(|_| io::Error::other("no child process"))?;
    let pid = child.id();
    let leader = i32::try_from(pid).map_err(io::Error::other)?;
    group::stand_back(pid);
    let family = Family { leader: Some(leader), mark: ready.mark };
    let guard = KillOnDrop::of(family);
    let program = Program { pid, family, ended: await_end(*child)?, terminal: dup(raw)? };
    Ok(Pty { program, display, keyboard, guard })
}

/// Another descriptor of the master's side, which is not waited for.
#[expect(deprecated, reason = "unsound where a descriptor is not owned; this one is")]
fn open(raw: RawFd) -> io::Result<AsyncFd<FileDescriptor>> {
    let mut fd = dup(raw)?;
    fd.set_non_blocking(true).map_err(io::Error::other)?;
    AsyncFd::new(fd)
}

fn dup(raw: RawFd) -> io::Result<FileDescriptor> {
    FileDescriptor::dup(&raw).map_err(io::Error::other)
}

fn command(ready: &Ready, terminal: &Terminal, environment: &BaseEnvironment) -> CommandBuilder {
    let mut command = CommandBuilder::new(&ready.file);
    command.args(ready.argv.iter().skip(1));
    command.cwd(&ready.cwd);
    command.env_clear();
    for (name, value) in environment.iter() {
        command.env(name, value);
    }
    for name in SIZE_VARIABLES {
        command.env_remove(name);
    }
    command.env("TERM", &terminal.term);
    for (name, value) in &ready.work.env {
        command.env(name, value);
    }
    for (name, value) in ready.mark.variables() {
        command.env(name, value);
    }
    command
}

fn await_end(mut child: Child) -> io::Result<watch::Receiver<Option<ExitStatus>>> {
    let (sender, ended) = watch::channel(None);
    let wait = move || match child.wait() {
        Ok(status) => {
            sender.send_replace(Some(status));
        }
        // Whoever waits sees that nobody will tell.
        Err(error) => tracing::error!(%error, "the end of a terminal's program cannot be awaited"),
    };
    std::thread::Builder::new().name("cortex-terminal".to_owned()).spawn(wait)?;
    Ok(ended)
}

fn size_of(window: Window) -> PtySize {
    PtySize { rows: window.rows(), cols: window.cols(), pixel_width: 0, pixel_height: 0 }
}

impl Leader for Program {
    // A shell with a terminal does not listen to TERM; and what is stopped hears nothing.
    const ASKS: &'static [Signal] = &[Signal::HUP, Signal::TERM, Signal::CONT];

    async fn wait(&mut self) -> io::Result<ExitStatus> {
        let ended = self.ended.wait_for(Option::is_some).await;
        ended.ok().and_then(|status| *status).ok_or_else(|| io::Error::other("nobody waits for it"))
    }

    /// What is in the foreground, as if the signal had been typed.
    fn meant(&self, leader: Option<i32>) -> Option<i32> {
        let foreground = rustix::termios::tcgetpgrp(&self.terminal);
        foreground.map_or(leader, |group| Some(group.as_raw_nonzero().get()))
    }
}

impl Display {
    /// Takes what the program has put out, all of it up to 64 KiB; nothing at its end.
    ///
    /// # Cancel safety
    /// Nothing is lost where the future is dropped.
    pub(super) async fn read(&mut self) -> io::Result<Bytes> {
        loop {
            let mut ready = self.fd.readable_mut().await?;
            let buffer = &mut self.buffer;
            if let Ok(len) = ready.try_io(|fd| read_all(fd.get_mut(), buffer)) {
                return Ok(Bytes::copy_from_slice(&self.buffer[..len?]));
            }
        }
    }
}

/// Fills `buffer` with what is there; a kernel hands out a terminal's output in small pieces.
fn read_all(fd: &mut FileDescriptor, buffer: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        match fd.read(&mut buffer[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) if len > 0 => break,
            // Linux says so when nobody holds the other side any more.
            Err(error) if is_hung_up(&error) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

fn is_hung_up(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

impl Keyboard {
    /// Types bytes; waits while the program does not read.
    pub(super) async fn write(&mut self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let mut ready = self.fd.writable_mut().await?;
            match ready.try_io(|fd| fd.get_mut().write(data)) {
                Ok(Ok(len)) => data = &data[len..],
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                // It was full after all.
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Says that nothing more is typed.
    pub(super) async fn end(&mut self) -> io::Result<()> {
        self.write(END_OF_INPUT).await
    }

    /// Gives the terminal another size, which its program is told.
    pub(super) fn resize(&mut self, window: Window) -> io::Result<()> {
        self.master.resize(size_of(window)).map_err(io::Error::other)
    }
}

impl std::fmt::Debug for Keyboard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyboard").field("fd", &self.fd).finish_non_exhaustive()
    }
}
