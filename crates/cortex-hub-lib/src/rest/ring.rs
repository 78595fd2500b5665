//! The newest changes of the hub, numbered, so that a reader who was cut off can go on.
//!
//! No task of its own fills the ring. The hub's changes come through one source that the readers
//! pass from hand to hand: whoever finds it free waits at it, puts what comes into the ring for all,
//! and lays it back. For a while it stays where it is when the last reader has gone, so that one who
//! was cut off goes on without a gap; then it is let go, and the hub need not tell anybody. What is
//! lost while nobody reads shows as a gap, and the next reader gets a `reset`.

mod audience;
mod reader;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use axum::body::Bytes;
use cortex_core::account::Principal;
use cortex_core::account::Role;
use cortex_core::id::UserId;
use cortex_proto::json::HubEvent;
use futures::FutureExt as _;
use tokio::sync::watch;
use tokio::task::unconstrained;
use tokio_util::sync::CancellationToken;

use super::convert::node_status;
use super::convert::task_info;
use crate::clock;
use crate::feed::Change;
use crate::feed::Changes;
use crate::hub::Hub;

pub(super) use self::reader::Reader;

use self::audience::Audience;
use self::reader::Turn;

/// Changes that are kept.
const MOST_ENTRIES: usize = 1_024;
/// Bytes of text that are kept.
const MOST_BYTES: usize = 4 << 20;

/// How long the source stays after the last reader has gone.
pub(super) const LINGER: Duration = Duration::from_secs(60);

/// Where a reader is: after the change of this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position(u64);

/// A change as readers get it.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// Its name among the types of events.
    pub(super) name: &'static str,
    /// The position after it.
    pub(super) position: Position,
    /// The event as JSON.
    pub(super) json: Bytes,
}

/// The ring, and the source that fills it.
#[derive(Debug)]
pub(super) struct Ring {
    /// Sets the numbers of this run of the hub apart from those of another.
    boot: u32,
    state: Mutex<State>,
    bell: watch::Sender<u64>,
    /// How many readers there are; changed under the lock of `state`.
    readers: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    source: Slot,
    entries: VecDeque<Entry>,
    /// The number of the newest entry.
    last: u64,
    bytes: usize,
}

#[derive(Debug, Default)]
enum Slot {
    #[default]
    Unmade,
    Free(Changes),
    Taken,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    audience: Audience,
    name: &'static str,
    json: Bytes,
}

impl Ring {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            // Only has to differ from the last run's; without random bits, it is as good as the time.
            boot: getrandom::u32().unwrap_or(0),
            state: Mutex::default(),
            bell: watch::Sender::new(0),
            readers: watch::Sender::new(0),
        })
    }

    /// Reads on after `last_event_id`, or from now on. An id of another run, or one whose successors
    /// are gone, begins with a `reset`.
    pub(super) fn read(
        self: &Arc<Self>,
        hub: &Hub,
        who: &Principal,
        last_event_id: Option<&str>,
    ) -> Reader {
        let mut state = self.lock();
        if matches!(state.source, Slot::Unmade) {
            // Sees everything; each reader then gets what it may see.
            let all = Principal::full(UserId::from_bytes([0; 16]), Role::Admin);
            state.source = Slot::Free(hub.watch(&all));
            hub.track(Arc::clone(self).let_go_when_unread(hub.shutdown_token()));
        }
        self.readers.send_modify(|readers| *readers += 1);
        drop(state);
        if last_event_id.is_none() {
            self.catch_up(hub);
        }
        let state = self.lock();
        let after = match last_event_id {
            None => Position(state.last),
            // Position 0 is before all entries; that is a reset unless nothing was lost.
            Some(id) => self.parse(id).filter(|at| at.0 <= state.last).unwrap_or(Position::LOST),
        };
        drop(state);
        Reader {
            hub: hub.clone(),
            ring: Arc::clone(self),
            who: who.clone(),
            after,
            bell: self.bell.subscribe(),
        }
    }

    /// Lets the source go when nobody has read for [`LINGER`].
    async fn let_go_when_unread(self: Arc<Self>, shutdown: CancellationToken) {
        let mut readers = self.readers.subscribe();
        let unread = async {
            loop {
                // The sender lives as long as the ring, which is held here.
                let _ = readers.wait_for(|readers| *readers == 0).await;
                tokio::select! {
                    _ = readers.wait_for(|readers| *readers > 0) => {}
                    () = tokio::time::sleep(LINGER) => if self.let_go() { return },
                }
            }
        };
        tokio::select! {
            () = unread => {}
            () = shutdown.cancelled() => {}
        }
    }

    /// Lets the source go, unless somebody reads again. What comes next is lost, and that shows.
    fn let_go(&self) -> bool {
        let mut state = self.lock();
        if *self.readers.borrow() > 0 {
            return false;
        }
        state.source = Slot::Unmade;
        state.entries.clear();
        state.bytes = 0;
        state.last += 1;
        true
    }

    fn reader_left(&self) {
        let _state = self.lock();
        self.readers.send_modify(|readers| *readers -= 1);
    }

    /// Takes in what happened while nobody read, so that it is not told as news.
    fn catch_up(&self, hub: &Hub) {
        let Some(mut turn) = self.take_turn() else {
            // Somebody reads, so there is no backlog.
            return;
        };
        let Some(source) = turn.source.as_mut() else {
            return;
        };
        // The scheduler's budget must not end this early.
        while let Some(Some(change)) = unconstrained(source.next()).now_or_never() {
            let (audience, event) = event_of(hub, &change);
            self.push(audience, &event);
        }
    }

    /// The text of a position: `<boot>-<n>`.
    pub(super) fn id_of(&self, position: Position) -> String {
        format!("{:08x}-{}", self.boot, position.0)
    }

    fn parse(&self, id: &str) -> Option<Position> {
        let (boot, number) = id.trim().split_once('-')?;
        let is_ours = u32::from_str_radix(boot, 16).ok()? == self.boot;
        is_ours.then(|| number.parse().ok().map(Position)).flatten()
    }

    fn take_turn(&self) -> Option<Turn<'_>> {
        let mut state = self.lock();
        match std::mem::replace(&mut state.source, Slot::Taken) {
            Slot::Free(source) => Some(Turn { ring: self, source: Some(source) }),
            other => {
                state.source = other;
                None
            }
        }
    }

    fn push(&self, audience: Audience, event: &HubEvent) {
        let name = name_of(event);
        let json = Bytes::from(serde_json::to_vec(event).unwrap_or_default());
        let mut state = self.lock();
        if matches!(audience, Audience::All) {
            // Something is missing before this entry, so nobody may read across it.
            state.entries.clear();
            state.bytes = 0;
        }
        state.last += 1;
        state.bytes += json.len();
        let number = state.last;
        state.entries.push_back(Entry { number, audience, name, json });
        while state.entries.len() > MOST_ENTRIES || state.bytes > MOST_BYTES {
            match state.entries.pop_front() {
                Some(gone) => state.bytes -= gone.json.len(),
                None => break,
            }
        }
        drop(state);
        self.bell.send_replace(number);
    }

    /// The first entry after a position that `who` may see, or the position reached in the search.
    fn after(&self, position: Position, who: &Principal) -> Result<Piece, Position> {
        let state = self.lock();
        let oldest = state.last + 1 - state.entries.len() as u64;
        if position == Position::LOST || position.0 + 1 < oldest {
            return Ok(Piece {
                name: name_of(&HubEvent::Reset),
                position: Position(state.last),
                json: Bytes::from_static(b"{\"type\":\"reset\"}"),
            });
        }
        let skip = usize::try_from(position.0 + 1 - oldest).unwrap_or(usize::MAX);
        match state.entries.iter().skip(skip).find(|entry| entry.audience.admits(who)) {
            Some(entry) => Ok(Piece {
                name: entry.name,
                position: Position(entry.number),
                json: entry.json.clone(),
            }),
            None => Err(Position(state.last)),
        }
    }

    /// Whether the hub is asked for its changes.
    #[cfg(test)]
    pub(super) fn is_fed(&self) -> bool {
        !matches!(self.lock().source, Slot::Unmade)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Position {
    const LOST: Self = Self(u64::MAX);
}

fn name_of(event: &HubEvent) -> &'static str {
    match event {
        HubEvent::NodeStatus { .. } => "node.status",
        HubEvent::TaskState { .. } => "task.state",
        _ => "reset",
    }
}

fn event_of(hub: &Hub, change: &Change) -> (Audience, HubEvent) {
    match change {
        Change::Node(node) => {
            let status = node_status(node, hub.open_tasks_on(node.id), clock::now());
            (Audience::Node(Arc::clone(node)), HubEvent::NodeStatus { node: status })
        }
        Change::Task(task) => {
            let task_state = HubEvent::TaskState { task: task_info(task) };
            (Audience::Owner(task.by), task_state)
        }
        Change::Lost => (Audience::All, HubEvent::Reset),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: u8) -> Principal {
        Principal::full(UserId::from_bytes([n; 16]), Role::Member)
    }

    fn push(ring: &Ring, owner: u8, times: usize) {
        for _ in 0..times {
            ring.push(Audience::Owner(UserId::from_bytes([owner; 16])), &HubEvent::Reset);
        }
    }

    fn number(found: &Result<Piece, Position>) -> Option<u64> {
        found.as_ref().ok().map(|piece| piece.position.0)
    }

    #[test]
    fn a_reader_gets_what_it_may_see_in_order() {
        let ring = Ring::new();
        push(&ring, 1, 1);
        push(&ring, 2, 2);
        push(&ring, 1, 1);
        assert_eq!(number(&ring.after(Position(0), &user(1))), Some(1));
        assert_eq!(number(&ring.after(Position(1), &user(1))), Some(4));
        assert_eq!(ring.after(Position(1), &user(3)).unwrap_err(), Position(4));
        let admin = Principal::full(UserId::from_bytes([9; 16]), Role::Admin);
        assert_eq!(number(&ring.after(Position(1), &admin)), Some(2));
    }

    #[test]
    fn a_reader_that_missed_something_gets_a_reset_and_goes_on_from_there() {
        let ring = Ring::new();
        push(&ring, 1, MOST_ENTRIES + 5);
        let lost = ring.after(Position(4), &user(1)).unwrap();
        assert_eq!((lost.name, lost.position.0), ("reset", MOST_ENTRIES as u64 + 5));
        assert_eq!(number(&ring.after(Position(5), &user(1))), Some(6));
        ring.push(Audience::All, &HubEvent::Reset);
        let last = MOST_ENTRIES as u64 + 6;
        assert_eq!(ring.after(Position(last - 2), &user(1)).unwrap().name, "reset");
        assert_eq!(number(&ring.after(Position(last - 1), &user(3))), Some(last));
    }

    #[test]
    fn ids_of_another_run_are_not_ours() {
        let ring = Ring::new();
        assert_eq!(ring.parse(&ring.id_of(Position(7))), Some(Position(7)));
        let other = format!("{:08x}-7", ring.boot.wrapping_add(1));
        for id in [other.as_str(), "", "7", "zz-7", "00000000-", "-1"] {
            assert_eq!(ring.parse(id), None, "{id}");
        }
    }

    #[test]
    fn the_bytes_are_bounded() {
        let ring = Ring::new();
        let big = HubEvent::TaskState {
            task: serde_json::from_value(serde_json::json!({
                "id": "", "session": "", "by": "", "state": "queued",
                "command": ["x".repeat(1 << 20)], "attempt": 0,
                "output": {"stdout_bytes": 0, "stderr_bytes": 0, "dropped_bytes": 0},
                "created_at": ""
            }))
            .unwrap(),
        };
        for _ in 0..10 {
            ring.push(Audience::Owner(UserId::from_bytes([1; 16])), &big);
        }
        let state = ring.lock();
        assert!(state.entries.len() == 3 && state.bytes <= MOST_BYTES);
    }
}
