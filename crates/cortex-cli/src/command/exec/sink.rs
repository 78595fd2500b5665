//! Where the output of attended tasks goes: straight on, with the node's name in front of each
//! line, as JSON lines, or kept for one document at the end.

use bytes::Bytes;
use cortex_proto::json::ProgressInfo;
use cortex_proto::json::TaskInfo;
use cortex_proto::json::Text;
use serde_json::json;

use crate::args::Format;
use crate::client::output::Channel;
use crate::exit::Result;
use crate::output;
use crate::output::span;

/// So much of each stream's end is kept for one document, in bytes.
const KEPT_BYTES: usize = 8 * 1024 * 1024;
/// A line longer than this is printed in pieces.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// Where output goes.
#[derive(Debug)]
pub(crate) enum Sink {
    /// Byte for byte.
    Raw,
    /// Byte for byte, all to standard error: standard output is for what is returned.
    Aside,
    /// Line by line, with names in front.
    Prefixed(Vec<Prefixed>),
    /// As JSON lines.
    Lines(Vec<String>),
    /// Nowhere, until the end.
    Kept(Vec<Kept>),
}

/// The unfinished lines of one node.
#[derive(Debug)]
pub(crate) struct Prefixed {
    prefix: String,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// The output of one node so far.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Sink {
    /// Makes the one that fits the format and the nodes.
    pub(crate) fn new(format: Format, nodes: &[String]) -> Self {
        match format {
            Format::Json => Sink::Kept(nodes.iter().map(|_| Kept::default()).collect()),
            Format::Jsonl => Sink::Lines(nodes.to_vec()),
            Format::Table | Format::Name if nodes.len() == 1 => Sink::Raw,
            Format::Table | Format::Name => {
                let width = nodes.iter().map(|node| node.chars().count()).max().unwrap_or(0);
                let prefixed = |node: &String| Prefixed {
                    prefix: format!("{node:<width$} | "),
                    stdout: Vec::new(),
                    stderr: Vec::new(),
                };
                Sink::Prefixed(nodes.iter().map(prefixed).collect())
            }
        }
    }

    /// Takes a piece of output of the task `id` on the node at `index`.
    ///
    /// # Errors
    /// It cannot be printed.
    pub(crate) fn output(
        &mut self,
        index: usize,
        id: &str,
        channel: Channel,
        offset: u64,
        data: &Bytes,
    ) -> Result<()> {
        match self {
            Sink::Raw => print(channel, data),
            Sink::Aside => print(Channel::Stderr, data),
            Sink::Prefixed(nodes) => match nodes.get_mut(index) {
                Some(node) => print(channel, &node.take(channel, data)),
                None => Ok(()),
            },
            Sink::Lines(nodes) => {
                let text = Text::of(data);
                let line = json!({
                    "type": "output",
                    "node": name_at(nodes, index),
                    "task": id,
                    "stream": channel.word(),
                    "offset": offset,
                    "data": text.data,
                    "encoding": text.encoding,
                });
                output::write_stdout(format!("{line}\n").as_bytes())
            }
            Sink::Kept(nodes) => {
                if let Some(node) = nodes.get_mut(index) {
                    keep(node.of(channel), data);
                }
                Ok(())
            }
        }
    }

    /// Takes note of output that is left out, from one place of a stream to another.
    ///
    /// # Errors
    /// It cannot be printed.
    pub(crate) fn gap(
        &mut self,
        index: usize,
        id: &str,
        channel: Channel,
        (from, to): (u64, u64),
    ) -> Result<()> {
        match self {
            Sink::Raw | Sink::Aside => print_gap("", channel, (from, to)),
            Sink::Prefixed(nodes) => match nodes.get_mut(index) {
                Some(node) => {
                    node.flush()?;
                    print_gap(&node.prefix, channel, (from, to))
                }
                None => Ok(()),
            },
            Sink::Lines(nodes) => {
                let line = json!({
                    "type": "gap",
                    "node": name_at(nodes, index),
                    "task": id,
                    "stream": channel.word(),
                    "gap": { "from": from, "to": to },
                });
                output::write_stdout(format!("{line}\n").as_bytes())
            }
            // The document says it of the task.
            Sink::Kept(_) => Ok(()),
        }
    }

    /// Takes note of how far a task has come; whether it was printed.
    ///
    /// # Errors
    /// It cannot be printed.
    pub(crate) fn progress(&self, index: usize, id: &str, progress: &ProgressInfo) -> Result<bool> {
        let Sink::Lines(nodes) = self else { return Ok(false) };
        let node = name_at(nodes, index);
        let line = json!({ "type": "progress", "node": node, "task": id, "progress": progress });
        output::write_stdout(format!("{line}\n").as_bytes())?;
        Ok(true)
    }

    /// Takes note of a task's end.
    ///
    /// # Errors
    /// It cannot be printed.
    pub(crate) fn end(&mut self, index: usize, task: &TaskInfo) -> Result<()> {
        match self {
            Sink::Lines(nodes) => {
                let line = json!({ "type": "end", "node": name_at(nodes, index), "task": task });
                output::write_stdout(format!("{line}\n").as_bytes())
            }
            Sink::Prefixed(nodes) => match nodes.get_mut(index) {
                Some(node) => node.flush(),
                None => Ok(()),
            },
            Sink::Raw | Sink::Aside | Sink::Kept(_) => Ok(()),
        }
    }

    /// Prints lines that were not finished.
    ///
    /// # Errors
    /// They cannot be printed.
    pub(crate) fn finish(&mut self) -> Result<()> {
        match self {
            Sink::Prefixed(nodes) => nodes.iter_mut().try_for_each(Prefixed::flush),
            Sink::Raw | Sink::Aside | Sink::Lines(_) | Sink::Kept(_) => Ok(()),
        }
    }

    /// The task with the output that was kept of it.
    pub(crate) fn complete(&mut self, index: usize, mut task: TaskInfo) -> TaskInfo {
        if let Sink::Kept(nodes) = self
            && let Some(node) = nodes.get_mut(index)
        {
            task.stdout = Some(Text::of(&std::mem::take(&mut node.stdout)));
            task.stderr = Some(Text::of(&std::mem::take(&mut node.stderr)));
        }
        task
    }
}

impl Kept {
    fn of(&mut self, channel: Channel) -> &mut Vec<u8> {
        match channel {
            Channel::Stdout => &mut self.stdout,
            Channel::Stderr => &mut self.stderr,
        }
    }
}

impl Prefixed {
    /// Adds bytes and returns the lines that they finish, each with the prefix.
    fn take(&mut self, channel: Channel, data: &[u8]) -> Vec<u8> {
        let rest = match channel {
            Channel::Stdout => &mut self.stdout,
            Channel::Stderr => &mut self.stderr,
        };
        let mut out = Vec::with_capacity(data.len() + self.prefix.len());
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            rest.extend_from_slice(piece);
            if rest.ends_with(b"\n") || rest.len() >= MAX_LINE_BYTES {
                out.extend_from_slice(self.prefix.as_bytes());
                out.append(rest);
                if !out.ends_with(b"\n") {
                    out.push(b'\n');
                }
            }
        }
        out
    }

    fn flush(&mut self) -> Result<()> {
        for channel in [Channel::Stdout, Channel::Stderr] {
            let is_empty = match channel {
                Channel::Stdout => self.stdout.is_empty(),
                Channel::Stderr => self.stderr.is_empty(),
            };
            if !is_empty {
                let line = self.take(channel, b"\n");
                print(channel, &line)?;
            }
        }
        Ok(())
    }
}

/// Appends, and forgets what is too far from the end. Twice the bound is held before that, so that
/// it is not moved each time.
fn keep(kept: &mut Vec<u8>, data: &[u8]) {
    kept.extend_from_slice(data);
    if kept.len() > 2 * KEPT_BYTES {
        kept.drain(..kept.len() - KEPT_BYTES);
    }
}

/// Prints bytes to the stream that they were written to.
///
/// # Errors
/// They cannot be printed.
pub(crate) fn print(channel: Channel, data: &[u8]) -> Result<()> {
    match (data.is_empty(), channel) {
        (true, _) => Ok(()),
        (false, Channel::Stdout) => output::write_stdout(data),
        (false, Channel::Stderr) => output::write_stderr(data),
    }
}

/// Says that output is left out. On standard error: what stands on standard output is the task's.
///
/// # Errors
/// It cannot be printed.
pub(crate) fn print_gap(prefix: &str, channel: Channel, (from, to): (u64, u64)) -> Result<()> {
    let (size, stream) = (span::bytes(to.saturating_sub(from)), channel.word());
    let line = format!("{prefix}[… {size} of {stream} left out …]\n");
    output::write_stderr(line.as_bytes())
}

/// The node's name as it was typed; nothing where the hub chooses one.
fn name_at(nodes: &[String], index: usize) -> Option<&String> {
    nodes.get(index).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefixed(prefix: &str) -> Prefixed {
        Prefixed { prefix: prefix.into(), stdout: Vec::new(), stderr: Vec::new() }
    }

    #[test]
    fn lines_get_the_name_in_front_once_they_are_whole() {
        let mut node = prefixed("a | ");
        assert_eq!(node.take(Channel::Stdout, b"one\ntw"), b"a | one\n");
        assert_eq!(node.take(Channel::Stderr, b"oops\n"), b"a | oops\n");
        assert_eq!(node.take(Channel::Stdout, b"o\n\n"), b"a | two\na | \n");
        assert_eq!(node.take(Channel::Stdout, b""), b"");
    }

    #[test]
    fn an_endless_line_is_printed_in_pieces() {
        let mut node = prefixed("a | ");
        let line = vec![b'x'; MAX_LINE_BYTES];
        let out = node.take(Channel::Stdout, &line);
        assert_eq!(out.len(), line.len() + "a | \n".len());
        assert!(node.stdout.is_empty());
    }

    #[test]
    fn the_end_of_a_long_output_is_kept() {
        let mut kept = Vec::new();
        for _ in 0..5 {
            keep(&mut kept, &vec![b'a'; KEPT_BYTES]);
        }
        keep(&mut kept, b"end");
        assert!(kept.ends_with(b"end") && kept.len() >= KEPT_BYTES && kept.len() <= 2 * KEPT_BYTES);
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_between_prefixes(
            chunks in proptest::collection::vec(proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..9), 0..9),
        ) {
            let mut node = prefixed("");
            let mut out = Vec::new();
            for chunk in &chunks {
                out.extend(node.take(Channel::Stdout, chunk));
            }
            out.extend(&node.stdout);
            prop_assert_eq!(out, chunks.concat());
        }
    }
}
