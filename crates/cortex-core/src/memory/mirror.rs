//! Mirrors in memory, for tests and trials.

use std::collections::HashMap;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use async_trait::async_trait;
use bytes::Bytes;
use bytes::BytesMut;
use futures::StreamExt;
use futures::TryStreamExt;
use futures::stream;
use futures::stream::BoxStream;

use crate::change;
use crate::change::Change;
use crate::change::Version;
use crate::digest::ContentId;
use crate::digest::Hasher;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::id::NodeId;
use crate::id::SessionId;
use crate::mirror::Commit;
use crate::mirror::MirrorStore;
use crate::mirror::Revision;
use crate::mirror::Revisions;
use crate::mirror::Snapshot;
use crate::timestamp::Timestamp;
use crate::tree::Entry;
use crate::tree::Tree;

/// Keeps mirrors in memory; everything is gone with it.
///
/// It does whatever the trait permits that is hardest on its callers: content is dropped with the
/// commit that replaces its last use, and is read in small pieces of odd sizes. A session holds at
/// most a limit of content, counted in bytes; versions and trees are not counted.
#[derive(Debug)]
pub struct MemoryMirrorStore {
    limit: u64,
    mirrors: Mutex<HashMap<SessionId, Mirror>>,
}

impl MemoryMirrorStore {
    /// The limit of content a session unless another is given: 256 MiB.
    pub const DEFAULT_LIMIT: u64 = 256 * 1024 * 1024;

    /// Makes a store without any mirror.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(Self::DEFAULT_LIMIT)
    }

    /// Makes a store in which a session holds at most `limit` bytes of content.
    #[must_use]
    pub fn with_limit(limit: u64) -> Self {
        Self { limit, mirrors: Mutex::default() }
    }
}

impl Default for MemoryMirrorStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl MirrorStore for MemoryMirrorStore {
    async fn commit(
        &self,
        session: SessionId,
        base: Version,
        author: Option<NodeId>,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Commit> {
        change::validate(&changes)?;
        let mut mirrors = self.lock();
        let mirror = mirrors.entry(session).or_default();
        let head = mirror.head();
        if base > head {
            return Err(ahead("commit changes", base, head));
        }
        if base < head {
            return Ok(Commit::Behind(head));
        }
        let mut tree = (*mirror.tree).clone();
        change::apply(&mut tree, &changes)?;
        mirror.move_uses(&changes)?;
        mirror.tree = Arc::new(tree);
        let version = head.next();
        mirror.revisions.push(Revision { version, author, at: now, changes });
        Ok(Commit::Accepted(version))
    }

    async fn changes_since(
        &self,
        session: SessionId,
        version: Version,
        limit: usize,
    ) -> Result<Revisions> {
        let mirrors = self.lock();
        let none = Mirror::default();
        let mirror = mirrors.get(&session).unwrap_or(&none);
        let head = mirror.head();
        if version > head {
            return Err(ahead("read changes", version, head));
        }
        let mut room = limit;
        let mut revisions = Vec::new();
        for revision in mirror.revisions.iter().filter(|revision| revision.version > version) {
            let count = revision.changes.len();
            if limit == 0 || (count > room && !revisions.is_empty()) {
                break;
            }
            room = room.saturating_sub(count);
            revisions.push(revision.clone());
        }
        Ok(Revisions { revisions, head })
    }

    async fn tree(&self, session: SessionId) -> Result<Snapshot> {
        let mirrors = self.lock();
        let mirror = mirrors.get(&session);
        Ok(Snapshot {
            version: mirror.map_or(Version::ZERO, Mirror::head),
            tree: mirror.map(|mirror| mirror.tree.clone()).unwrap_or_default(),
        })
    }

    async fn missing(&self, session: SessionId, contents: &[ContentId]) -> Result<Vec<ContentId>> {
        let mirrors = self.lock();
        let mirror = mirrors.get(&session);
        let mut seen = HashSet::new();
        let missing = contents
            .iter()
            .filter(|content| !mirror.is_some_and(|mirror| mirror.held.contains_key(content)))
            .filter(|content| seen.insert(**content))
            .copied()
            .collect();
        Ok(missing)
    }

    async fn put(
        &self,
        session: SessionId,
        content: ContentId,
        mut bytes: BoxStream<'_, Result<Bytes>>,
    ) -> Result<()> {
        if !self.wants(self.lock().get(&session), content)? {
            return Ok(());
        }
        let mut whole = BytesMut::new();
        let mut hasher = Hasher::new();
        while let Some(piece) = bytes.try_next().await? {
            if piece.len() as u64 > content.size - hasher.size() {
                return Err(mismatch(content, "there are more bytes than announced"));
            }
            hasher.update(&piece);
            whole.extend_from_slice(&piece);
        }
        let found = hasher.finish();
        if found != content {
            let reason = format!("{} bytes with the digest {} came", found.size, found.digest);
            return Err(mismatch(content, &reason));
        }
        // Others may have put the same, or used up the room, while this one was read.
        let mut mirrors = self.lock();
        if self.wants(mirrors.get(&session), content)? {
            let held = Held { bytes: whole.freeze(), uses: 0 };
            mirrors.entry(session).or_default().held.insert(content, held);
        }
        Ok(())
    }

    async fn get(
        &self,
        session: SessionId,
        content: ContentId,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes>>> {
        const OPERATION: &str = "read content";
        let mirrors = self.lock();
        let held = mirrors.get(&session).and_then(|mirror| mirror.held.get(&content));
        let held = held.ok_or_else(|| {
            Error::new(Kind::NotFound, OPERATION, format!("{} is not held", content.digest))
        })?;
        if range.start > range.end || range.end > content.size {
            let message = format!("{range:?} is no range of {} bytes", content.size);
            return Err(Error::new(Kind::Invalid, OPERATION, message));
        }
        let position = |at: u64| usize::try_from(at).expect("held content fits into memory");
        let bytes = held.bytes.slice(position(range.start)..position(range.end));
        Ok(stream::iter(odd_pieces(bytes)).boxed())
    }

    async fn remove(&self, session: SessionId) -> Result<()> {
        self.lock().remove(&session);
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Mirror {
    revisions: Vec<Revision>,
    tree: Arc<Tree>,
    held: HashMap<ContentId, Held>,
}

#[derive(Debug)]
struct Held {
    bytes: Bytes,
    /// How many files of the newest tree have this content.
    uses: usize,
}

impl MemoryMirrorStore {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Mirror>> {
        // Every change under the lock is whole before anything can panic.
        self.mirrors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the content is still to be stored, and may be.
    fn wants(&self, mirror: Option<&Mirror>, content: ContentId) -> Result<bool> {
        if mirror.is_some_and(|mirror| mirror.held.contains_key(&content)) {
            return Ok(false);
        }
        let used = mirror.map_or(0, |mirror| mirror.held.keys().map(|held| held.size).sum());
        if content.size > self.limit.saturating_sub(used) {
            let message = format!(
                "{} bytes do not fit: {used} of {} bytes are used",
                content.size, self.limit
            );
            return Err(Error::new(Kind::Exhausted, "put content", message));
        }
        Ok(true)
    }
}

impl Mirror {
    fn head(&self) -> Version {
        self.revisions.last().map_or(Version::ZERO, |revision| revision.version)
    }

    /// Counts the uses of content anew for `changes`, which fit `self.tree`; drops what has none.
    fn move_uses(&mut self, changes: &[Change]) -> Result<()> {
        let content = |entry: Option<&Entry>| entry.and_then(Entry::content);
        let added = || changes.iter().filter_map(|change| content(change.entry.as_ref()));
        if let Some(missing) = added().find(|content| !self.held.contains_key(content)) {
            let message = format!("content {} is not held", missing.digest);
            return Err(Error::new(Kind::Precondition, "commit changes", message)
                .with_code("content_missing")
                .with_hint("put the content, then commit again"));
        }
        for content in added() {
            self.held.entry(content).and_modify(|held| held.uses += 1);
        }
        for change in changes {
            let Some(old) = content(self.tree.get(change.path.as_str())) else {
                continue;
            };
            if let Some(held) = self.held.get_mut(&old) {
                held.uses -= 1;
                if held.uses == 0 {
                    self.held.remove(&old);
                }
            }
        }
        Ok(())
    }
}

fn ahead(operation: &'static str, version: Version, head: Version) -> Error {
    let message = format!("version {version} is not there yet, the newest is {head}");
    Error::new(Kind::Precondition, operation, message).with_code("version_ahead")
}

fn mismatch(content: ContentId, reason: &str) -> Error {
    let ContentId { size, digest } = content;
    let message = format!("content is not the {size} bytes {digest}: {reason}");
    Error::new(Kind::Invalid, "put content", message).with_code("content_mismatch")
}

/// Cuts bytes where no caller would expect it: sizes off every grid, first a single byte.
fn odd_pieces(mut bytes: Bytes) -> impl Iterator<Item = Result<Bytes>> {
    let mut sizes = [1, 4_093, 65_537, 7].into_iter().cycle();
    std::iter::from_fn(move || {
        let size = sizes.next().unwrap_or(1).min(bytes.len());
        (size > 0).then(|| Ok(bytes.split_to(size)))
    })
}

#[cfg(test)]
mod tests;
