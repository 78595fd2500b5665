//! Cases: an append takes effect as a whole, where its writer saw the log's end.

use super::scene::Scene;
use super::scene::assigned;
use super::scene::at;
use super::scene::ended;
use super::scene::node;
use super::scene::output;
use super::scene::started;
use super::scene::submitted;
use super::scene::task;
use crate::contract::promise::kept;
use crate::contract::promise::refused;
use crate::contract::promise::refused_as;
use crate::contract::promise::same;
use crate::error::Kind;
use crate::session::Happening;
use crate::session::Seq;
use crate::session::SessionStore;
use crate::task::State;
use crate::task::Stream;
use crate::task::TaskEvent;

/// With `after`, an append takes effect only if the log ends there.
pub async fn a_log_grows_only_where_its_writer_saw_the_end(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    let append =
        |after, number| store.append(scene.id, Some(after), vec![submitted(number)], at(2));
    kept(append(Seq(0), 1).await, "the end of an empty log is 0");
    kept(append(Seq(1), 2).await, "a log grows where it ends");
    let before = scene.everything().await;
    for stale in [0, 1, 3, u64::from(u32::MAX)] {
        let refusal = append(Seq(stale), 3).await;
        refused(refusal, Kind::Conflict, "a log does not grow where it does not end");
    }
    let nothing = store.append(scene.id, Some(Seq(1)), Vec::new(), at(2)).await;
    refused(nothing, Kind::Conflict, "also an empty append sees that the log moved on");
    same(&scene.everything().await, &before, "a refused append changes nothing");

    let nothing = store.append(scene.id, Some(Seq(2)), Vec::new(), at(2)).await;
    let nothing = kept(nothing, "an empty append is possible");
    same(&nothing.entries.len(), &0, "an empty append appends nothing");
    same(&scene.head().await, &Seq(2), "an empty append does not move the log's end");
    kept(append(Seq(2), 3).await, "a refused writer can look again and append");
}

/// An append whose last entry does not fit leaves no trace of those before it.
pub async fn a_refused_append_changes_nothing(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    scene.run(1).await;
    scene.play(vec![submitted(2), output(1, Stream::Stdout, 0, "abc")]).await;
    scene.play(vec![Happening::Attached { node: node(9) }]).await;
    let wrong_length = TaskEvent::Output { attempt: 1, stream: Stream::Stdout, offset: 6, len: 9 };
    let wrong_length =
        Happening::Task { task: task(1), event: wrong_length, data: b"short"[..].into() };
    let misfits = [
        (wrong_length, Kind::Invalid),
        (submitted(2), Kind::Exists),
        (ended(7, 0, 0), Kind::NotFound),
        (started(1, 1), Kind::Conflict),
        (output(1, Stream::Stdout, 7, "gap"), Kind::Conflict),
        (Happening::Attached { node: node(1) }, Kind::Precondition),
        (Happening::Detached { node: node(2) }, Kind::Precondition),
    ];
    let before = scene.everything().await;
    for (misfit, kind) in misfits {
        let promise = format!("an append with {misfit:?} is refused as a whole");
        let what = vec![
            Happening::Attached { node: node(1) },
            Happening::Detached { node: node(9) },
            output(1, Stream::Stdout, 3, "def"),
            output(1, Stream::Stderr, 0, vec![0; 100_000]),
            submitted(3),
            assigned(2, 1, node(1)),
            ended(2, 1, 0),
            misfit,
        ];
        refused(scene.append(what).await, kind, &promise);
        same(&scene.everything().await, &before, &promise);
    }
    let what = vec![output(1, Stream::Stdout, 3, "def"), submitted(3), assigned(2, 1, node(1))];
    kept(scene.append(what).await, "what was refused with others fits without them");
    let whole = scene.whole_output(task(1), Stream::Stdout).await;
    same(&whole.as_slice(), &&b"abcdef"[..], "refused output leaves no trace");
}

/// A task's id is submitted once, in whichever session.
pub async fn a_task_is_submitted_once(store: &dyn SessionStore) {
    let (first, second) = (Scene::open(store, 1).await, Scene::open(store, 2).await);
    first.play(vec![submitted(1)]).await;
    let promise = "a task's id is submitted once";
    refused(first.append(vec![submitted(1)]).await, Kind::Exists, promise);
    refused(second.append(vec![submitted(1)]).await, Kind::Exists, promise);
    let twice = second.append(vec![submitted(2), submitted(2)]).await;
    refused(twice, Kind::Exists, promise);
    first.play(vec![ended(1, 0, 0)]).await;
    let reborn = first.append(vec![submitted(1)]).await;
    refused(reborn, Kind::Exists, "the id of a task that ended is not used again");
    same(&first.task(1).await.session, &first.id, "a task stays in its session");
    same(&second.head().await, &Seq(0), "a refused task leaves no trace");
}

/// An event of a task that was never submitted in this session is refused.
pub async fn only_submitted_tasks_have_events(store: &dyn SessionStore) {
    let (first, second) = (Scene::open(store, 1).await, Scene::open(store, 2).await);
    second.run(1).await;
    let promise = "only a task that was submitted in the session has events there";
    let events = |number| [assigned(number, 1, node(1)), started(number, 1), ended(number, 1, 0)];
    for what in events(1).into_iter().chain(events(7)) {
        let refusal = first.append(vec![what]).await;
        refused_as(refusal, Kind::NotFound, "task_not_found", promise);
    }
    let early = first.append(vec![assigned(7, 1, node(1)), submitted(7)]).await;
    let promise = "a task's submission comes before its other events";
    refused_as(early, Kind::NotFound, "task_not_found", promise);
    same(&second.task(1).await.state, &State::Running, "another session moves no task");
    same(&first.head().await, &Seq(0), "a refused event leaves no trace");
}

/// One append may move many tasks through many states; each is returned once, as it then is.
pub async fn one_append_moves_many_tasks(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    scene.play(vec![submitted(1)]).await;
    let what = vec![
        submitted(3),
        submitted(2),
        assigned(1, 1, node(1)),
        assigned(3, 1, node(2)),
        started(3, 1),
        output(3, Stream::Stderr, 0, "oh"),
        output(3, Stream::Stderr, 2, "no"),
        ended(3, 1, 5),
        started(1, 1),
    ];
    let mut moved = scene.play(what).await.tasks;
    moved.sort_by_key(|task| task.id);
    let states: Vec<_> = moved.iter().map(|task| (task.id, task.state)).collect();
    let promised =
        vec![(task(1), State::Running), (task(2), State::Queued), (task(3), State::Failed)];
    same(&states, &promised, "an append returns the tasks that moved, each once");
    for (task, number) in moved.iter().zip(1..) {
        same(task, &scene.task(number).await, "a task is returned as it then is");
    }
    same(&scene.task(3).await.output.stderr.stored, &4, "output of one append adds up");
}
