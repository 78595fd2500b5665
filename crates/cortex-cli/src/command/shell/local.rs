//! The user's own terminal: its keys one by one, its size, and everything put right at the end.
//!
//! Where standard input is no terminal, what comes from there is typed as it is, and its end is the
//! end of what is typed; nothing is put into raw mode then, and `~` is a character like all others.

use std::fs::File;
use std::io;
use std::io::IsTerminal as _;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;

use cortex_core::ErrorKind;
use cortex_proto::json::TerminalDraft;
use rustix::fs::OFlags;
use rustix::termios;
use rustix::termios::OptionalActions;
use rustix::termios::Termios;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::mpsc;

use crate::exit::Failure;
use crate::exit::Result;
use crate::output;

/// Keys that are read at once.
const MOST_KEYS: usize = 4 << 10;

/// Pieces of what is no terminal that are read before they can be typed.
const READ_AHEAD: usize = 4;

/// Undoes what a program may have done to a terminal that it was cut off from: the screen of
/// full-screen programs (the cursor is saved for terminals that are not on it), reports of the
/// mouse, of pastes and of the focus, keys for applications, a hidden or another cursor, rows that
/// do not scroll, other characters, colours.
const PUT_RIGHT: &[u8] = b"\x1b7\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1005l\
    \x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[?1l\x1b>\x1b[>4m\x1b[?25h\x1b[0 q\x1b[?7h\x1b[4l\x1b(B\x0f\
    \x1b7\x1b[r\x1b8\x1b[0m\r\n";

/// Have the terminal keep its title, and take it again.
const KEEP_TITLE: &[u8] = b"\x1b[22;0t";
const TAKE_TITLE: &[u8] = b"\x1b[23;0t";

/// What happens here.
#[derive(Debug)]
pub(in crate::command) enum Here {
    /// Keys were typed.
    Keys(Vec<u8>),
    /// Nothing more is typed: standard input is no terminal, and has ended.
    Closed,
    /// The terminal has another size.
    Resized,
    /// The terminal is gone, or the system wants this program to end: by this signal.
    Ended(SignalKind),
}

/// Where keys come from.
#[derive(Debug)]
enum Keys {
    Terminal(AsyncFd<File>),
    Other(mpsc::Receiver<Vec<u8>>),
    /// Those have ended.
    None,
}

/// The user's terminal in raw mode, until it is dropped.
#[derive(Debug)]
pub(in crate::command) struct Local {
    keys: Keys,
    /// The settings to go back to, of a terminal.
    before: Option<Termios>,
    resized: Signal,
    ended: [(SignalKind, Signal); 3],
}

impl Local {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// The system does not let it.
    pub(in crate::command) fn begin() -> Result<Self> {
        let listen = |kind| signal(kind).map_err(unusable);
        let resized = listen(SignalKind::window_change())?;
        let ends = |kind| listen(kind).map(|signal| (kind, signal));
        let ended = [
            ends(SignalKind::hangup())?,
            ends(SignalKind::terminate())?,
            ends(SignalKind::interrupt())?,
        ];
        if !io::stdin().is_terminal() {
            let keys = Keys::Other(read_aside().map_err(unusable)?);
            return Ok(Self { keys, before: None, resized, ended });
        }
        let keys = Keys::Terminal(open_keys().map_err(unusable)?);
        let before = termios::tcgetattr(io::stdin()).map_err(unusable)?;
        let local = Self { keys, before: Some(before), resized, ended };
        local.take()?;
        Ok(local)
    }

    /// Whether a person types.
    pub(super) fn is_terminal(&self) -> bool {
        self.before.is_some()
    }

    /// Whether what is shown is seen on a screen, and not kept byte by byte.
    pub(super) fn is_screen(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Waits for what happens next; keys are left where they are without `wants_keys`.
    ///
    /// # Cancel safety
    /// Nothing is lost where the future is dropped.
    pub(in crate::command) async fn next(&mut self, wants_keys: bool) -> Here {
        let [(hang_up, hung_up), (terminate, terminated), (interrupt, interrupted)] =
            &mut self.ended;
        tokio::select! {
            happened = self.keys.read(), if wants_keys => happened,
            _ = self.resized.recv() => Here::Resized,
            _ = hung_up.recv() => Here::Ended(*hang_up),
            _ = terminated.recv() => Here::Ended(*terminate),
            _ = interrupted.recv() => Here::Ended(*interrupt),
        }
    }

    /// Undoes what the program on the node did to the terminal.
    pub(in crate::command) fn put_right(&self) {
        if self.is_screen() {
            // Nothing else can be tried.
            let _ = output::write_stdout(PUT_RIGHT);
        }
    }

    /// Stops this program, as Ctrl-Z stops others, until it is to go on.
    ///
    /// # Errors
    /// The terminal cannot be taken over again.
    pub(in crate::command) fn suspend(&self) -> Result<()> {
        self.put_right();
        self.give_back();
        // It goes on in the next line when its shell says so.
        let stopped =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TSTP);
        stopped.map_err(unusable)?;
        self.take()
    }

    fn take(&self) -> Result<()> {
        let Some(before) = &self.before else { return Ok(()) };
        let mut raw = before.clone();
        raw.make_raw();
        // What was typed ahead is kept.
        termios::tcsetattr(io::stdin(), OptionalActions::Drain, &raw).map_err(unusable)?;
        if self.is_screen() {
            output::write_stdout(KEEP_TITLE)?;
        }
        Ok(())
    }

    fn give_back(&self) {
        let Some(before) = &self.before else { return };
        // Nothing else can be tried.
        if self.is_screen() {
            let _ = output::write_stdout(TAKE_TITLE);
        }
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Drain, before);
    }

    /// Says something on a line of its own.
    pub(in crate::command) fn say(&self, text: &str) {
        if !self.is_terminal() {
            // Nobody to tell that nobody listens.
            let _ = output::write_stderr(format!("[{text}]\n").as_bytes());
            return;
        }
        let lines = text.lines().map(|line| format!("\r\n[{line}]")).collect::<String>();
        // Nobody to tell that nobody listens.
        let _ = output::write_stderr(format!("{lines}\r\n").as_bytes());
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Keys {
    async fn read(&mut self) -> Here {
        match self {
            Self::Terminal(keys) => match read(keys).await {
                Ok(keys) => Here::Keys(keys),
                Err(_) => Here::Ended(SignalKind::hangup()),
            },
            Self::Other(input) => match input.recv().await {
                Some(keys) => Here::Keys(keys),
                None => {
                    *self = Self::None;
                    Here::Closed
                }
            },
            Self::None => std::future::pending().await,
        }
    }
}

/// Reads standard input on a thread of its own, which ends with it or with this program: a read of
/// what is no terminal cannot be called off.
fn read_aside() -> io::Result<mpsc::Receiver<Vec<u8>>> {
    let (sender, input) = mpsc::channel(READ_AHEAD);
    let read = move || {
        let mut keys = vec![0; MOST_KEYS];
        while let Ok(len @ 1..) = io::stdin().read(&mut keys) {
            if sender.blocking_send(keys[..len].to_vec()).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("cortex-stdin".to_owned()).spawn(read)?;
    Ok(input)
}

fn unusable(error: impl Into<io::Error>) -> Failure {
    let error = error.into();
    Failure::new(ErrorKind::Internal, format!("cannot use this terminal: {error}"))
}

async fn read(keys: &AsyncFd<File>) -> io::Result<Vec<u8>> {
    let mut buffer = [0; MOST_KEYS];
    loop {
        let mut ready = keys.readable().await?;
        match ready.try_io(|keys| keys.get_ref().read(&mut buffer)) {
            Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(Ok(len)) => return Ok(buffer[..len].to_vec()),
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(Err(error)) => return Err(error),
            // There was nothing after all.
            Err(_) => {}
        }
    }
}

/// Makes sure that there is a terminal.
///
/// # Errors
/// Standard input or output is none.
pub(in crate::command) fn check() -> Result<()> {
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        return Ok(());
    }
    Err(Failure::usage("standard input and output must be a terminal")
        .with_code("no_terminal")
        .or_hint("cortex-cli exec runs a program without one"))
}

/// The user's terminal as one to ask for; 80 by 24 where its size is not known.
pub(in crate::command) fn draft() -> TerminalDraft {
    let (cols, rows) = size().unwrap_or((80, 24));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
    let term = std::env::var("TERM").ok();
    let term =
        term.filter(|term| !term.is_empty() && term.len() <= 64 && term.chars().all(is_plain));
    TerminalDraft { cols, rows, term }
}

/// The size of the user's terminal, in what a hub takes.
pub(in crate::command) fn size() -> Option<(u16, u16)> {
    let size = termios::tcgetwinsize(io::stdout());
    let size = size.or_else(|_| termios::tcgetwinsize(io::stdin())).ok()?;
    let most = cortex_core::task::MAX_SIDE;
    let is_known = size.ws_col > 0 && size.ws_row > 0;
    is_known.then(|| (size.ws_col.min(most), size.ws_row.min(most)))
}

/// Opens the terminal once more: not to wait for it is then nobody else's business.
#[expect(deprecated, reason = "unsound where a descriptor is not owned; this one is")]
fn open_keys() -> io::Result<AsyncFd<File>> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    let flags = i32::try_from(flags).map_err(io::Error::other)?;
    let file = File::options().read(true).custom_flags(flags).open("/dev/tty")?;
    AsyncFd::with_interest(file, Interest::READABLE)
}
