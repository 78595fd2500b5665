//! From a task's submission to its stored end: stored first, sent second, told third.
//!
//! The store holds the truth; here is what is open, so that reports find their task without a
//! read. Every decision is a pure function (`settle`, `reconcile`, `placement`); what it decides is
//! appended to the session's log, and only what was stored is acknowledged or told.

mod access;
mod cancel;
mod files;
mod grant;
mod input;
mod open;
mod pass;
mod pool;
mod pulse;
mod queue;
mod reconcile;
mod review;
mod settle;
mod skill_input;
mod standing;
mod submit;
mod sweep;

use std::sync::Arc;

use bytes::Bytes;
use cortex_core::Result;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::id::UserId;
use cortex_core::registry::NodeRegistry;
use cortex_core::session::Appended;
use cortex_core::session::Happening;
use cortex_core::session::SessionStore;
use cortex_core::session::TaskFilter;
use cortex_core::task::State;
use cortex_core::task::Stream;
use cortex_core::task::Task;
use cortex_core::task::TaskEvent;
use cortex_core::timestamp::Timestamp;

pub(crate) use pulse::Beats;
pub(crate) use submit::Submission;

use crate::accounts::Accounts;
use crate::clock;
use crate::config::Limits;
use crate::dispatch::input::Inputs;
use crate::dispatch::open::Open;
use crate::dispatch::pool::Pool;
use crate::dispatch::pulse::Pulse;
use crate::feed::Change;
use crate::feed::Feed;
use crate::feed::TaskTopic;
use crate::link::Table;
use crate::metrics::Metrics;

/// Moves tasks through their lives.
#[derive(Debug)]
pub(crate) struct Dispatch {
    hub: HubId,
    store: Arc<dyn SessionStore>,
    registry: Arc<dyn NodeRegistry>,
    accounts: Accounts,
    links: Arc<Table>,
    feed: Arc<Feed>,
    metrics: Metrics,
    limits: Limits,
    open: Open,
    inputs: Inputs,
    pool: Pool,
    pulse: Pulse,
}

impl Dispatch {
    /// Rebuilds what is open from the store; nodes get the restart's grace to come back.
    #[expect(clippy::too_many_arguments, reason = "all that it stands on, put together once")]
    pub(crate) async fn load(
        hub: HubId,
        store: Arc<dyn SessionStore>,
        registry: Arc<dyn NodeRegistry>,
        accounts: Accounts,
        links: Arc<Table>,
        feed: Arc<Feed>,
        metrics: Metrics,
        limits: Limits,
    ) -> Result<Self> {
        let open = Open::default();
        let (inputs, pool, pulse) = (Inputs::default(), Pool::default(), Pulse::default());
        let dispatch = Self {
            hub,
            store,
            registry,
            accounts,
            links,
            feed,
            metrics,
            limits,
            open,
            inputs,
            pool,
            pulse,
        };
        let deadline = clock::now() + dispatch.limits.restart_grace();
        for task in dispatch.store.tasks(TaskFilter::open()).await? {
            if let Some(node) = task.node {
                dispatch.open.await_node(node, deadline);
            }
            dispatch.open.insert(&task);
        }
        dispatch.count_open();
        Ok(dispatch)
    }

    /// The topic of a task that has not ended.
    pub(crate) fn topic(&self, task: TaskId) -> Option<Arc<TaskTopic>> {
        self.open.topic(task)
    }

    /// Stored output from `offset` on, if it is in memory.
    pub(crate) fn recent_output(&self, id: TaskId, stream: Stream, offset: u64) -> Option<Bytes> {
        self.open.output(id, stream, offset)
    }

    /// How many slots of a node are taken: by tasks that it has, and by those that are on their way.
    pub(crate) fn load_of(&self, node: NodeId) -> u32 {
        self.open.load_of(node)
    }

    /// How many tasks wait for a node.
    pub(crate) fn queued(&self) -> usize {
        self.open.queue(|queue| queue.len())
    }

    /// All tasks that have not ended.
    pub(crate) fn open_tasks(&self) -> Vec<Arc<Task>> {
        self.open.all()
    }

    /// What happened in the last `span` seconds to a user's tasks, or to all.
    pub(crate) fn beats(&self, of: Option<UserId>, span: usize, now: Timestamp) -> Beats {
        self.pulse.sum(of, span, now)
    }

    /// The node's stream ended at `now`: its tasks wait for it for the grace time.
    pub(crate) fn node_left(&self, node: NodeId, now: Timestamp) {
        self.open.await_node(node, now + self.limits.node_grace());
        self.withdraw_offers(node);
        self.ring();
    }

    /// Appends to a session's log, then updates what is open and tells the readers.
    async fn append(&self, session: SessionId, what: Vec<Happening>) -> Result<Appended> {
        let appended = self.store.append(session, None, what, clock::now()).await?;
        self.tell(session, &appended);
        Ok(appended)
    }

    /// Appends one event of one task.
    async fn append_event(&self, task: &Task, event: TaskEvent) -> Result<Option<Arc<Task>>> {
        let appended = self.append(task.session, vec![Happening::task(task.id, event)]).await?;
        Ok(appended.tasks.into_iter().next())
    }

    /// Updates what is open and tells the readers of what was stored.
    fn tell(&self, session: SessionId, appended: &Appended) {
        for entry in &appended.entries {
            if let Happening::Task { task, event, data } = &entry.what {
                self.tell_output(*task, event, data);
            }
        }
        self.pulse.note(appended, clock::now());
        self.feed.publish(session, &appended.entries);
        let mut is_freed = false;
        for task in &appended.tasks {
            self.open.update(task);
            is_freed |= task.state.is_end() || task.state == State::Queued;
            if task.state.is_end() {
                self.inputs.forget(task.id);
                self.metrics.task_ended(task);
            }
            if self.feed.is_watched() {
                self.feed.announce(Change::Task(task.clone()));
            }
        }
        if is_freed {
            self.ring();
        }
        self.count_open();
    }

    fn tell_output(&self, task: TaskId, event: &TaskEvent, data: &Bytes) {
        let TaskEvent::Output { stream, offset, .. } = event else { return };
        self.metrics.output_bytes.inc_by(data.len() as u64);
        if *stream == Stream::Files {
            // They are read when they are complete, from the store.
            return;
        }
        if let Some(topic) = self.open.topic(task) {
            topic.output(*stream, *offset, data.clone());
        }
    }

    fn count_open(&self) {
        let (open, queued) = (self.open.len(), self.queued());
        self.metrics.tasks_open.set(i64::try_from(open).unwrap_or(i64::MAX));
        self.metrics.tasks_queued.set(i64::try_from(queued).unwrap_or(i64::MAX));
    }
}
