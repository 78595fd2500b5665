//! The end of an output that is cut: what of it belongs to a character or a sequence that has not
//! come to its end.
//!
//! Whoever gets a drawing gets these bytes behind it, and reads on as if it had read everything.
//! The states are those of the parser (`vte`), as far as they matter for where a sequence ends.

/// The most that is kept of one; a longer one is a text for the terminal itself, such as a title.
const MOST_BYTES: usize = 4 << 10;

/// Bytes of what has begun and not ended.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    state: State,
    bytes: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Characters; a beginning of one is kept.
    #[default]
    Ground,
    Escape,
    EscapeIntermediate,
    Csi,
    Osc,
    /// The head of a device control, before its data.
    Dcs(Head),
    /// A device control that makes no sense, or another string.
    Ignored,
    /// The data of a device control.
    Data,
}

/// How far the head of a device control has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    Entry,
    Parameters,
    Intermediates,
}

impl Unfinished {
    /// What has begun and not ended.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads on.
    pub(super) fn take(&mut self, output: &[u8]) {
        let mut rest = output;
        while let Some((&byte, more)) = rest.split_first() {
            if self.state != State::Ground {
                self.step(byte);
                rest = more;
                continue;
            }
            // Plain text is most of it, and has no escapes.
            let text = rest.iter().position(|byte| *byte == 0x1b).unwrap_or(rest.len());
            if text > 0 {
                self.read_text(&rest[..text]);
                rest = &rest[text..];
            } else {
                self.begin();
                rest = more;
            }
        }
    }

    /// Keeps the character that a text breaks off in.
    fn read_text(&mut self, text: &[u8]) {
        // A character has four bytes at most.
        self.bytes.extend_from_slice(&text[text.len().saturating_sub(4)..]);
        loop {
            let Err(error) = std::str::from_utf8(&self.bytes) else { return self.bytes.clear() };
            match error.error_len() {
                Some(len) => drop(self.bytes.drain(..error.valid_up_to() + len)),
                None => return drop(self.bytes.drain(..error.valid_up_to())),
            }
        }
    }

    fn begin(&mut self) {
        self.state = State::Escape;
        self.bytes = vec![0x1b];
    }

    fn end(&mut self) {
        *self = Self::default();
    }

    fn keep(&mut self, byte: u8, state: State) {
        self.state = state;
        if self.bytes.len() < MOST_BYTES {
            self.bytes.push(byte);
        }
    }

    fn step(&mut self, byte: u8) {
        match (self.state, byte) {
            (_, 0x18 | 0x1a) => self.end(),
            (_, 0x1b) => self.begin(),
            (State::Osc, 0x07) | (State::Data, 0x9c) => self.end(),
            (State::Osc, 0x20..) => self.keep(byte, State::Osc),
            (State::Data, _) => self.keep(byte, State::Data),
            // A control within a sequence has had its effect.
            (_, ..0x20) | (State::Ignored, _) => {}
            (State::Escape, 0x20..=0x2f) => self.keep(byte, State::EscapeIntermediate),
            (State::Escape, b'P') => self.keep(byte, State::Dcs(Head::Entry)),
            (State::Escape, b'[') => self.keep(byte, State::Csi),
            (State::Escape, b']') => self.keep(byte, State::Osc),
            (State::Escape, b'X' | b'^' | b'_') => self.keep(byte, State::Ignored),
            (State::EscapeIntermediate, 0x20..=0x2f) => self.keep(byte, self.state),
            (State::Escape | State::EscapeIntermediate, 0x30..=0x7e) => self.end(),
            (State::Csi, 0x20..=0x3f) => self.keep(byte, State::Csi),
            (State::Csi, 0x40..=0x7e) => self.end(),
            (State::Dcs(head), 0x20..=0x7e) => self.keep(byte, head.after(byte)),
            _ => {}
        }
    }
}

impl Head {
    fn after(self, byte: u8) -> State {
        match (self, byte) {
            (_, 0x40..) => State::Data,
            (_, 0x20..=0x2f) => State::Dcs(Head::Intermediates),
            (Head::Intermediates, _) | (Head::Parameters, 0x3c..=0x3f) => State::Ignored,
            _ => State::Dcs(Head::Parameters),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(output: &[u8]) -> Vec<u8> {
        let mut whole = Unfinished::default();
        whole.take(output);
        let mut pieces = Unfinished::default();
        output.chunks(1).for_each(|piece| pieces.take(piece));
        assert_eq!(pieces.bytes(), whole.bytes(), "{output:?}");
        whole.bytes
    }

    #[test]
    fn what_has_not_ended_is_kept() {
        assert_eq!(after(b"plain\r\n"), b"");
        assert_eq!(after(b"\x1b[31"), b"\x1b[31");
        assert_eq!(after(b"\x1b[31mred"), b"");
        assert_eq!(after(b"\x1b[3\n1"), b"\x1b[31", "the line feed was obeyed");
        assert_eq!(after(b"\x1b[3\x1b]0;tit"), b"\x1b]0;tit");
        assert_eq!(after(b"\x1b]0;title\x07"), b"");
        assert_eq!(after(b"\x1b]0;title\x1b"), b"\x1b");
        assert_eq!(after(b"\x1bP1$rq"), b"\x1bP1$rq");
        assert_eq!(after(b"\x1bPq\x1b\\x"), b"");
        assert_eq!(after("\u{20ac}".as_bytes()), b"");
        assert_eq!(after(&"\u{1f980}".as_bytes()[..3]), &"\u{1f980}".as_bytes()[..3]);
        assert_eq!(after(b"\xe2\x82x"), b"");
        assert_eq!(after(b"\x1b[1\x18"), b"");
    }
}
