//! Cases: a log is read as it was written.

use super::scene::Scene;
use super::scene::at;
use super::scene::ended;
use super::scene::node;
use super::scene::output;
use super::scene::started;
use super::scene::submitted;
use super::scene::task;
use crate::contract::promise::kept;
use crate::contract::promise::same;
use crate::session::Entry;
use crate::session::Happening;
use crate::session::Seq;
use crate::session::SessionStore;
use crate::task::Stream;
use crate::task::TaskEvent;

/// Entries are numbered from 1, on and on, and have the time of their append.
pub async fn entries_are_numbered_without_gaps(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    let mut promised = Vec::new();
    for (round, count) in [1, 3, 0, 2, 7].into_iter().enumerate() {
        let now = at(100 + round as u64);
        let first = promised.len() + 1;
        let what = |offset| submitted(u8::try_from(first + offset).expect("there are few"));
        let what: Vec<_> = (0..count).map(what).collect();
        let numbered = what.iter().cloned().zip(first as u64..);
        let entries: Vec<_> =
            numbered.map(|(what, seq)| Entry { seq: Seq(seq), at: now, what }).collect();
        let appended = kept(store.append(scene.id, None, what, now).await, "what fits is appended");
        let returned: Vec<_> = appended.entries.iter().map(|entry| Entry::clone(entry)).collect();
        same(&returned, &entries, "an append returns its entries with their numbers");
        same(&appended.tasks.len(), &count, "an append returns the tasks that moved");
        promised.extend(entries);
    }
    same(&scene.log().await, &promised, "entries are numbered from 1 without gaps");
}

/// Pages of every size together are the log; behind its end there is nothing.
pub async fn a_log_is_read_in_pages(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    scene.run(1).await;
    for offset in 0..30 {
        scene.play(vec![output(1, Stream::Stdout, offset, vec![b'x'])]).await;
    }
    let whole = scene.log().await;
    same(&whole.len(), &33, "a whole log is read with a limit that is high enough");
    for limit in [1, 2, 7, 32, 33, 34] {
        let mut pages = Vec::new();
        let mut after = Seq(0);
        loop {
            let page = kept(store.read(scene.id, after, limit).await, "a log is read");
            let rest = whole.len() - pages.len();
            same(&page.len(), &limit.min(rest), "a page is full, except at the log's end");
            let Some(last) = page.last() else { break };
            after = last.seq;
            pages.extend(page);
        }
        same(&pages, &whole, "pages together are the log");
    }
    let none = kept(store.read(scene.id, Seq(0), 0).await, "a log is read");
    same(&none, &Vec::new(), "a page has at most as many entries as asked for");
    for after in [33, 34, 1 << 40] {
        let none = kept(store.read(scene.id, Seq(after), 10).await, "a log is read");
        same(&none, &Vec::new(), "behind a log's end there is nothing");
    }
}

/// Each session has its own log, numbers and tasks.
pub async fn logs_do_not_mix(store: &dyn SessionStore) {
    let (first, second) = (Scene::open(store, 1).await, Scene::open(store, 2).await);
    first.play(vec![submitted(1)]).await;
    second.play(vec![submitted(2), Happening::Attached { node: node(1) }]).await;
    first
        .play(vec![Happening::task(task(1), TaskEvent::Assigned { attempt: 1, node: node(2) })])
        .await;
    second.play(vec![Happening::Closed]).await;
    first.play(vec![started(1, 1), ended(1, 1, 0)]).await;
    for (scene, count) in [(first, 4), (second, 3)] {
        let numbers: Vec<_> = scene.log().await.iter().map(|entry| entry.seq.0).collect();
        same(&numbers, &(1..=count).collect(), "each session's log has its own numbers");
    }
    same(&first.session().await.nodes, &Vec::new(), "what happens in a session moves that one");
    same(&first.task(1).await.session, &first.id, "a task belongs to its session");
    same(&second.task(2).await.session, &second.id, "a task belongs to its session");
}
