//! An incremental reader of server-sent events: bytes in, however cut, events out.

use bytes::Bytes;

/// The longest event that is taken, in bytes of its lines.
const MAX_EVENT_BYTES: usize = 8 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its type; `message` if the server named none.
    pub(crate) name: String,
    /// The id in force at its end: what `Last-Event-ID` takes.
    pub(crate) id: Option<String>,
    /// Its data, lines joined by `\n`.
    pub(crate) data: Bytes,
}

/// Why a stream of events cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Reads events out of chunks of bytes.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    name: Vec<u8>,
    id: Option<String>,
    /// The last byte was `\r`, so a `\n` that comes now belongs to it.
    after_return: bool,
    is_past_start: bool,
}

impl Parser {
    /// The id in force: the one that came last, with an event or without.
    pub(crate) fn last_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Takes the next bytes and appends the events that they complete to `out`.
    ///
    /// # Errors
    /// [`TooLong`]: an event is longer than 8 MiB; the stream is of no use any more.
    pub(crate) fn feed(&mut self, mut chunk: &[u8], out: &mut Vec<Event>) -> Result<(), TooLong> {
        while let Some(&first) = chunk.first() {
            if std::mem::take(&mut self.after_return) && first == b'\n' {
                chunk = &chunk[1..];
                continue;
            }
            match chunk.iter().position(|&byte| byte == b'\n' || byte == b'\r') {
                Some(end) => {
                    self.extend_line(&chunk[..end])?;
                    self.after_return = chunk[end] == b'\r';
                    chunk = &chunk[end + 1..];
                    self.end_line(out);
                }
                None => {
                    self.extend_line(chunk)?;
                    chunk = &[];
                }
            }
        }
        Ok(())
    }

    fn extend_line(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + self.data.len() + bytes.len() > MAX_EVENT_BYTES {
            return Err(TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, out: &mut Vec<Event>) {
        let mut line = std::mem::take(&mut self.line);
        if !std::mem::replace(&mut self.is_past_start, true) && line.starts_with(b"\xef\xbb\xbf") {
            line.drain(..3);
        }
        if line.is_empty() {
            self.end_event(out);
        } else {
            let (field, value) = match line.iter().position(|&byte| byte == b':') {
                Some(at) => {
                    let value = &line[at + 1..];
                    (&line[..at], value.strip_prefix(b" ").unwrap_or(value))
                }
                None => (&line[..], &b""[..]),
            };
            self.take_field(field, value);
        }
        // The buffer is kept: one allocation serves the whole stream.
        line.clear();
        self.line = line;
    }

    fn take_field(&mut self, field: &[u8], value: &[u8]) {
        match field {
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            b"event" => self.name = value.to_vec(),
            b"id" if !value.contains(&0) => {
                self.id = Some(String::from_utf8_lossy(value).into_owned());
            }
            // `retry`, comments and what later servers may add.
            _ => {}
        }
    }

    fn end_event(&mut self, out: &mut Vec<Event>) {
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        if !std::mem::take(&mut self.has_data) {
            return;
        }
        let name = match name.as_slice() {
            b"" => "message".to_owned(),
            name => String::from_utf8_lossy(name).into_owned(),
        };
        out.push(Event { name, id: self.id.clone(), data: Bytes::from(data) });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(chunks: &[&[u8]]) -> Vec<Event> {
        let mut parser = Parser::default();
        let mut out = Vec::new();
        for chunk in chunks {
            parser.feed(chunk, &mut out).unwrap();
        }
        out
    }

    fn event(name: &str, id: Option<&str>, data: &str) -> Event {
        Event {
            name: name.into(),
            id: id.map(Into::into),
            data: Bytes::copy_from_slice(data.as_bytes()),
        }
    }

    #[test]
    fn reads_events_as_the_standard_says() {
        let text = b"\xef\xbb\xbf: hello\nid: 3-0\nevent: output\ndata: a\ndata:  b\n\n\
            data\n\nevent: nothing\n\nid: 4\r\ndata:x\r\n\r\nid: a\0b\rdata: y\r\rdata: unfinished";
        let expected = [
            event("output", Some("3-0"), "a\n b"),
            event("message", Some("3-0"), ""),
            event("message", Some("4"), "x"),
            event("message", Some("4"), "y"),
        ];
        assert_eq!(read(&[text]), expected);
    }

    #[test]
    fn an_id_counts_without_an_event() {
        let mut parser = Parser::default();
        let mut out = Vec::new();
        parser.feed(b": hello\nid: 1-7\n\n", &mut out).unwrap();
        assert!(out.is_empty());
        assert_eq!(parser.last_id(), Some("1-7"));
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut parser = Parser::default();
        let chunk = vec![b'x'; 1024 * 1024];
        let mut out = Vec::new();
        let refused = (0..9).find_map(|_| parser.feed(&chunk, &mut out).err());
        assert_eq!(refused, Some(TooLong));
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"data: ".to_vec()),
            Just(b"data".to_vec()),
            Just(b"id: 7\n".to_vec()),
            Just(b"event: end".to_vec()),
            Just(b"\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\n\n".to_vec()),
            Just(b":".to_vec()),
            Just("ä".as_bytes().to_vec()),
            proptest::collection::vec(any::<u8>(), 0..6),
        ];
        proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_events(
            bytes in stream(),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&bytes[from..cut]);
                from = cut;
            }
            chunks.push(&bytes[from..]);
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            let whole = read(&[&bytes]);
            prop_assert_eq!(&read(&chunks), &whole);
            prop_assert_eq!(&read(&single), &whole);
        }

        #[test]
        fn what_is_sent_is_read(
            sent in proptest::collection::vec(("[a-z.]{1,8}", "[0-9-]{1,9}", "[^\r\n]{0,30}"), 0..8),
        ) {
            let mut text = String::new();
            for (name, id, data) in &sent {
                text.push_str(&format!("event: {name}\nid: {id}\ndata: {data}\n\n"));
            }
            let expected: Vec<Event> =
                sent.iter().map(|(name, id, data)| event(name, Some(id), data)).collect();
            prop_assert_eq!(read(&[text.as_bytes()]), expected);
        }
    }
}
