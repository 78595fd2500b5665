//! What is being done now, and by whom: notes that ride with the write that they are about.
//!
//! Whoever does something [carries](carrying) a note while it is done. The store's writer takes the
//! note along with the first write of that time, so that both are one transaction, without a seam in
//! between having to know of it. A note that no write has taken comes back.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use cortex_core::account::Principal;
use cortex_core::audit::Action;
use cortex_core::audit::Actor;
use cortex_core::audit::MAX_TEXT;
use cortex_core::audit::Object;
use cortex_core::audit::Outcome;
use cortex_core::audit::Record;
use cortex_core::id::TokenId;
use cortex_core::id::UserId;
use cortex_core::timestamp::Timestamp;

use crate::clock;

/// With what and from where somebody acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Origin {
    /// The API token or login.
    pub(crate) credential: Option<TokenId>,
    /// The client's address.
    pub(crate) address: Option<IpAddr>,
}

/// A record that has no number yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    at: Timestamp,
    actor: Actor,
    origin: Origin,
    action: Action,
    object: Object,
    owner: Option<UserId>,
    outcome: Outcome,
    detail: String,
    /// What is done together with it.
    further: Vec<Note>,
}

type Slot = Arc<Mutex<Option<Note>>>;

tokio::task_local! {
    static ORIGIN: Origin;
    static NOTE: Slot;
}

impl Note {
    /// Notes that `actor` does something; with what and from where is that of the current request.
    pub(crate) fn of(actor: Actor, action: Action, object: Object) -> Self {
        Self {
            at: clock::now(),
            actor,
            origin: ORIGIN.try_with(|origin| *origin).unwrap_or_default(),
            action,
            object,
            owner: None,
            outcome: Outcome::Done,
            detail: String::new(),
            further: Vec::new(),
        }
    }

    /// Notes that a user does something.
    pub(crate) fn by(who: &Principal, action: Action, object: Object) -> Self {
        Self::of(Actor::User(who.user), action, object)
    }

    /// Notes that something was refused to somebody who did not prove who they are.
    pub(crate) fn refusal(action: Action, object: Object) -> Self {
        Self { outcome: Outcome::Refused, ..Self::of(Actor::Nobody, action, object) }
    }

    /// Whose the object is.
    pub(crate) fn owned_by(self, owner: UserId) -> Self {
        Self { owner: Some(owner), ..self }
    }

    /// That it is a user who does it, to themselves.
    pub(crate) fn by_themselves(self, user: UserId) -> Self {
        let (actor, object) = (Actor::User(user), Object::User(user));
        Self { actor, object, owner: Some(user), ..self }
    }

    /// That it was refused to somebody who may or may not be this user.
    pub(crate) fn refused_for(self, user: UserId) -> Self {
        let (actor, object) = (Actor::Nobody, Object::User(user));
        Self { actor, object, owner: Some(user), outcome: Outcome::Refused, ..self }
    }

    /// With which API token or login it is done.
    pub(crate) fn with(self, credential: TokenId) -> Self {
        let origin = Origin { credential: Some(credential), ..self.origin };
        Self { origin, ..self }
    }

    /// More in a few words: never a secret, and nothing that somebody typed as one.
    pub(crate) fn detail(self, words: impl Into<String>) -> Self {
        let mut detail = words.into();
        detail.truncate(detail.floor_char_boundary(MAX_TEXT));
        Self { detail, ..self }
    }

    /// Adds words behind the detail.
    pub(crate) fn adding(self, words: &str) -> Self {
        let detail = format!("{} {words}", self.detail);
        self.detail(detail.trim())
    }

    /// That something else is done together with it: a record more of the same transaction.
    pub(crate) fn and(mut self, other: Note) -> Self {
        self.further.push(other);
        self
    }

    /// The records, once they have their numbers, from `first` on.
    pub(crate) fn numbered(mut self, first: u64) -> Vec<Record> {
        let further = std::mem::take(&mut self.further);
        let notes = std::iter::once(self).chain(further);
        notes.zip(first..).map(|(note, seq)| note.record(seq)).collect()
    }

    fn record(self, seq: u64) -> Record {
        let Self { at, actor, origin, action, object, owner, outcome, detail, further: _ } = self;
        let Origin { credential, address } = origin;
        Record { seq, at, actor, credential, address, action, object, owner, outcome, detail }
    }
}

/// Does `work` as somebody who acts with and from `origin`.
pub(crate) async fn acting<F: Future>(origin: Origin, work: F) -> F::Output {
    ORIGIN.scope(origin, work).await
}

/// Does `work` with a note that its first write takes along; returns the note if none did.
pub(crate) async fn carrying<F: Future>(note: Note, work: F) -> (F::Output, Option<Note>) {
    let slot: Slot = Arc::new(Mutex::new(Some(note)));
    let done = NOTE.scope(Arc::clone(&slot), work).await;
    let left = take_from(&slot);
    (done, left)
}

/// Takes the note that the current task carries.
pub(crate) fn take() -> Option<Note> {
    NOTE.try_with(take_from).ok().flatten()
}

/// Gives a note back whose write has failed: the next write may be the one that counts.
pub(crate) fn give_back(note: Option<Note>) {
    let put = |slot: &Slot| *slot.lock().unwrap_or_else(PoisonError::into_inner) = note;
    // Without a slot there was no note either.
    let _ = NOTE.try_with(put);
}

fn take_from(slot: &Slot) -> Option<Note> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

#[cfg(test)]
mod tests {
    use cortex_core::id::NodeId;

    use super::*;

    fn note() -> Note {
        Note::of(Actor::Hub, Action::NodeLock, Object::Node(NodeId::from_bytes([1; 16])))
    }

    #[tokio::test]
    async fn a_note_is_taken_once_and_otherwise_comes_back() {
        assert_eq!(take(), None, "nobody carries one");
        let (taken, left) = carrying(note(), async { (take().is_some(), take().is_some()) }).await;
        assert_eq!((taken, left), ((true, false), None));
        let (_, left) = carrying(note(), async {}).await;
        assert_eq!(left.map(|note| note.action), Some(Action::NodeLock));
        let (_, left) = carrying(note(), async { give_back(take()) }).await;
        assert_eq!(left.map(|note| note.action), Some(Action::NodeLock));
    }

    #[tokio::test]
    async fn a_note_knows_with_what_and_from_where() {
        let credential = Some(TokenId::from_bytes([2; 16]));
        let origin = Origin { credential, address: Some(IpAddr::from([10, 0, 0, 1])) };
        let record = acting(origin, async { note().record(7) }).await;
        assert_eq!(
            (record.seq, record.credential, record.address),
            (7, credential, origin.address)
        );
        assert_eq!(note().record(1).address, None);
    }

    #[test]
    fn what_is_done_together_is_numbered_in_order() {
        let unlock = Note { action: Action::NodeUnlock, ..note() };
        let records = note().and(unlock).numbered(7);
        let found: Vec<_> = records.iter().map(|record| (record.seq, record.action)).collect();
        assert_eq!(found, [(7, Action::NodeLock), (8, Action::NodeUnlock)]);
    }

    #[test]
    fn a_long_detail_is_cut_at_a_character() {
        let record = note().detail("é".repeat(MAX_TEXT)).record(1);
        assert!(record.detail.len() <= MAX_TEXT && record.detail.ends_with('é'));
    }
}
