//! Verifies an export line by line: the chain, the nodes' signatures, the output's digests.

mod keys;

use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cortex_core::audit;
use cortex_core::audit::Record;
use cortex_core::chain::Head;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use cortex_core::id::SessionId;
use cortex_core::receipt;
use cortex_core::receipt::Output;
use cortex_core::receipt::StreamHash;
use cortex_proto::json::ChainHead;
use cortex_proto::json::ExportLine;
use serde::Serialize;

use keys::Key;
use keys::Keys;

/// Reads an export from its first line to its last; keeps no more than the current receipt.
#[derive(Debug)]
pub(super) struct Verifier {
    noted: Option<Head>,
    state: Option<State>,
}

/// What was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Summary {
    /// `audit log` or `receipts`.
    of: &'static str,
    /// The hub.
    hub: String,
    /// The session, for receipts.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    /// How many records or receipts.
    verified: u64,
    /// The end of the chain, as `--head` takes it.
    head: String,
    /// Streams whose digest was compared with their output.
    streams: u64,
    /// Streams of which the hub has less than the node sent, because its limit was reached.
    cut: u64,
    /// Nodes whose identity keys the signatures fit: each key with the time in which it counted.
    nodes: Vec<String>,
}

#[derive(Debug)]
struct State {
    hub: HubId,
    chain: Head,
    end: Head,
    verified: u64,
    seen_noted: bool,
    of: Of,
}

#[derive(Debug)]
enum Of {
    Audit,
    Receipts(Box<Receipts>),
}

#[derive(Debug)]
struct Receipts {
    session: SessionId,
    has_output: bool,
    nodes: HashMap<NodeId, Keys>,
    current: Option<Current>,
    streams: u64,
    cut: u64,
}

/// The receipt that output lines belong to.
#[derive(Debug)]
struct Current {
    task: String,
    output: Output,
    given: [StreamHash; 2],
    lengths: [u64; 2],
}

impl Verifier {
    /// Expects the chain to go through `noted`.
    pub(super) fn new(noted: Option<Head>) -> Self {
        Self { noted, state: None }
    }

    /// Verifies the next line.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<(), String> {
        let line: ExportLine = serde_json::from_slice(line)
            .map_err(|error| format!("this is no line of an export: {error}"))?;
        let noted = self.noted;
        match (&mut self.state, line) {
            (None, line) => {
                let mut state = begin(line)?;
                state.look_for(noted)?;
                self.state = Some(state);
            }
            (Some(state), ExportLine::Record(info)) if matches!(state.of, Of::Audit) => {
                let record = Record::try_from(&info).map_err(|error| error.to_string())?;
                if record.seq != state.chain.count + 1 {
                    let expected = state.chain.count + 1;
                    return Err(format!("record {} where {expected} was expected", record.seq));
                }
                state.chain = record.extend(state.chain);
                state.verified += 1;
                state.look_for(noted)?;
            }
            (Some(state), line) => {
                state.receipts_line(line)?;
                state.look_for(noted)?;
            }
        }
        Ok(())
    }

    /// Ends the export.
    pub(super) fn finish(self) -> Result<Summary, String> {
        let mut state = self.state.ok_or("the file is empty")?;
        if let Of::Receipts(receipts) = &mut state.of {
            receipts.end_output()?;
        }
        if state.chain != state.end {
            return Err(format!(
                "the chain ends with {}, but the first line says {}",
                text_of(state.chain),
                text_of(state.end)
            ));
        }
        if let Some(noted) = self.noted.filter(|_| !state.seen_noted) {
            return Err(format!("the chain does not reach {}", text_of(noted)));
        }
        Ok(state.summary())
    }
}

fn begin(line: ExportLine) -> Result<State, String> {
    let (hub, chain, end, of) = match line {
        ExportLine::Audit { hub, start, end } => {
            let hub: HubId = parse("hub", &hub)?;
            let start = head_of(&start)?;
            if start.count == 0 && start != audit::chain_of(hub) {
                return Err("the chain does not begin as this hub's does".to_owned());
            }
            (hub, start, head_of(&end)?, Of::Audit)
        }
        ExportLine::Receipts { hub, session, output, end } => {
            let session = parse("session", &session)?;
            let receipts = Receipts {
                session,
                has_output: output,
                nodes: HashMap::new(),
                current: None,
                streams: 0,
                cut: 0,
            };
            let of = Of::Receipts(Box::new(receipts));
            (parse("hub", &hub)?, receipt::chain_of(session), head_of(&end)?, of)
        }
        _ => return Err("the first line does not say what the export is of".to_owned()),
    };
    Ok(State { hub, chain, end, verified: 0, seen_noted: false, of })
}

impl State {
    fn look_for(&mut self, noted: Option<Head>) -> Result<(), String> {
        let Some(noted) = noted.filter(|noted| noted.count == self.chain.count) else {
            return Ok(());
        };
        self.seen_noted = true;
        if noted == self.chain {
            return Ok(());
        }
        let found = text_of(self.chain);
        Err(format!("the chain has {found} where {} was noted", text_of(noted)))
    }

    fn receipts_line(&mut self, line: ExportLine) -> Result<(), String> {
        let Of::Receipts(receipts) = &mut self.of else {
            return Err("this line does not belong into an export of the audit log".to_owned());
        };
        match line {
            ExportLine::Node { id, identity, from, until } => {
                let key = Key::new(parse("identity", &identity)?, from, until);
                let keys = receipts.nodes.entry(parse("node", &id)?).or_default();
                keys.add(key).map_err(|fault| format!("node {id}: {fault}"))?;
            }
            ExportLine::Receipt { task, statement, signature } => {
                let signed = receipt::Signed {
                    statement: decode("statement", &statement)?,
                    signature: decode("signature", &signature)?,
                };
                receipts.end_output()?;
                receipts.verify(self.hub, task, &signed)?;
                self.chain = signed.extend(self.chain);
                self.verified += 1;
            }
            ExportLine::Output { task, stream, offset, data } => {
                receipts.take_output(&task, &stream, offset, &decode("data", &data)?)?;
            }
            _ => return Err("this line does not belong into an export of receipts".to_owned()),
        }
        Ok(())
    }

    fn summary(self) -> Summary {
        let head = text_of(self.chain);
        let (hub, verified) = (self.hub.to_string(), self.verified);
        match self.of {
            Of::Audit => Summary {
                of: "audit log",
                hub,
                session: None,
                verified,
                head,
                streams: 0,
                cut: 0,
                nodes: Vec::new(),
            },
            Of::Receipts(receipts) => {
                let of = |(id, keys): (&NodeId, &Keys)| -> Vec<String> {
                    keys.iter().map(|key| format!("{id} {key}")).collect()
                };
                let mut nodes: Vec<_> = receipts.nodes.iter().flat_map(of).collect();
                nodes.sort();
                Summary {
                    of: "receipts",
                    hub,
                    session: Some(receipts.session.to_string()),
                    verified,
                    head,
                    streams: receipts.streams,
                    cut: receipts.cut,
                    nodes,
                }
            }
        }
    }
}

impl Receipts {
    fn verify(&mut self, hub: HubId, task: String, signed: &receipt::Signed) -> Result<(), String> {
        let receipt = signed.read().map_err(|fault| fault.to_string())?;
        let of = [
            (receipt.hub == hub, "hub"),
            (receipt.session == self.session, "session"),
            (receipt.task.to_string() == task, "task"),
        ];
        if let Some((_, what)) = of.into_iter().find(|(is_same, _)| !is_same) {
            return Err(format!("the receipt is of another {what}"));
        }
        let keys = self.nodes.get_mut(&receipt.node);
        let keys = keys.ok_or_else(|| format!("no key of {} came before", receipt.node))?;
        keys.verify(signed).map_err(|fault| format!("{task}: {fault}"))?;
        let given = Default::default();
        self.current = Some(Current { task, output: receipt.output, given, lengths: [0; 2] });
        Ok(())
    }

    fn take_output(
        &mut self,
        task: &str,
        stream: &str,
        offset: u64,
        data: &[u8],
    ) -> Result<(), String> {
        let at = match stream {
            "stdout" => 0,
            "stderr" => 1,
            _ => return Err(format!("there is no stream \"{stream}\"")),
        };
        let current = self.current.as_mut().filter(|current| current.task == task);
        let current = current.ok_or("output of another task than the receipt before it")?;
        if offset != current.lengths[at] {
            return Err(format!("{task}: output of {stream} has a gap at byte {offset}"));
        }
        current.lengths[at] += data.len() as u64;
        current.given[at].update(data);
        Ok(())
    }

    /// Compares what was given of a task's output with what its receipt states.
    fn end_output(&mut self) -> Result<(), String> {
        let Some(Current { task, output, given, lengths }) = self.current.take() else {
            return Ok(());
        };
        let Output::Known { stdout, stderr } = output else { return Ok(()) };
        if !self.has_output {
            return Ok(());
        }
        for ((stated, given), len) in [stdout, stderr].into_iter().zip(given).zip(lengths) {
            if len > stated.len {
                return Err(format!("{task}: there is more output than the node sent"));
            }
            if len < stated.len {
                self.cut += 1;
                continue;
            }
            if given.finish(stated.cut) != stated {
                return Err(format!("{task}: the output is not the one that the node sent"));
            }
            self.streams += 1;
        }
        Ok(())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match &self.session {
            Some(session) => format!("receipts of {session}"),
            None => "records".to_owned(),
        };
        write!(f, "verified: {} {of}, {}\nhead: {}", self.verified, self.hub, self.head)?;
        if self.session.is_some() {
            write!(f, "\noutput: {} streams fit, {} are cut", self.streams, self.cut)?;
        }
        for node in &self.nodes {
            write!(f, "\nnode: {node}")?;
        }
        Ok(())
    }
}

fn text_of(head: Head) -> String {
    format!("{}:{}", head.count, head.digest)
}

fn head_of(head: &ChainHead) -> Result<Head, String> {
    Ok(Head { count: head.count, digest: parse("digest", &head.digest)? })
}

fn parse<T: std::str::FromStr>(field: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{field}: \"{text}\" makes no sense"))
}

fn decode(field: &str, text: &str) -> Result<Bytes, String> {
    let decoded = STANDARD.decode(text).map_err(|error| format!("{field}: {error}"))?;
    Ok(decoded.into())
}

#[cfg(test)]
mod tests;
