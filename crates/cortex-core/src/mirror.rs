//! The seam to where mirrors are kept: one workspace a session, versioned, with its content.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use serde::Deserialize;
use serde::Serialize;

use crate::change::Change;
use crate::change::Version;
use crate::digest::ContentId;
use crate::error::Result;
use crate::id::NodeId;
use crate::id::SessionId;
use crate::timestamp::Timestamp;
use crate::tree::Tree;

/// Keeps the mirrors of all sessions: a tree whose version only grows, and the bytes of its files.
///
/// A session has one mirror. Before its first commit it is an empty tree at [`Version::ZERO`]:
/// no method answers `NotFound` for a session. What one session holds, content included, is not
/// visible through another.
///
/// Bytes are put first and committed second. Content that the newest tree names can always be
/// read. Other content (put and not yet committed, or replaced since) may be dropped at any time;
/// whoever needs it puts it again, or reads the newer changes that replaced it.
///
/// # Errors
/// Besides what each method names, every method may answer `Unavailable` and `Timeout` (the
/// backend cannot be reached or is too slow), and `Internal` (it is damaged).
#[async_trait]
pub trait MirrorStore: Send + Sync + Debug {
    /// Commits changes on top of version `base` and returns the new version.
    ///
    /// Takes effect only if `base` is the newest version, and only as a whole: of two writers
    /// starting from the same version one wins, and the other is told the version to catch up
    /// with. The changes come in any order, at most [`Change::MAX_COUNT`]. `author` is the node
    /// that made them, or `None` for the hub itself. Once this returns `Accepted`, the commit
    /// survives a crash.
    ///
    /// # Errors
    /// `Invalid`: changes that break a rule of [`change::apply`](crate::change::apply) other than
    /// the next. `Conflict` (`parent_mismatch`): another entry stands at a path than its change
    /// was made against. `Precondition` (`content_missing`): a file's content is not held; put it
    /// and commit again. `Precondition` (`version_ahead`): `base` is newer than the newest version.
    /// `Exhausted`: a quota is used up.
    /// Changes that are wrong by themselves ([`change::validate`](crate::change::validate)) are
    /// refused before versions are compared, everything else after.
    ///
    /// # Cancel safety
    /// If the future is dropped, the commit may or may not be stored, but never in part. Repeating
    /// it answers `Behind` if it was, and [`changes_since`](Self::changes_since) shows it.
    async fn commit(
        &self,
        session: SessionId,
        base: Version,
        author: Option<NodeId>,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Commit>;

    /// Reads the commits after `version`, oldest first, and the newest version.
    ///
    /// Gives whole commits, as many as have together at most `limit` changes, but at least one if
    /// there is one; with a limit of 0 none. They are what was committed, hints included. Commits
    /// are kept as long as the mirror is. They may name content that is dropped by now: fetch only
    /// what is still named after the last of them.
    ///
    /// # Errors
    /// `Precondition` (`version_ahead`): `version` is newer than the newest version, for instance
    /// because the store was set back; start again from [`tree`](Self::tree).
    ///
    /// # Cancel safety
    /// Changes nothing.
    async fn changes_since(
        &self,
        session: SessionId,
        version: Version,
        limit: usize,
    ) -> Result<Revisions>;

    /// Reads the newest version and its tree.
    ///
    /// # Cancel safety
    /// Changes nothing.
    async fn tree(&self, session: SessionId) -> Result<Snapshot>;

    /// Finds which content is not held: each once, in the order of `contents`.
    ///
    /// # Cancel safety
    /// Changes nothing.
    async fn missing(&self, session: SessionId, contents: &[ContentId]) -> Result<Vec<ContentId>>;

    /// Puts the bytes of `content`, in pieces of any size.
    ///
    /// They are stored only after size and digest were verified, and become visible as a whole.
    /// The stream is read no further than needed: not beyond the first byte too many, and maybe
    /// not at all where the content is held already. Once this returns `Ok`, content that a commit
    /// names survives a crash together with the commit.
    ///
    /// # Errors
    /// `Invalid` (`content_mismatch`): the bytes are not what `content` names. `Exhausted`: a quota
    /// is used up. An error of the stream is returned as it is. Nothing is stored then.
    ///
    /// # Cancel safety
    /// If the future is dropped, nothing is stored, or all if the stream had ended.
    async fn put(
        &self,
        session: SessionId,
        content: ContentId,
        bytes: BoxStream<'_, Result<Bytes>>,
    ) -> Result<()>;

    /// Reads a range of the bytes of `content`; [`ContentId::whole`] is the range of all.
    ///
    /// The pieces are not empty, have at most [`MAX_PIECE`] bytes and together exactly the
    /// range. The stream does not borrow the store. If the content is dropped while it is read, the
    /// stream may end with an error, never with other bytes.
    ///
    /// # Errors
    /// `NotFound`: the content is not held. `Invalid`: the range ends before it starts or after the
    /// content's end. In the stream, `Internal`: what is stored is damaged.
    ///
    /// # Cancel safety
    /// Changes nothing; the stream may be dropped at any point.
    async fn get(
        &self,
        session: SessionId,
        content: ContentId,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes>>>;

    /// Removes a session's mirror with everything it holds; removing an empty one is success.
    ///
    /// Afterwards it is as before its first commit.
    ///
    /// # Cancel safety
    /// If the future is dropped, the mirror may be there, be gone, or be gone with some content
    /// left behind that nobody sees; repeat it.
    async fn remove(&self, session: SessionId) -> Result<()>;
}

/// The most bytes in a piece that [`MirrorStore::get`] yields: 1 MiB.
pub const MAX_PIECE: usize = 1024 * 1024;

/// The answer to a commit that was well-formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Commit {
    /// It was stored, as this version.
    Accepted(Version),
    /// It was made on an older version than this newest one; catch up and try again.
    Behind(Version),
}

/// One commit as it was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// The version that it made.
    pub version: Version,
    /// The node that made it, or `None` for the hub.
    pub author: Option<NodeId>,
    /// When it was stored.
    pub at: Timestamp,
    /// What it changed, at most once a path.
    pub changes: Vec<Change>,
}

/// Commits read from a mirror.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revisions {
    /// The commits, oldest first, without a gap.
    pub revisions: Vec<Revision>,
    /// The newest version; there is more to read if the last commit has a smaller one.
    pub head: Version,
}

/// A mirror at its newest version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The version.
    pub version: Version,
    /// The tree of that version.
    pub tree: Arc<Tree>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trait_is_dyn_compatible_and_its_objects_are_shared() {
        fn shared<T: Send + Sync + Debug + ?Sized + 'static>() {}
        shared::<dyn MirrorStore>();
        shared::<Arc<dyn MirrorStore>>();
    }
}
