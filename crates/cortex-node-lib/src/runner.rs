//! Runs what the hub asks for: verifies, writes down, runs, reports.
//!
//! The order is fixed: nothing is decoded before it is verified, nothing starts before it is
//! written down, and an attempt that is known is never started again. Attempts run on whether or
//! not the node is connected; their reports wait in the outbox.

mod attempt;
mod authority;
mod claims;
mod console;
mod drain;
mod guard;
mod input;
mod journal;
mod leftover;
mod measure;
mod place;
mod publish;
mod redact;
mod witness;
mod workdir;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::SystemTime;

use cortex_core::Result;
use cortex_core::bundle::Bundle;
use cortex_core::receipt::Output;
use cortex_core::skill::StopReason;
use cortex_core::task::Input;
use cortex_core::task::Outcome;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::identity::Identity;
use crate::sandbox::Sandbox;
use crate::skills::Skills;
use crate::uplink::Admission;
use crate::uplink::AttemptKey;
use crate::uplink::ControlAct;
use crate::uplink::ControlOrder;
use crate::uplink::Downlink;
use crate::uplink::Outbox;
use crate::uplink::Sealed;

pub(crate) use authority::Authority;
pub(crate) use drain::Drained;
pub(crate) use guard::is_removal;
pub use measure::journal_times;

use attempt::Attempt;
use attempt::Stop;
use claims::Claims;
use drain::ask_to_stop;
use drain::drained;
use guard::Guard;
use guard::Order;
use guard::Ruling;
use input::InputQueue;
use input::Offer;
use journal::Journal;
use journal::Recovered;
use place::Place;
use witness::Mandate;
use witness::Witness;

/// How many messages are taken at once.
const TAKEN_AT_ONCE: usize = 64;

/// After so many of them, what they start is written down while the rest is verified.
const WRITTEN_AT_ONCE: usize = 8;

/// How many attempts may wait for one of the places to run; more are rejected.
const MOST_WAITING: usize = 1024;

/// How often the journal is told what was acknowledged, where nothing else makes it write.
const TIDY_EVERY: Duration = Duration::from_millis(500);

/// What attempts need to run; shared by all of them.
#[derive(Debug)]
struct Floor {
    outbox: Arc<Outbox>,
    skills: Skills,
    journal: Journal,
    witness: Witness,
    running: Arc<AtomicU32>,
    /// Last, so that it is dropped last.
    identity: Identity,
}

/// The node's working part.
#[derive(Debug)]
pub(crate) struct Runner {
    guard: Guard,
    /// Shows the newest bundle that survives a crash.
    trusted: watch::Sender<Option<Arc<Bundle>>>,
    sandbox: Sandbox,
    floor: Arc<Floor>,
    attempts: HashMap<AttemptKey, Handle>,
    tasks: JoinSet<AttemptKey>,
    places: Arc<Semaphore>,
    claims: Claims,
    most: usize,
    leaving: bool,
    /// The hub has removed the node, and said so with its signature.
    removed: bool,
}

/// The runner's hold on an attempt that has not ended.
#[derive(Debug)]
struct Handle {
    stop: watch::Sender<Option<StopReason>>,
    input: Arc<InputQueue>,
}

impl Runner {
    /// Opens the journal beside the identity, and reports what an earlier run left unfinished.
    ///
    /// The identity, and with it the lock on the data directory, is held until the last attempt
    /// and the journal are gone.
    ///
    /// Processes that the earlier run left behind are killed.
    ///
    /// # Errors
    /// `Denied`: the journal cannot be read or written. `Precondition`: it is of a newer version.
    pub(crate) fn open(
        identity: Identity,
        authority: Authority,
        sandbox: Sandbox,
        skills: Skills,
        outbox: Arc<Outbox>,
        max_tasks: u32,
    ) -> Result<Self> {
        let (journal, recovered) = Journal::open(identity.dir())?;
        workdir::remove_leftovers(identity.dir());
        let witness = Witness::new(authority.hub, authority.node, identity.key());
        leftover::end(&recovered);
        for Recovered { key, entry } in recovered {
            let (outcome, output) = leftover::outcome(&entry);
            tracing::warn!(task = %key.task, attempt = key.attempt, outcome = outcome.summary(),
                "an attempt of an earlier run");
            let receipt = witness.attest(key, entry.mandate, &outcome, output);
            outbox.restore(key, outcome, receipt);
        }
        let places = usize::try_from(max_tasks).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let running = Arc::new(AtomicU32::new(0));
        let floor = Floor { outbox, skills, journal, witness, running, identity };
        Ok(Self {
            trusted: watch::Sender::new(authority.bundle.clone()),
            guard: Guard::new(authority),
            sandbox,
            floor: Arc::new(floor),
            attempts: HashMap::new(),
            tasks: JoinSet::new(),
            places: Arc::new(Semaphore::new(places)),
            claims: Claims::default(),
            most: places.saturating_add(MOST_WAITING),
            leaving: false,
            removed: false,
        })
    }

    /// Counts the attempts that run now.
    #[must_use]
    pub(crate) fn running(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.floor.running)
    }

    /// The newest bundle: whom the node trusts, now and after each change.
    #[must_use]
    pub(crate) fn trusted(&self) -> watch::Receiver<Option<Arc<Bundle>>> {
        self.trusted.subscribe()
    }

    /// Obeys what comes down until `drain` is set, then lets what runs end.
    ///
    /// While draining, nothing new starts; what still runs after the time in `drain` is stopped.
    pub(crate) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Downlink>,
        mut drain: watch::Receiver<Option<Duration>>,
    ) -> Drained {
        let mut taken = Vec::with_capacity(TAKEN_AT_ONCE);
        let mut tidy = tokio::time::interval(TIDY_EVERY);
        tidy.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let limit = loop {
            tokio::select! {
                biased;
                count = inbox.recv_many(&mut taken, TAKEN_AT_ONCE) => {
                    if count == 0 {
                        // Nobody sends any more: the uplink is gone.
                        break Duration::ZERO;
                    }
                    self.take(&mut taken);
                    if self.removed {
                        break Duration::ZERO;
                    }
                }
                Some(done) = self.tasks.join_next() => {
                    self.finish(done);
                    self.claim();
                }
                limit = drained(&mut drain) => break limit,
                _ = tidy.tick() => self.tidy(),
            }
        };
        self.leaving = true;
        self.drain(&mut inbox, limit).await;
        Drained { runner: self, inbox }
    }

    fn take(&mut self, taken: &mut Vec<Downlink>) {
        for (count, downlink) in taken.drain(..).enumerate() {
            if count % WRITTEN_AT_ONCE == WRITTEN_AT_ONCE - 1 {
                // The first are on their way to the disk while the others are verified.
                self.floor.journal.commit();
            }
            match downlink {
                Downlink::Apart(sealed) => {
                    let ruling = self.guard.judge_apart(sealed, now());
                    self.obey(ruling);
                }
                Downlink::Trust { bundle, taken } => {
                    // Who no longer waits has lost the stream again.
                    let _ = taken.send(self.trust(&bundle));
                }
                Downlink::Opened { epoch, taken } => {
                    self.guard.opened(epoch);
                    self.claims.reset();
                    // Who no longer waits has lost the stream again.
                    let _ = taken.send(());
                }
                Downlink::Signed(sealed) => self.receive(sealed),
                Downlink::Pool(offers) => self.claims.change(offers.offered, &offers.withdrawn),
            }
        }
        while let Some(done) = self.tasks.try_join_next() {
            self.finish(done);
        }
        self.note_settled();
        self.floor.journal.commit();
        self.claim();
    }

    fn receive(&mut self, sealed: Sealed) {
        let ruling = self.guard.judge(sealed, now());
        self.obey(ruling);
    }

    fn obey(&mut self, ruling: Ruling) {
        match ruling {
            Ruling::Obey(Order::Run { key, mandate, order, epoch, sequence }) => {
                self.claims.came(key.task);
                if !self.admit(key) {
                    return;
                }
                if let Some(rule) = self.unwilling() {
                    let (rule, reason) = (rule.0.to_owned(), rule.1.to_owned());
                    self.reject(key, mandate, rule, reason);
                    return;
                }
                let written = self.floor.journal.accept(key, epoch, sequence, mandate);
                let (stop, stopped) = watch::channel(None);
                let input = Arc::<InputQueue>::default();
                self.attempts.insert(key, Handle { stop, input: Arc::clone(&input) });
                let place = Place::reserve(&self.places);
                let stop = Stop::new(stopped);
                let attempt = Attempt { key, mandate, order: *order, stop, input, place };
                let floor = Arc::clone(&self.floor);
                self.tasks.spawn(async move {
                    attempt.run(&floor, written).await;
                    key
                });
            }
            Ruling::Obey(Order::Cancel { key, reason }) => match self.attempts.get(&key) {
                Some(handle) => {
                    tracing::info!(task = %key.task, reason, "cancel");
                    ask_to_stop(&handle.stop, StopReason::Cancel);
                }
                None => self.floor.outbox.repeat(key),
            },
            Ruling::Obey(Order::Input { key, number, input }) => self.pass_on(key, number, input),
            Ruling::Obey(Order::Adopt(policy)) => self.sandbox.adopt(policy),
            Ruling::Obey(Order::Trust(bundle)) => {
                self.trust(&bundle);
            }
            Ruling::Obey(Order::Control(order)) => self.obey_control(&order),
            Ruling::Reject { key, mandate, rule, reason } => {
                self.claims.came(key.task);
                tracing::warn!(task = %key.task, rule, reason, "rejected");
                if self.admit(key) {
                    self.reject(key, mandate, rule, reason);
                }
            }
            Ruling::Ignore => {}
        }
    }

    /// Puts an input before its attempt. What comes for one that has ended is of no use any more.
    fn pass_on(&self, key: AttemptKey, number: u64, input: Input) {
        let Some(handle) = self.attempts.get(&key) else { return };
        match handle.input.offer(number, input) {
            Offer::Taken => {}
            // It was a signal, or its acknowledgement was lost with an earlier stream.
            Offer::Given(number) => self.floor.outbox.input_known(key, number),
            Offer::Full => {
                tracing::warn!(task = %key.task, "the hub sends more input than was agreed");
            }
        }
    }

    /// Ends everything at once; of a node that was removed, nothing is left after that.
    fn obey_control(&mut self, order: &ControlOrder) {
        tracing::warn!(act = ?order.act, reason = order.reason, "the hub ends this node's work");
        for handle in self.attempts.values() {
            ask_to_stop(&handle.stop, StopReason::Revoked);
        }
        self.removed |= order.act == ControlAct::Deregister;
    }

    fn reject(&self, key: AttemptKey, mandate: Mandate, rule: String, reason: String) {
        let outcome = Outcome::Rejected { rule, reason };
        let receipt = self.floor.witness.attest(key, mandate, &outcome, Output::none());
        self.floor.outbox.ended(key, outcome, receipt);
    }

    /// Begins to keep an attempt's reports; one that is known repeats those it has.
    fn admit(&self, key: AttemptKey) -> bool {
        match self.floor.outbox.admit(key) {
            Admission::New => true,
            Admission::Known => {
                tracing::debug!(task = %key.task, attempt = key.attempt, "known already");
                self.floor.outbox.repeat(key);
                false
            }
            Admission::Full => {
                // Not listed at the next stream, it comes again.
                tracing::error!(task = %key.task, "the hub acknowledges nothing; a task is dropped");
                false
            }
        }
    }

    /// Why nothing new is taken, as the rule and the reason of a rejection.
    fn unwilling(&self) -> Option<(&'static str, &'static str)> {
        if self.leaving {
            return Some(("NODE_LEAVING", "the node is shutting down"));
        }
        let is_full = self.attempts.len() >= self.most;
        is_full.then_some(("QUEUE_FULL", "too many tasks wait on this node"))
    }

    fn finish(&mut self, done: Result<AttemptKey, tokio::task::JoinError>) {
        match done {
            Ok(key) => {
                self.attempts.remove(&key);
            }
            // Panics of skills are caught within the attempt: this is a defect of ours.
            Err(error) => tracing::error!(%error, "an attempt's task broke"),
        }
    }

    fn note_settled(&self) {
        for key in self.floor.outbox.take_settled() {
            self.floor.journal.settled(key);
        }
    }

    fn tidy(&self) {
        self.note_settled();
        self.floor.journal.commit();
    }
}

impl Floor {
    fn count(&self, up: bool) {
        if up {
            self.running.fetch_add(1, Ordering::Relaxed);
        } else {
            self.running.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn now() -> cortex_core::timestamp::Timestamp {
    SystemTime::now().into()
}

#[cfg(test)]
mod tests;
