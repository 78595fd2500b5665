//! Reading back what nodes have countersigned in a session.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::chain::Head;
use cortex_core::id::NodeId;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::node::IdentityKey;
use cortex_core::receipt;
use cortex_core::session::Entry;
use cortex_core::session::Happening;
use cortex_core::session::Seq;
use cortex_core::session::TaskFilter;
use cortex_core::task::OutputTotals;
use cortex_core::task::Stream;
use cortex_core::task::TaskEvent;

use super::Hub;

/// Entries of the log that are read at once.
const PAGE: usize = 256;

/// Output that is read at once, in bytes.
const PIECE: usize = 256 << 10;

/// Reads the receipts of a session in the order of its log, as far as there were any when it was
/// opened.
#[derive(Debug)]
pub struct ReceiptReader {
    hub: Hub,
    session: SessionId,
    end: Head,
    found: u64,
    after: Seq,
    nodes: BTreeSet<NodeId>,
    with_output: bool,
    /// What earlier attempts of the task put out whose output is being read.
    before: OutputTotals,
    /// What was read and not handed out; the next one last.
    ready: Vec<Part>,
}

/// A part of a session's receipts.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// An identity key of a node whose receipts follow; each of them, in their order.
    Node {
        /// The node.
        id: NodeId,
        /// The key.
        identity: IdentityKey,
    },
    /// A receipt.
    Receipt {
        /// The task.
        task: TaskId,
        /// What the node countersigned.
        signed: Arc<receipt::Signed>,
    },
    /// Stored output of the task whose receipt came before.
    Output {
        /// The task.
        task: TaskId,
        /// Which stream.
        stream: Stream,
        /// Where in it the bytes begin.
        offset: u64,
        /// The bytes.
        data: Bytes,
    },
}

impl Hub {
    /// Opens the receipts of a session for reading, on demand with the output that they speak of.
    ///
    /// # Errors
    /// `NotFound`: no such session, or none that `who` may see.
    pub async fn receipts(
        &self,
        who: &Principal,
        session: &str,
        with_output: bool,
    ) -> Result<ReceiptReader> {
        let session = self.find_session(who, session, Scope::Read).await?.id;
        // Not the one at hand: that may be older.
        let end = self.inner.sessions.get(session).await?.receipts;
        Ok(ReceiptReader {
            hub: self.clone(),
            session,
            end,
            found: 0,
            after: Seq(0),
            nodes: BTreeSet::new(),
            with_output,
            before: OutputTotals::default(),
            ready: Vec::new(),
        })
    }
}

impl ReceiptReader {
    /// The session.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// The chain of the receipts that are read.
    #[must_use]
    pub fn end(&self) -> Head {
        self.end
    }

    /// Returns the next part; `None` at the end.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Cancel safety
    /// Not cancel safe: parts that were being read may be lost.
    pub async fn next(&mut self) -> Result<Option<Part>> {
        loop {
            match self.ready.pop() {
                Some(Part::Receipt { task, signed }) if self.with_output => {
                    self.before = self.output_before(task, &signed).await?;
                    // The output comes behind its receipt, and in front of what else is ready.
                    self.ready.push(piece(task, Stream::Stderr, 0));
                    self.ready.push(piece(task, Stream::Stdout, 0));
                    return Ok(Some(Part::Receipt { task, signed }));
                }
                Some(Part::Output { task, stream, offset, .. }) => {
                    let sessions = &self.hub.inner.sessions;
                    let from = offset + self.before.of(stream).arrived();
                    let part = sessions.output(task, stream, from, PIECE).await?;
                    if part.data.is_empty() {
                        continue;
                    }
                    self.ready.push(piece(task, stream, offset + part.data.len() as u64));
                    return Ok(Some(Part::Output { task, stream, offset, data: part.data }));
                }
                Some(part) => return Ok(Some(part)),
                None if self.found >= self.end.count => return Ok(None),
                None => {
                    if !self.read().await? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// What earlier attempts put out: an attempt's receipt speaks of its own output only.
    async fn output_before(&self, task: TaskId, signed: &receipt::Signed) -> Result<OutputTotals> {
        if signed.read().is_ok_and(|receipt| receipt.attempt <= 1) {
            return Ok(OutputTotals::default());
        }
        let found = self.hub.inner.sessions.tasks(TaskFilter::one(task)).await?;
        Ok(found.first().map(|task| task.before).unwrap_or_default())
    }

    /// Reads more of the log; whether there was more.
    async fn read(&mut self) -> Result<bool> {
        let entries = self.hub.inner.sessions.read(self.session, self.after, PAGE).await?;
        let Some(last) = entries.last() else { return Ok(false) };
        self.after = last.seq;
        let mut parts = Vec::new();
        for (task, signed) in entries.iter().filter_map(receipt_of) {
            if self.found == self.end.count {
                break;
            }
            self.found += 1;
            // What cannot be read is handed out as it is: whoever verifies it will say so.
            if let Ok(receipt) = signed.read()
                && self.nodes.insert(receipt.node)
            {
                let node = self.hub.inner.registry.get(receipt.node).await?;
                let keys = node.identity_keys().into_iter();
                parts.extend(keys.map(|identity| Part::Node { id: node.id, identity }));
            }
            parts.push(Part::Receipt { task, signed });
        }
        parts.reverse();
        self.ready = parts;
        Ok(true)
    }
}

/// Stands for output that is to be read from `offset` on.
fn piece(task: TaskId, stream: Stream, offset: u64) -> Part {
    Part::Output { task, stream, offset, data: Bytes::new() }
}

fn receipt_of(entry: &Entry) -> Option<(TaskId, Arc<receipt::Signed>)> {
    match &entry.what {
        Happening::Task { task, event: TaskEvent::Ended { receipt, .. }, .. } => {
            Some((*task, Arc::clone(receipt.as_ref()?)))
        }
        _ => None,
    }
}
