//! The suite against the backend in memory, and against stores that break a promise.

use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;

use async_trait::async_trait;
use futures::FutureExt;
use futures::stream::BoxStream;

use super::*;
use crate::memory::MemoryMirrorStore;
use crate::mirror::Revisions;
use crate::mirror::Snapshot;

#[tokio::test]
async fn the_backend_in_memory_passes() {
    mirror_store(async || MemoryMirrorStore::new()).await;
}

/// A promise that is broken.
#[derive(Debug, Clone, Copy)]
enum Fault {
    TakesAnyBase,
    ForgetsTheAuthor,
    IgnoresTheLimit,
    StaleTree,
    BelievesTheSender,
    HoldsEverything,
    IgnoresTheRange,
    SharesContent,
    KeepsOnRemoval,
    SwallowsStreamErrors,
}

#[derive(Debug)]
struct Faulty {
    fault: Fault,
    store: MemoryMirrorStore,
    first: Mutex<Option<Snapshot>>,
}

impl Faulty {
    fn is(&self, fault: Fault) -> bool {
        std::mem::discriminant(&self.fault) == std::mem::discriminant(&fault)
    }

    fn session(&self, session: SessionId) -> SessionId {
        if self.is(Fault::SharesContent) { SESSION } else { session }
    }
}

#[async_trait]
impl MirrorStore for Faulty {
    async fn commit(
        &self,
        session: SessionId,
        mut base: Version,
        mut author: Option<NodeId>,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Commit> {
        if self.is(Fault::TakesAnyBase) {
            base = self.store.tree(session).await?.version;
        }
        if self.is(Fault::ForgetsTheAuthor) {
            author = None;
        }
        self.store.commit(session, base, author, changes, now).await
    }

    async fn changes_since(
        &self,
        session: SessionId,
        version: Version,
        limit: usize,
    ) -> Result<Revisions> {
        let limit = if self.is(Fault::IgnoresTheLimit) { usize::MAX } else { limit };
        self.store.changes_since(session, version, limit).await
    }

    async fn tree(&self, session: SessionId) -> Result<Snapshot> {
        let newest = self.store.tree(session).await?;
        if !self.is(Fault::StaleTree) {
            return Ok(newest);
        }
        let mut first = self.first.lock().expect("no test panics with the lock");
        let tree = first.get_or_insert_with(|| newest.clone()).tree.clone();
        Ok(Snapshot { tree, ..newest })
    }

    async fn missing(&self, session: SessionId, contents: &[ContentId]) -> Result<Vec<ContentId>> {
        if self.is(Fault::HoldsEverything) {
            return Ok(vec![]);
        }
        self.store.missing(self.session(session), contents).await
    }

    async fn put(
        &self,
        session: SessionId,
        content: ContentId,
        bytes: BoxStream<'_, Result<Bytes>>,
    ) -> Result<()> {
        if !(self.is(Fault::BelievesTheSender) || self.is(Fault::SwallowsStreamErrors)) {
            return self.store.put(session, content, bytes).await;
        }
        let pieces: Vec<Bytes> =
            bytes.take(64).filter_map(async |piece| piece.ok()).collect().await;
        let whole = pieces.concat();
        let content =
            if self.is(Fault::BelievesTheSender) { ContentId::of(&whole) } else { content };
        let pieces = stream::iter([Ok(Bytes::from(whole))]).boxed();
        self.store.put(session, content, pieces).await
    }

    async fn get(
        &self,
        session: SessionId,
        content: ContentId,
        mut range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes>>> {
        if self.is(Fault::IgnoresTheRange) {
            range = content.whole();
        }
        self.store.get(self.session(session), content, range).await
    }

    async fn remove(&self, session: SessionId) -> Result<()> {
        if self.is(Fault::KeepsOnRemoval) {
            return Ok(());
        }
        self.store.remove(session).await
    }
}

#[tokio::test]
async fn every_fault_is_caught() {
    for fault in [
        Fault::TakesAnyBase,
        Fault::ForgetsTheAuthor,
        Fault::IgnoresTheLimit,
        Fault::StaleTree,
        Fault::BelievesTheSender,
        Fault::HoldsEverything,
        Fault::IgnoresTheRange,
        Fault::SharesContent,
        Fault::KeepsOnRemoval,
        Fault::SwallowsStreamErrors,
    ] {
        let make = async || {
            let store = MemoryMirrorStore::new();
            Faulty { fault, store, first: Mutex::default() }
        };
        let outcome = AssertUnwindSafe(mirror_store(make)).catch_unwind().await;
        assert!(outcome.is_err(), "the suite passes a store that {fault:?}");
    }
}
