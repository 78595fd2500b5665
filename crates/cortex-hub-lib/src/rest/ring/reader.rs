//! Reading the ring: waiting at its source when it is free, else for whoever waits there.

use std::sync::Arc;

use cortex_core::account::Principal;
use tokio::sync::watch;

use super::Piece;
use super::Position;
use super::Ring;
use super::Slot;
use super::event_of;
use crate::feed::Changes;
use crate::hub::Hub;

/// One reader of the ring.
#[derive(Debug)]
pub(in crate::rest) struct Reader {
    pub(super) hub: Hub,
    pub(super) ring: Arc<Ring>,
    pub(super) who: Principal,
    pub(super) after: Position,
    pub(super) bell: watch::Receiver<u64>,
}

/// The source in one reader's hands. Dropping it lays it back and wakes the others.
pub(super) struct Turn<'a> {
    pub(super) ring: &'a Ring,
    pub(super) source: Option<Changes>,
}

impl Reader {
    /// The id of the last event that was read; of none, the one to resume from.
    pub(in crate::rest) fn id(&self) -> String {
        match self.after {
            Position::LOST => self.ring.id_of(Position(0)),
            position => self.ring.id_of(position),
        }
    }

    /// Waits for the next change; `None` when the hub shuts down.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(in crate::rest) async fn next(&mut self) -> Option<Piece> {
        loop {
            // The bell before the look: what comes in between rings it.
            self.bell.borrow_and_update();
            match self.ring.after(self.after, &self.who) {
                Ok(piece) => {
                    self.after = piece.position;
                    return Some(piece);
                }
                Err(reached) => self.after = reached,
            }
            match self.ring.take_turn() {
                Some(mut turn) => {
                    let change = turn.source.as_mut()?.next().await?;
                    let (audience, event) = event_of(&self.hub, &change);
                    self.ring.push(audience, &event);
                }
                None => self.bell.changed().await.ok()?,
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.ring.reader_left();
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(source) = self.source.take() {
            self.ring.lock().source = Slot::Free(source);
            // The same number again: it wakes those who wait for their turn.
            self.ring.bell.send_modify(|_| ());
        }
    }
}
