//! A client of the hub's API that knows nothing of the hub's libraries: one connection a request.

use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// No answer takes longer; a frozen hub is an error like a dead one.
const LIMIT: Duration = Duration::from_secs(30);

/// Where the API is, and who asks.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    /// `host:port`.
    pub(crate) address: String,
    /// The bearer token.
    pub(crate) token: String,
}

/// An answer that came whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{error}: {} {}", self.status, String::from_utf8_lossy(&self.body))
        })
    }

    /// Whether the hub says that the same may go well later.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.status, 429 | 500..)
    }
}

impl Api {
    pub(crate) fn get(&self, path: &str) -> io::Result<Answer> {
        self.ask("GET", path, &[], &[])
    }

    pub(crate) fn post(&self, path: &str, key: Option<&str>, body: &Value) -> io::Result<Answer> {
        let body = body.to_string().into_bytes();
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend(key.map(|key| ("Idempotency-Key", key)));
        self.ask("POST", path, &headers, &body)
    }

    /// Sends bytes as they are.
    pub(crate) fn put_in(&self, path: &str, bytes: &[u8]) -> io::Result<Answer> {
        self.ask("POST", path, &[("Content-Type", "application/octet-stream")], bytes)
    }

    fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let Self { address, token } = self;
        let mut connection = TcpStream::connect(address)?;
        connection.set_read_timeout(Some(LIMIT))?;
        connection.set_write_timeout(Some(LIMIT))?;
        // Of version 1.0, so that the body comes as it is and ends with the connection.
        let mut head = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\n");
        head += &format!("Authorization: Bearer {token}\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        connection.write_all(&[head.as_bytes(), b"\r\n", body].concat())?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer)?;
        parse(&answer).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
    }
}

/// An answer that came whole; nothing where it broke off.
fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = (std::str::from_utf8(&answer[..end]).ok()?, &answer[end + 4..]);
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let is_whole = length.is_none_or(|length| length == body.len());
    is_whole.then(|| Answer { status, body: body.to_vec() })
}
