//! Sessions and tasks as they were committed last, for those who look them up again and again.
//!
//! The writer puts in what it has committed, before anybody is told of it. What is not here is in
//! the database.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::session::Session;
use cortex_core::task::Task;

/// Sessions that are kept; more are forgotten together.
const SESSIONS: usize = 8 * 1024;

/// Ended tasks that are kept.
const ENDED: usize = 1024;

/// Open and ended tasks that are kept; more are forgotten together.
const TASKS: usize = 64 * 1024;

/// Sessions and tasks, each newer than or the same as in the database.
#[derive(Debug, Default)]
pub(super) struct Recent {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<SessionId, Arc<Session>>,
    tasks: HashMap<TaskId, Arc<Task>>,
    /// Ended tasks, in the order of their ends.
    ended: VecDeque<TaskId>,
}

impl Recent {
    /// Takes what was committed, in the order of the commits.
    pub(super) fn publish<'a>(
        &self,
        sessions: impl Iterator<Item = &'a Arc<Session>>,
        tasks: impl Iterator<Item = &'a Arc<Task>>,
    ) {
        let mut state = self.lock();
        for session in sessions {
            state.put_session(session);
        }
        for task in tasks {
            state.put_task(task);
        }
    }

    /// A session, if it is here.
    pub(super) fn session(&self, id: SessionId) -> Option<Arc<Session>> {
        self.lock().sessions.get(&id).cloned()
    }

    /// A task, if it is here.
    pub(super) fn task(&self, id: TaskId) -> Option<Arc<Task>> {
        self.lock().tasks.get(&id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here is needed: what is missing is read from the database.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put_session(&mut self, session: &Arc<Session>) {
        if self.sessions.len() >= SESSIONS {
            self.sessions.clear();
        }
        self.sessions.insert(session.id, Arc::clone(session));
    }

    fn put_task(&mut self, task: &Arc<Task>) {
        if self.tasks.len() >= TASKS {
            self.tasks.clear();
            self.ended.clear();
        }
        self.tasks.insert(task.id, Arc::clone(task));
        if task.state.is_end() {
            self.ended.push_back(task.id);
        }
        if self.ended.len() > ENDED {
            let oldest = self.ended.pop_front();
            oldest.and_then(|id| self.tasks.remove(&id));
        }
    }
}

#[cfg(test)]
mod tests {
    use cortex_core::id::UserId;
    use cortex_core::task::State as Life;
    use cortex_core::task::TaskSpec;
    use cortex_core::timestamp::Timestamp;

    use super::*;

    fn task(number: u32, state: Life) -> Arc<Task> {
        let id = TaskId::from_bytes(u128::from(number).to_be_bytes());
        let (session, by) = (SessionId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let spec = Arc::new(TaskSpec::argv(["true"]));
        let task = Task::submitted(id, session, by, spec, Timestamp::from_millis(0));
        Arc::new(Task { state, ..task })
    }

    #[test]
    fn open_tasks_stay_and_the_first_to_end_goes_first() {
        let recent = Recent::default();
        let publish = |task: &Arc<Task>| recent.publish(std::iter::empty(), [task].into_iter());
        let open = task(1, Life::Running);
        publish(&open);
        for number in 2..3_000 {
            publish(&task(number, Life::Queued));
            publish(&task(number, Life::Succeeded));
        }
        assert_eq!(recent.task(open.id), Some(open));
        assert_eq!(recent.task(task(2, Life::Queued).id), None);
        let last = task(2_999, Life::Succeeded);
        assert_eq!(recent.task(last.id), Some(last));
        assert!(recent.lock().tasks.len() <= ENDED + 1);
    }
}
