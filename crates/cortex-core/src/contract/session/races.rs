//! Cases: many writers at once.

use futures::future::join_all;

use super::scene::Scene;
use super::scene::at;
use super::scene::ended;
use super::scene::output;
use super::scene::session_id;
use super::scene::submitted;
use super::scene::task;
use super::scene::user;
use crate::contract::promise::kept;
use crate::contract::promise::one_winner;
use crate::contract::promise::same;
use crate::error::Kind;
use crate::session::Happening;
use crate::session::Seq;
use crate::session::Session;
use crate::session::SessionStore;
use crate::session::TaskFilter;
use crate::task::Stream;

const RACERS: u8 = 32;

/// Of many writers that append from the same point, one wins; the others may look again.
pub async fn of_writers_from_one_point_one_wins(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    let mut waiting: Vec<u8> = (1..=RACERS).collect();
    for round in 0..4 {
        let append =
            |number: &u8| store.append(scene.id, Some(Seq(round)), vec![submitted(*number)], at(2));
        let results = join_all(waiting.iter().map(append)).await;
        let promise = "of many writers that append from the same point, one wins";
        let won = one_winner(results, Kind::Conflict, None, promise);
        let log = scene.log().await;
        same(&(log.len() as u64), &(round + 1), promise);
        same(&log.last(), &won.entries.first().map(|entry| &**entry), promise);
        waiting.retain(|number| won.tasks.iter().all(|moved| moved.id != task(*number)));
    }
    same(&waiting.len(), &(usize::from(RACERS) - 4), "each round has another winner");
}

/// Writers that do not ask where the log ends all win, and share no number.
pub async fn writers_from_anywhere_all_win(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    let pair = |number| vec![submitted(number), ended(number, 0, 0)];
    let results = join_all((1..=RACERS).map(|number| scene.append(pair(number)))).await;
    let mut numbers = Vec::new();
    for result in results {
        let appended = kept(result, "writers that do not ask where the log ends all win");
        let mine: Vec<_> = appended.entries.iter().map(|entry| entry.seq.0).collect();
        same(&mine[1], &(mine[0] + 1), "the entries of one append stay together");
        numbers.extend(mine);
    }
    numbers.sort_unstable();
    let promised: Vec<_> = (1..=2 * u64::from(RACERS)).collect();
    same(&numbers, &promised, "racing writers share no number and leave no gap");
    let stored: Vec<_> = scene.log().await.iter().map(|entry| entry.seq.0).collect();
    same(&stored, &promised, "what racing writers appended is stored");
}

/// Of many writers that submit one task at once, in two sessions, one wins.
pub async fn a_task_is_submitted_by_one(store: &dyn SessionStore) {
    let scenes = [Scene::open(store, 1).await, Scene::open(store, 2).await];
    let race = (0..RACERS).map(|racer| {
        let scene = scenes[usize::from(racer % 2)];
        async move { scene.append(vec![submitted(1)]).await }
    });
    let promise = "of many writers that submit one task at once, one wins";
    one_winner(join_all(race).await, Kind::Exists, None, promise);
    let stored = scenes[0].log().await.len() + scenes[1].log().await.len();
    same(&stored, &1, promise);
}

/// Of many writers that end one task at once, one wins, and its outcome is the task's.
pub async fn a_task_is_ended_by_one(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    scene.run(1).await;
    let race = (1..=RACERS).map(|code| scene.append(vec![ended(1, 1, code.into())]));
    let promise = "of many writers that end one task at once, one wins";
    let won = one_winner(join_all(race).await, Kind::Conflict, Some("task_ended"), promise);
    same(&won.tasks, &vec![scene.task(1).await], "the winner's outcome is the task's");
    same(&scene.log().await.len(), &4, "a task's end is stored once");
    let open = kept(store.tasks(TaskFilter::open()).await, "tasks are listed");
    same(&open.len(), &0, "a task that ended is not open");
}

/// Of many writers that continue one output at once, one wins.
pub async fn output_is_continued_by_one(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    scene.run(1).await;
    let race =
        (1..=RACERS).map(|byte| scene.append(vec![output(1, Stream::Stdout, 0, vec![byte; 3])]));
    let promise = "of many writers that continue one output at once, one wins";
    let won = one_winner(join_all(race).await, Kind::Conflict, None, promise);
    let whole = scene.whole_output(task(1), Stream::Stdout).await;
    let Happening::Task { data, .. } = &won.entries[0].what else { unreachable!("it is output") };
    same(&whole.as_slice(), &&data[..], "the winner's bytes are stored, and no others");
}

/// Of many that create one session at once, one wins.
pub async fn a_session_is_created_by_one(store: &dyn SessionStore) {
    let create = |owner| {
        let session = Session::new(session_id(1), user(owner), "talk", at(1));
        store.create(session)
    };
    let promise = "of many that create one session at once, one wins";
    let results = join_all((1..=RACERS).map(create)).await;
    one_winner(results, Kind::Exists, None, promise);
    same(&kept(store.list(None).await, "sessions are listed").len(), &1, promise);
}
