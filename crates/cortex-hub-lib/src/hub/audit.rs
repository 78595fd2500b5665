//! What was done, and by whom: recording it, and reading it back.

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::AccessError;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::audit;
use cortex_core::audit::Action;
use cortex_core::audit::Object;
use cortex_core::audit::Record;
use cortex_core::chain::Head;
use cortex_core::id::NodeId;

use super::Hub;
use super::check_scope;
use super::denied_error;
use crate::audit::Note;
use crate::store::audit::AuditFilter;
use crate::store::audit::Link;

/// Records that are read at once.
const PAGE: u64 = 500;

/// Reads the whole audit log in order, from some record to what was the newest when it was opened.
#[derive(Debug)]
pub struct AuditReader {
    hub: Hub,
    start: Head,
    end: Head,
    after: u64,
}

impl Hub {
    /// Lists the records that fit, newest first: all for an admin, those about their own things for
    /// others.
    ///
    /// # Errors
    /// `Denied`: the credential may not read.
    pub async fn audit(&self, who: &Principal, filter: AuditFilter) -> Result<Vec<Record>> {
        check_scope(who, Scope::Read)?;
        let owner = who.visible_owner().or(filter.owner);
        self.inner.store.audit().list(&AuditFilter { owner, ..filter }).await
    }

    /// Opens the audit log for reading all records after the number `after`.
    ///
    /// # Errors
    /// `Denied`: `who` is no admin. `NotFound`: no record has that number.
    pub async fn audit_from(&self, who: &Principal, after: u64) -> Result<AuditReader> {
        who.holds(Scope::Read).map_err(denied_error)?;
        if who.visible_owner().is_some() {
            return Err(denied_error(AccessError::Admin).with_code("admin_only"));
        }
        let log = self.inner.store.audit();
        let begin = audit::chain_of(self.id());
        let head = |link: Link| Head { count: link.record.seq, digest: link.digest };
        let end = log.find(None).await?.map_or(begin, head);
        let start = match after {
            0 => begin,
            _ => log.find(Some(after)).await?.map(head).ok_or_else(|| {
                let message = format!("no record has the number {after}");
                Error::new(ErrorKind::NotFound, "read audit log", message)
            })?,
        };
        Ok(AuditReader { hub: self.clone(), start, end, after })
    }

    /// Does `work` and records it, in one transaction where the hub's own store does the work.
    pub(super) async fn recorded<T>(
        &self,
        note: Note,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.inner.store.audit().record(note, work).await
    }

    /// Records that somebody was refused who presented a credential, within bounds.
    pub(crate) async fn refused(&self, action: Action, error: &Error) {
        let note = Note::refusal(action, Object::Hub).detail(error.code());
        self.inner.store.audit().refused(note).await;
    }

    /// Records that a node was refused, or somebody who says to be it, within bounds.
    pub(crate) async fn node_refused(&self, node: NodeId, error: &Error) {
        if !matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::Denied) {
            return;
        }
        let note = Note::refusal(Action::AccessRefuse, Object::Node(node)).detail(error.code());
        let owner = self.inner.registry.get(node).await.ok().map(|node| node.owner);
        let note = match owner {
            Some(owner) => note.owned_by(owner),
            None => note,
        };
        self.inner.store.audit().refused(note).await;
    }
}

impl AuditReader {
    /// The chain before the first record that is read.
    #[must_use]
    pub fn start(&self) -> Head {
        self.start
    }

    /// The chain after the last one.
    #[must_use]
    pub fn end(&self) -> Head {
        self.end
    }

    /// Returns the next records in order; none at the end.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Vec<Link>> {
        let left = self.end.count.saturating_sub(self.after);
        if left == 0 {
            return Ok(Vec::new());
        }
        let links = self.hub.inner.store.audit().read(self.after, left.min(PAGE)).await?;
        if let Some(last) = links.last() {
            self.after = last.record.seq;
        }
        Ok(links)
    }
}
