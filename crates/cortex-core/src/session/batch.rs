//! What an append does; pure, so that every backend does the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Appended;
use super::Entry;
use super::Happening;
use super::Seq;
use super::Session;
use super::refusal;
use crate::error::Result;
use crate::id::SessionId;
use crate::id::TaskId;
use crate::task::Task;
use crate::task::TaskEvent;
use crate::timestamp::Timestamp;

/// Entries that are to be appended to a session's log, all or none.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Where the log must end for the batch to take effect; anywhere if absent.
    pub after: Option<Seq>,
    /// What happens, in order.
    pub what: Vec<Happening>,
    /// When.
    pub now: Timestamp,
}

/// What a [`Batch`] comes to: all that a backend has to store.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// The session as it then is; `None` where nothing in it changed.
    pub session: Option<Session>,
    /// The entries, with all their data, and the tasks as they then are, each once, in the order
    /// in which the batch first names them.
    pub appended: Appended,
    /// The number of the last entry.
    pub head: Seq,
}

impl Batch {
    /// The tasks that the batch names, so that a backend can load them before it applies it.
    #[must_use]
    pub fn named_tasks(&self) -> BTreeSet<TaskId> {
        let task = |what: &Happening| match what {
            Happening::Task { task, .. } => Some(*task),
            _ => None,
        };
        self.what.iter().filter_map(task).collect()
    }

    /// Applies the batch to copies and returns them; every backend calls this and stores the
    /// result in one transaction.
    ///
    /// `head` is where the session's log ends now. `find` returns a stored task of any session.
    ///
    /// # Errors
    /// `Invalid`: an output's data has another length than its event says, or another event has
    /// data. The others are those of [`SessionStore::append`](super::SessionStore::append), with
    /// the codes that [`refusal`] lists.
    pub fn apply(
        self,
        session: &Session,
        head: Seq,
        find: impl Fn(TaskId) -> Option<Arc<Task>>,
    ) -> Result<Moved> {
        self.check()?;
        if let Some(after) = self.after.filter(|after| *after != head) {
            return Err(refusal::log_moved(after, head));
        }
        let now = self.now;
        let mut then = session.clone();
        let mut tasks = Vec::<Task>::new();
        let mut entries = Vec::with_capacity(self.what.len());
        for what in self.what {
            then.apply(&what, now)?;
            if let Happening::Task { task, event, .. } = &what {
                move_task(&mut tasks, *task, session.id, event, &find, now)?;
            }
            let seq = head.plus(entries.len() + 1);
            entries.push(Arc::new(Entry { seq, at: now, what }));
        }
        Ok(Moved {
            session: (then != *session).then_some(then),
            head: head.plus(entries.len()),
            appended: Appended { entries, tasks: tasks.into_iter().map(Arc::new).collect() },
        })
    }

    fn check(&self) -> Result<()> {
        for what in &self.what {
            let Happening::Task { event, data, .. } = what else {
                continue;
            };
            let said = match event {
                TaskEvent::Output { len, .. } => *len,
                _ => 0,
            };
            if data.len() as u64 != u64::from(said) {
                return Err(refusal::wrong_length(said, data.len()));
            }
        }
        Ok(())
    }
}

fn move_task(
    moved: &mut Vec<Task>,
    id: TaskId,
    session: SessionId,
    event: &TaskEvent,
    find: &impl Fn(TaskId) -> Option<Arc<Task>>,
    now: Timestamp,
) -> Result<()> {
    // A batch names few tasks, so a search beats an index.
    let at = moved.iter().position(|task| task.id == id);
    if let TaskEvent::Submitted { by, spec } = event {
        if at.is_some() || find(id).is_some() {
            return Err(refusal::task_exists(id));
        }
        moved.push(Task::submitted(id, session, *by, Arc::clone(spec), now));
        return Ok(());
    }
    if let Some(at) = at {
        return Ok(moved[at].apply(event, now)?);
    }
    let stored = find(id).filter(|task| task.session == session);
    let mut task = Task::clone(&*stored.ok_or_else(|| refusal::task_not_found(id))?);
    task.apply(event, now)?;
    moved.push(task);
    Ok(())
}

#[cfg(test)]
mod tests;
