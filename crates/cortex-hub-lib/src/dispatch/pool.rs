//! Who wakes the scheduler: bells, and the two loops that they wake.
//!
//! One loop plans (`pass`), the other stores what was decided (`grant`), so that the next plan does
//! not wait for the disk and what is decided meanwhile goes into one commit. Both coalesce: however
//! often a bell rings while a loop works, it goes around once more.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use cortex_core::account::Principal;
use cortex_core::id::NodeId;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::id::UserId;
use cortex_core::placement::Shares;
use cortex_core::session::Session;
use cortex_core::timestamp::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Dispatch;
use super::queue::Need;
use crate::clock;

/// A pass that costs less is followed by the next at once: what happens during a commit comes
/// together anyway.
const CHEAP: Duration = Duration::from_micros(300);

/// After another one, so many times its cost is waited: planning never takes more than a quarter of
/// a core.
const REST: u32 = 3;

/// How often the clock alone makes a pass.
const SELDOM: Duration = Duration::from_millis(10);

/// How long a node may think about an offer.
pub(super) const OFFER_LIFE: Duration = Duration::from_secs(1);

/// How long a node that let an offer pass gets no more of them.
pub(super) const DEAF_FOR: Duration = Duration::from_secs(5);

/// Sessions and users that are kept at hand.
const MOST_KNOWN: usize = 4_096;

/// What the loops share with those who wake them.
#[derive(Debug, Default)]
pub(super) struct Pool {
    bell: Notify,
    /// A pass is due: who has a free slot for somebody new cannot know who has a better claim.
    due: AtomicBool,
    grants: Notify,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Tasks whose seat is claimed, and waits to be stored.
    granted: Vec<TaskId>,
    /// Nodes that let an offer pass, and until when they get none.
    deaf: HashMap<NodeId, Instant>,
    /// Since when no node is there that could take the tasks of a line.
    absent: HashMap<Arc<Need>, Timestamp>,
    /// Nodes whose tasks are cancelled at a time, and for whom.
    drains: HashMap<NodeId, (Timestamp, UserId)>,
    sessions: HashMap<SessionId, Arc<Session>>,
    users: HashMap<UserId, Principal>,
}

impl Pool {
    /// A plan may come to something new.
    pub(super) fn ring(&self) {
        self.due.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    /// Whether something has happened that no plan knows yet.
    pub(super) fn is_due(&self) -> bool {
        self.due.load(Ordering::Acquire)
    }

    /// These seats are claimed: they are to be stored.
    pub(super) fn grant(&self, tasks: impl IntoIterator<Item = TaskId>) {
        let mut state = self.lock();
        state.granted.extend(tasks);
        if !state.granted.is_empty() {
            self.grants.notify_one();
        }
    }

    pub(super) fn take_granted(&self) -> Vec<TaskId> {
        std::mem::take(&mut self.lock().granted)
    }

    /// A node let an offer pass.
    pub(super) fn note_deaf(&self, node: NodeId, now: Instant) {
        self.lock().deaf.insert(node, now + DEAF_FOR);
    }

    /// A node is back, or says something: it is asked again.
    pub(super) fn note_hearing(&self, node: NodeId) {
        self.lock().deaf.remove(&node);
    }

    /// The nodes that get no offers at `now`.
    pub(super) fn deaf(&self, now: Instant) -> Vec<NodeId> {
        let mut state = self.lock();
        state.deaf.retain(|_, until| *until > now);
        state.deaf.keys().copied().collect()
    }

    /// For how long nobody is there that could take a line's tasks; `is_absent` says how it is now.
    pub(super) fn absence(&self, need: &Arc<Need>, is_absent: bool, now: Timestamp) -> Duration {
        let mut state = self.lock();
        if !is_absent {
            state.absent.remove(need);
            return Duration::ZERO;
        }
        now.since(*state.absent.entry(Arc::clone(need)).or_insert(now))
    }

    /// Forgets the absences of lines that are no more.
    pub(super) fn keep_absences(&self, of: &[Arc<Need>]) {
        self.lock().absent.retain(|need, _| of.contains(need));
    }

    /// What a node still has at `at` is cancelled for a user; or not, where there is no time.
    pub(super) fn drain(&self, node: NodeId, until: Option<(Timestamp, UserId)>) {
        let mut state = self.lock();
        match until {
            Some(until) => drop(state.drains.insert(node, until)),
            None => drop(state.drains.remove(&node)),
        }
    }

    /// The nodes whose time is over.
    pub(super) fn take_drained(&self, now: Timestamp) -> Vec<(NodeId, UserId)> {
        let over = |_: &NodeId, (until, _): &mut (Timestamp, UserId)| *until <= now;
        self.lock().drains.extract_if(over).map(|(node, (_, by))| (node, by)).collect()
    }

    pub(super) fn session(&self, id: SessionId) -> Option<Arc<Session>> {
        self.lock().sessions.get(&id).cloned()
    }

    pub(super) fn keep_session(&self, session: &Arc<Session>) {
        let mut state = self.lock();
        if state.sessions.len() >= MOST_KNOWN {
            state.sessions.clear();
        }
        state.sessions.insert(session.id, Arc::clone(session));
    }

    pub(super) fn user(&self, id: UserId) -> Option<Principal> {
        self.lock().users.get(&id).cloned()
    }

    pub(super) fn keep_user(&self, user: &Principal) {
        let mut state = self.lock();
        if state.users.len() >= MOST_KNOWN {
            state.users.clear();
        }
        state.users.insert(user.user, user.clone());
    }

    /// What is at hand of sessions and users may be old.
    pub(super) fn forget_known(&self) {
        let mut state = self.lock();
        state.sessions.clear();
        state.users.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dispatch {
    /// Plans and grants until `ending`.
    pub(crate) async fn run_pool(&self, ending: CancellationToken) {
        let work = async { tokio::join!(self.run_passes(), self.run_grants()) };
        tokio::select! {
            () = ending.cancelled() => {}
            _ = Box::pin(work) => {}
        }
    }

    async fn run_passes(&self) {
        let mut shares = Shares::default();
        let mut last = Instant::now();
        loop {
            // What is due and cannot be done now, as when the disk is full, is not tried all the time.
            let due = self.next_due().map(|due| due.max(last + SELDOM));
            tokio::select! {
                () = self.pool.bell.notified() => {}
                () = sleep_until(due) => {}
            }
            let begun = Instant::now();
            self.pool.due.store(false, Ordering::Release);
            self.pass(&mut shares).await;
            last = Instant::now();
            let cost = last - begun;
            match cost < CHEAP {
                true => tokio::task::yield_now().await,
                false => tokio::time::sleep(cost * REST).await,
            }
        }
    }

    async fn run_grants(&self) {
        loop {
            self.pool.grants.notified().await;
            self.grant_claimed().await;
        }
    }

    /// When an offer or a deadline runs out next.
    fn next_due(&self) -> Option<Instant> {
        let (offer, deadline) =
            self.open.queue(|queue| (queue.oldest_offer(), queue.next_deadline()));
        let offer = offer.map(|at| at + OFFER_LIFE);
        let deadline = deadline.map(|at| Instant::now() + at.since(clock::now()));
        offer.into_iter().chain(deadline).min()
    }

    /// Something has happened by which a task that waits may get a node.
    pub(crate) fn ring(&self) {
        if self.open.queue(|queue| queue.has_lines()) {
            self.pool.ring();
        }
    }

    /// Sessions or users have changed.
    pub(crate) fn rules_changed(&self) {
        self.pool.forget_known();
        self.ring();
    }

    /// What is known of a node has changed; one that takes no more tasks is offered none.
    pub(crate) fn node_changed(&self, node: NodeId) {
        self.pool.note_hearing(node);
        let link = self.links.get(node);
        let takes =
            |link: &Arc<crate::link::Link>| link.is_live(clock::now()) && !link.node().cordoned;
        if link.as_ref().is_some_and(|link| !link.node().cordoned) {
            self.pool.drain(node, None);
        }
        if !link.as_ref().is_some_and(takes) {
            self.withdraw_offers(node);
        }
        self.ring();
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
