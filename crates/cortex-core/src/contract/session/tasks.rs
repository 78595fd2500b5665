//! Cases: tasks move by their events and are listed.

use std::sync::Arc;

use super::scene::Scene;
use super::scene::assigned;
use super::scene::at;
use super::scene::ended;
use super::scene::node;
use super::scene::output;
use super::scene::started;
use super::scene::submitted;
use super::scene::task;
use super::scene::user;
use crate::contract::promise::kept;
use crate::contract::promise::refused;
use crate::contract::promise::refused_as;
use crate::contract::promise::same;
use crate::error::Kind;
use crate::session::Happening;
use crate::session::SessionStore;
use crate::task::Outcome;
use crate::task::State;
use crate::task::Stream;
use crate::task::Task;
use crate::task::TaskEvent;
use crate::task::TaskSpec;

/// A task is, after each event, what [`Task::apply`] makes of it.
pub async fn a_task_moves_by_its_events(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    let spec = Arc::new(TaskSpec::argv(["echo", "hi"]));
    let submitted = TaskEvent::Submitted { by: user(2), spec: Arc::clone(&spec) };
    let mut promised = Task::submitted(task(1), scene.id, user(2), spec, at(10));
    let stdout = |offset| TaskEvent::Output { attempt: 2, stream: Stream::Stdout, offset, len: 2 };
    let events = [
        submitted,
        TaskEvent::Assigned { attempt: 1, node: node(1) },
        TaskEvent::Returned { attempt: 1, reason: "full".to_owned() },
        TaskEvent::Assigned { attempt: 2, node: node(2) },
        TaskEvent::Started { attempt: 2, pid: Some(u32::MAX) },
        stdout(0),
        stdout(2),
        TaskEvent::Output { attempt: 2, stream: Stream::Stderr, offset: 0, len: 0 },
        TaskEvent::Truncated { attempt: 2, stream: Stream::Stdout, from: 1, dropped: 1 },
        stdout(4),
        TaskEvent::Truncated { attempt: 2, stream: Stream::Stdout, from: 2, dropped: 3 },
        TaskEvent::CancelRequested { by: Some(user(1)), reason: "enough".to_owned() },
        TaskEvent::ended(2, Outcome::Cancelled { processes: 2 }),
    ];
    for (event, seconds) in events.into_iter().zip(10..) {
        let now = at(seconds);
        if !matches!(event, TaskEvent::Submitted { .. }) {
            promised.apply(&event, now).expect("the life is a possible one");
        }
        let data = match event {
            TaskEvent::Output { len: 2, .. } => b"hi"[..].into(),
            _ => bytes::Bytes::new(),
        };
        let what = Happening::Task { task: task(1), event, data };
        let promise = format!("a task moves by {what:?}");
        let appended = kept(store.append(scene.id, None, vec![what], now).await, &promise);
        same(&appended.tasks, &vec![Arc::new(promised.clone())], &promise);
        same(&*scene.task(1).await, &promised, &promise);
    }
}

/// An attempt that was lost is followed by another where the spec allows it, and what that one puts
/// out follows what the first one did.
pub async fn a_lost_attempt_is_followed_by_another(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    let mut spec = TaskSpec::argv(["true"]);
    spec.delivery.attempts = 2;
    let submit = TaskEvent::Submitted { by: user(1), spec: Arc::new(spec) };
    scene.play(vec![Happening::task(task(1), submit), assigned(1, 1, node(1))]).await;
    scene.play(vec![started(1, 1), output(1, Stream::Stdout, 0, "first ")]).await;
    let lost = || Outcome::Interrupted { reason: "gone".to_owned() };
    let retried =
        |attempt| Happening::task(task(1), TaskEvent::Retried { attempt, outcome: lost() });
    scene.play(vec![retried(1)]).await;
    let waiting = scene.task(1).await;
    same(&waiting.node, &None, "a task that is tried again waits for a node");
    same(&(waiting.spent, waiting.before), &(1, waiting.output), "what was before is kept");
    scene.play(vec![assigned(1, 2, node(2)), started(1, 2)]).await;
    let second = |offset| Happening::Task {
        task: task(1),
        event: TaskEvent::Output { attempt: 2, stream: Stream::Stdout, offset, len: 6 },
        data: b"second"[..].into(),
    };
    let promise = "the output of the next attempt does not overwrite that of the first";
    refused_as(scene.append(vec![second(0)]).await, Kind::Conflict, "output_offset", promise);
    scene.play(vec![second(6)]).await;
    let promise = "a task has no more attempts than its spec allows";
    refused_as(scene.append(vec![retried(2)]).await, Kind::Conflict, "task_state", promise);
    let last = Happening::task(task(1), TaskEvent::ended(2, lost()));
    scene.play(vec![last]).await;
    let whole = scene.whole_output(task(1), Stream::Stdout).await;
    same(&whole, &b"first second".to_vec(), "the output of all attempts is kept");
}

/// After its end nothing happens to a task.
pub async fn a_task_ends_once(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    scene.run(1).await;
    scene.play(vec![ended(1, 1, 0)]).await;
    let before = scene.everything().await;
    let cancel = TaskEvent::CancelRequested { by: None, reason: String::new() };
    let late = [
        ended(1, 1, 0),
        ended(1, 1, 1),
        output(1, Stream::Stdout, 0, "late"),
        started(1, 1),
        assigned(1, 2, node(2)),
        Happening::task(task(1), cancel),
    ];
    for what in late {
        let promise = format!("after a task's end, {what:?} is refused");
        refused_as(scene.append(vec![what]).await, Kind::Conflict, "task_ended", &promise);
    }
    let twice = scene.append(vec![submitted(2), ended(2, 0, 0), ended(2, 0, 0)]).await;
    refused_as(twice, Kind::Conflict, "task_ended", "a task ends once, also in one append");
    same(&scene.everything().await, &before, "a refused event changes nothing");
}

/// What another attempt than the current one says is refused.
pub async fn attempts_fence_each_other(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    let returned = TaskEvent::Returned { attempt: 1, reason: String::new() };
    scene.play(vec![submitted(1), assigned(1, 1, node(1))]).await;
    scene.play(vec![Happening::task(task(1), returned.clone()), assigned(1, 2, node(2))]).await;
    let before = scene.everything().await;
    let stream = Stream::Stdout;
    let truncated = TaskEvent::Truncated { attempt: 1, stream, from: 0, dropped: 0 };
    let stale = [
        started(1, 1),
        output(1, Stream::Stdout, 0, "old"),
        ended(1, 1, 0),
        Happening::task(task(1), returned),
        Happening::task(task(1), truncated),
        started(1, 3),
        ended(1, 0, 0),
        ended(1, 3, 0),
    ];
    for what in stale {
        let promise = format!("at attempt 2, {what:?} is refused");
        refused(scene.append(vec![what]).await, Kind::Conflict, &promise);
    }
    same(&scene.everything().await, &before, "a refused event changes nothing");
    scene.play(vec![started(1, 2), ended(1, 2, 0)]).await;
    same(&scene.task(1).await.node, &Some(node(2)), "the current attempt goes on");
}

/// An event that does not fit the state of its task is refused.
pub async fn an_event_must_fit_its_task(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    scene.play(vec![submitted(1)]).await;
    let cancel = TaskEvent::CancelRequested { by: None, reason: String::new() };
    let cancel = || Happening::task(task(1), cancel.clone());
    let early =
        [started(1, 0), output(1, Stream::Stdout, 0, "x"), assigned(1, 2, node(1)), cancel()];
    for what in early {
        let promise = format!("a queued task refuses {what:?}");
        refused(scene.append(vec![what]).await, Kind::Conflict, &promise);
    }
    scene.play(vec![assigned(1, 1, node(1)), started(1, 1)]).await;
    for what in [started(1, 1), assigned(1, 2, node(2))] {
        let promise = format!("a running task refuses {what:?}");
        refused(scene.append(vec![what]).await, Kind::Conflict, &promise);
    }
    scene.play(vec![cancel()]).await;
    refused(scene.append(vec![cancel()]).await, Kind::Conflict, "a task is cancelled once");
    same(&scene.task(1).await.state, &State::Cancelling, "a refused event moves no task");
}
