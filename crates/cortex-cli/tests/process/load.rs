//! Clients that keep a hub busy, whatever becomes of it, and remember what they were told.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use cortex_core::id::TaskId;
use cortex_core::task::State;
use serde_json::json;

use crate::history::Told;
use crate::http::Answer;
use crate::http::Api;
use crate::random::Random;
use crate::rig::pause;
use crate::script::Script;

/// Tasks that one client has under way.
const IN_FLIGHT: usize = 4;

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) api: Api,
    /// In the names of its tasks.
    pub(crate) name: String,
    pub(crate) session: String,
    /// A file on the nodes, in which each program notes its start.
    pub(crate) canary: String,
    pub(crate) random: Random,
}

impl Client {
    /// Sends tasks and waits for them until `stop` is set and all of them have ended.
    pub(crate) fn work(mut self, stop: &AtomicBool) -> BTreeMap<TaskId, Told> {
        let mut told = BTreeMap::new();
        let mut open = VecDeque::new();
        let mut count = 0;
        while !(stop.load(Ordering::Relaxed) && open.is_empty()) {
            if open.len() < IN_FLIGHT && !stop.load(Ordering::Relaxed) {
                count += 1;
                let script = self.script(count);
                let id = self.submit(&script);
                assert!(told.insert(id, Told { script, ends: Vec::new() }).is_none(), "{id} again");
                open.push_back(id);
                if self.random.once_in(20) {
                    self.cancel(id);
                }
                continue;
            }
            let Some(id) = open.pop_front() else { continue };
            match self.look(id, 1) {
                Some(end) => told.entry(id).and_modify(|told| told.ends.push(end)).key(),
                None => {
                    open.push_back(id);
                    continue;
                }
            };
            // What has ended once has ended in the same way at every other time.
            let before = told.keys().nth(self.random.index(told.len())).copied();
            if let Some((id, end)) = before.and_then(|id| Some((id, self.look(id, 0)?))) {
                told.entry(id).and_modify(|told| told.ends.push(end));
            }
        }
        told
    }

    fn script(&mut self, count: u64) -> Script {
        let key = format!("{}-{count}", self.name);
        let (lines, pause) = match self.random.below(16) {
            0 => (8_000, 0),
            1 | 2 => (8, 2),
            3 => (0, 0),
            _ => (1 + self.random.below(20), 0),
        };
        let code = if self.random.once_in(10) { 7 } else { 0 };
        Script { key, lines, pause, code }
    }

    /// Sends a task until it is acknowledged, always under the same key.
    fn submit(&mut self, script: &Script) -> TaskId {
        let path = format!("/api/sessions/{}/dispatch", self.session);
        let body = json!({
            "argv": script.argv(&self.canary), "any": true, "queue": true, "grace_ms": 500,
        });
        let answer = self.insist(|api| api.post(&path, Some(&script.key), &body));
        assert_eq!(answer.status, 202, "{}", answer.json());
        answer.json()["id"].as_str().and_then(|id| id.parse().ok()).expect("a task's id")
    }

    /// The end of a task, if it has one within so many seconds.
    fn look(&mut self, id: TaskId, wait: u32) -> Option<State> {
        let path = format!("/api/tasks/{id}?wait={wait}");
        let answer = self.insist(|api| api.get(&path));
        assert_eq!(answer.status, 200, "{id} was acknowledged: {}", answer.json());
        let state: State = serde_json::from_value(answer.json()["state"].take()).expect("a state");
        state.is_end().then_some(state)
    }

    fn cancel(&mut self, id: TaskId) {
        let path = format!("/api/tasks/{id}/cancel");
        let answer = self.insist(|api| api.post(&path, None, &json!({})));
        // It may have ended before.
        let is_late = answer.status == 409 || answer.json()["code"] == "task_ended";
        assert!(answer.status == 200 || is_late, "{}", answer.json());
    }

    /// Asks until the hub is there and has an answer that is not "later".
    fn insist(&self, ask: impl Fn(&Api) -> std::io::Result<Answer>) -> Answer {
        loop {
            match ask(&self.api) {
                Ok(answer) if !answer.is_passing() => return answer,
                _ => pause(),
            }
        }
    }
}
