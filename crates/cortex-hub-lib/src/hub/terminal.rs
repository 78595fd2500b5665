//! Terminals: their screens, and what they show from there on.
//!
//! A screen is drawn from the task's stored output, for whoever asks first, and kept while it is
//! asked for; the hub may be restarted at any time and draws the same. Who attaches gets the screen
//! and goes on reading exactly where it ends: what the terminal's node reports is shown at once and
//! stored meanwhile, so a reader may be up to 64 KiB ahead of what a restarted hub knows.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use bytes::Bytes;
use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::id::TaskId;
use cortex_core::task::SizeChange;
use cortex_core::task::Stream;
use cortex_core::task::Task;
use cortex_core::task::Window;

use super::Hub;
use super::follow::Tail;
use crate::feed::MOST_AHEAD;
use crate::screen::Screen;
use crate::screen::ScreenText;

/// Screens that are kept at once; others are drawn anew when they are asked for.
const MOST_SCREENS: usize = 16;

/// No line with a change of size is as long as this, in bytes.
const MOST_LINE_BYTES: usize = 64;

/// The screens that were asked for last.
#[derive(Debug, Default)]
pub(crate) struct Screens {
    kept: Mutex<VecDeque<(TaskId, Arc<Reel>)>>,
}

/// A screen and how far its task was read; nothing while somebody draws.
#[derive(Debug, Default)]
struct Reel {
    drawn: tokio::sync::Mutex<Option<(Screen, TerminalReader)>>,
}

/// A terminal as it was joined.
#[derive(Debug)]
pub struct Attached {
    /// The size of its screen.
    pub window: Window,
    /// Bytes of output that the screen shows.
    pub offset: u64,
    /// What makes another terminal of that size the same, for what the reader reads.
    pub drawing: Bytes,
    /// What it shows from there on.
    pub reader: TerminalReader,
}

/// One step of a terminal's output.
#[derive(Debug, Clone, PartialEq)]
pub enum TerminalStep {
    /// It shows more.
    Output(Bytes),
    /// It has another size from here on.
    Size(Window),
    /// What it showed here is left out, for the task's cap: what follows begins on an empty screen.
    Cut,
    /// Its program has ended, and all it showed was told.
    Ended(Arc<Task>),
}

/// Reads a terminal's output with its changes of size, each in its place.
#[derive(Debug, Clone)]
pub struct TerminalReader {
    tail: Tail,
    /// Bytes of output that were read.
    at: u64,
    sizes: Sizes,
    is_finished: bool,
}

/// The changes of size that are known and were not reached.
#[derive(Debug, Clone, Default)]
struct Sizes {
    /// Bytes of their stream that were read.
    read: u64,
    /// The beginning of a line.
    line: Vec<u8>,
    ahead: VecDeque<SizeChange>,
}

impl Hub {
    /// Joins a terminal: its screen as it is, and what it shows from there on.
    ///
    /// # Errors
    /// `NotFound`: no such task, or none that `who` may see. `Precondition`, code `no_terminal`: it
    /// runs in none.
    pub async fn join_terminal(&self, who: &Principal, id: TaskId) -> Result<Attached> {
        let joined = |screen: &mut Screen, reader: &TerminalReader| Attached {
            window: screen.window(),
            offset: reader.at,
            drawing: screen.handover(),
            reader: reader.clone(),
        };
        self.draw(who, id, joined).await
    }

    /// Joins a terminal without its screen, for a reader that has shown `offset` bytes already.
    ///
    /// Those may be more than are stored: they were shown before a hub died, and its node sends
    /// them again.
    ///
    /// # Errors
    /// Those of [`Self::join_terminal`]. `Invalid`, code `offset`: so much was never shown.
    pub async fn resume_terminal(
        &self,
        who: &Principal,
        id: TaskId,
        offset: u64,
    ) -> Result<TerminalReader> {
        let mut tail = self.tail(who, id).await?;
        let task = tail.task();
        window_of(&task)?;
        let stored = task.output.of(Stream::Stdout).arrived();
        if offset > stored.saturating_add(MOST_AHEAD) {
            let message = format!("offset {offset}: the terminal has shown {stored} bytes");
            let error = Error::new(ErrorKind::Invalid, "join terminal", message);
            return Err(error.with_code("offset"));
        }
        Ok(TerminalReader { at: offset, ..TerminalReader::new(tail) })
    }

    /// A terminal's screen as text, with at most `scrollback` rows of what has scrolled out.
    ///
    /// # Errors
    /// Those of [`Self::join_terminal`].
    pub async fn screen(
        &self,
        who: &Principal,
        id: TaskId,
        scrollback: usize,
    ) -> Result<ScreenText> {
        self.draw(who, id, |screen, reader| screen.text(scrollback, reader.at)).await
    }

    /// Draws what a terminal has shown by now, and lets `see` look at it.
    async fn draw<T>(
        &self,
        who: &Principal,
        id: TaskId,
        see: impl FnOnce(&mut Screen, &TerminalReader) -> T,
    ) -> Result<T> {
        let mut tail = self.tail(who, id).await?;
        let window = window_of(&tail.task())?;
        let reel = self.inner.screens.of(id);
        let mut drawn = reel.drawn.lock().await;
        // Taken out: should drawing fail half-way, the next one begins anew.
        let kept = drawn.take().filter(|(_, reader)| !reader.is_beyond(&tail.task()));
        let (mut screen, mut reader) =
            kept.unwrap_or_else(|| (Screen::new(window), TerminalReader::new(tail)));
        while let Some(step) = reader.ready().await? {
            match step {
                TerminalStep::Output(data) => {
                    screen.show(&data);
                    // Much output takes its time, and others want theirs.
                    tokio::task::yield_now().await;
                }
                TerminalStep::Size(window) => screen.resize(window),
                TerminalStep::Cut => screen = Screen::new(screen.window()),
                TerminalStep::Ended(_) => {}
            }
        }
        // Who reads on from here is told of the end, too.
        reader.is_finished = false;
        let seen = see(&mut screen, &reader);
        *drawn = Some((screen, reader));
        Ok(seen)
    }
}

/// The size at the start of the terminal that a task runs in.
fn window_of(task: &Task) -> Result<Window> {
    task.spec.terminal().map(|terminal| terminal.window).ok_or_else(|| {
        Error::new(ErrorKind::Precondition, "join terminal", "the task runs in no terminal")
            .with_code("no_terminal")
            .with_hint(format!("cortex-cli task logs {} -f", task.id))
    })
}

impl Screens {
    fn of(&self, task: TaskId) -> Arc<Reel> {
        // No code panics while it holds this lock.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.iter().position(|(id, _)| *id == task).and_then(|at| kept.remove(at));
        let reel = known.map(|(_, reel)| reel).unwrap_or_default();
        kept.push_back((task, Arc::clone(&reel)));
        if kept.len() > MOST_SCREENS {
            kept.pop_front();
        }
        reel
    }
}

impl TerminalReader {
    fn new(tail: Tail) -> Self {
        Self { tail, at: 0, sizes: Sizes::default(), is_finished: false }
    }

    /// Bytes of output that were read.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.at
    }

    /// Whether it has read what a task that has ended never stored: its node died, too.
    fn is_beyond(&self, task: &Task) -> bool {
        task.state.is_end() && self.at > task.output.of(Stream::Stdout).stored
    }

    /// Bytes of output that are stored and were not read.
    #[must_use]
    pub fn behind(&mut self) -> u64 {
        self.tail.task().output.of(Stream::Stdout).arrived().saturating_sub(self.at)
    }

    /// Waits for the next step; `None` after the end, or when the hub shuts down.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<TerminalStep>> {
        while !self.is_finished {
            if let Some(step) = self.ready().await? {
                return Ok(Some(step));
            }
            if !self.tail.moved_or_shown().await {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// The next step, if it is there already, be it stored or not.
    async fn ready(&mut self) -> Result<Option<TerminalStep>> {
        if let Some(step) = self.stored().await? {
            return Ok(Some(step));
        }
        let Some(mut data) = self.tail.live_bytes(self.at, self.sizes.read) else {
            return Ok(None);
        };
        if let Some(change) = self.sizes.ahead.front() {
            data.truncate(usize::try_from(change.at - self.at).unwrap_or(usize::MAX));
        }
        self.at += data.len() as u64;
        Ok(Some(TerminalStep::Output(data)))
    }

    /// The next step of what is stored.
    async fn stored(&mut self) -> Result<Option<TerminalStep>> {
        if self.is_finished {
            return Ok(None);
        }
        let task = self.tail.task();
        self.learn_sizes(&task).await?;
        if let Some(window) = self.sizes.reached(self.at) {
            return Ok(Some(TerminalStep::Size(window)));
        }
        // No further than the next change of size, nor than what these are known for.
        let totals = task.output.of(Stream::Stdout);
        let stored = totals.arrived();
        let until = self.sizes.ahead.front().map_or(stored, |change| change.at.min(stored));
        if self.at < until {
            let mut data = self.tail.bytes(Stream::Stdout, self.at).await?;
            data.truncate(usize::try_from(until - self.at).unwrap_or(usize::MAX));
            if !data.is_empty() {
                self.at += data.len() as u64;
                return Ok(Some(TerminalStep::Output(data)));
            }
            if let Some(gap) = totals.gap_at(self.at) {
                self.at = gap.to;
                return Ok(Some(TerminalStep::Cut));
            }
        }
        if task.state.is_end() {
            self.is_finished = true;
            return Ok(Some(TerminalStep::Ended(task)));
        }
        Ok(None)
    }

    /// Reads on in the changes of size that are stored by now, to the next one at least.
    async fn learn_sizes(&mut self, task: &Task) -> Result<()> {
        let totals = task.output.of(Stream::Stderr);
        let stored = totals.arrived();
        // Those that are known come first: no more are needed, however many there are.
        while self.sizes.ahead.is_empty() && self.sizes.read < stored {
            let mut data = self.tail.bytes(Stream::Stderr, self.sizes.read).await?;
            data.truncate(usize::try_from(stored - self.sizes.read).unwrap_or(usize::MAX));
            if data.is_empty() {
                let Some(gap) = totals.gap_at(self.sizes.read) else { break };
                self.sizes.skip_to(gap.to);
                continue;
            }
            self.sizes.learn(&data);
        }
        Ok(())
    }
}

impl Sizes {
    fn learn(&mut self, data: &[u8]) {
        self.read += data.len() as u64;
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            let Some(end) = piece.strip_suffix(b"\n") else {
                self.keep(piece);
                continue;
            };
            self.keep(end);
            // What is no change of size cannot be shown and is left out.
            self.ahead.extend(SizeChange::parse(&self.line));
            self.line.clear();
        }
    }

    /// Passes over what is left out.
    fn skip_to(&mut self, offset: u64) {
        self.read = offset;
        // What follows may be the rest of a line: it is to be none.
        self.line = vec![b'?'; MOST_LINE_BYTES];
    }

    /// Keeps the beginning of a line; what is too long for one is cut, and then none.
    fn keep(&mut self, piece: &[u8]) {
        let room = MOST_LINE_BYTES.saturating_sub(self.line.len());
        self.line.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    /// The next change of size, if it is due at this place.
    fn reached(&mut self, at: u64) -> Option<Window> {
        self.ahead.pop_front_if(|change| change.at <= at).map(|change| change.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_size_are_read_however_they_are_cut_and_reached_in_their_place() {
        let lines = b"10 80x24\n10 81x24\nnonsense\n30 100x50\n";
        for cut in 0..lines.len() {
            let mut sizes = Sizes::default();
            sizes.learn(&lines[..cut]);
            sizes.learn(&lines[cut..]);
            assert_eq!(sizes.read, lines.len() as u64);
            let window = |cols, rows| Some(Window::new(cols, rows).unwrap());
            assert_eq!(sizes.reached(9), None);
            assert_eq!(sizes.reached(10), window(80, 24));
            assert_eq!(sizes.reached(10), window(81, 24));
            assert_eq!(sizes.reached(29), None);
            assert_eq!(sizes.reached(30), window(100, 50));
            assert_eq!((sizes.reached(99), sizes.line.len()), (None, 0));
        }
    }

    #[test]
    fn the_screens_that_were_asked_for_last_are_kept() {
        let screens = Screens::default();
        let id = |number: usize| TaskId::from_bytes([u8::try_from(number).unwrap(); 16]);
        let first = screens.of(id(0));
        for number in 1..MOST_SCREENS {
            screens.of(id(number));
            assert!(Arc::ptr_eq(&screens.of(id(0)), &first));
        }
        screens.of(id(100));
        assert!(Arc::ptr_eq(&screens.of(id(0)), &first));
        let second = screens.of(id(1));
        assert!(!Arc::ptr_eq(&first, &second));
        assert_eq!(screens.kept.lock().unwrap().len(), MOST_SCREENS);
    }
}
