//! Cases: which tasks are listed, in which order.

use super::scene::Scene;
use super::scene::assigned;
use super::scene::ended;
use super::scene::node;
use super::scene::session_id;
use super::scene::submitted;
use super::scene::submitted_by;
use super::scene::task;
use super::scene::user;
use crate::contract::promise::kept;
use crate::contract::promise::same;
use crate::session::SessionStore;
use crate::session::TaskFilter;

/// A filter lists exactly the tasks that fit all of it, newest first, up to its limit.
pub async fn filters_combine(store: &dyn SessionStore) {
    let scenes = [Scene::open(store, 1).await, Scene::open(store, 2).await];
    // The order of submission is not that of the ids, so a list in order was put in order.
    for number in (1..=32u8).map(|index| 1 + (index * 7) % 32) {
        let scene = &scenes[usize::from(number & 1)];
        scene.play(vec![submitted_by(number, user(1 + (number >> 1 & 1)))]).await;
        let on = match number >> 2 & 3 {
            0 => continue,
            1 => node(1),
            _ => node(2),
        };
        scene.play(vec![assigned(number, 1, on)]).await;
        if number & 16 != 0 {
            scene.play(vec![ended(number, 1, 0)]).await;
        }
    }
    let everything = kept(store.tasks(TaskFilter::default()).await, "tasks are listed");
    let ids: Vec<_> = everything.iter().map(|task| task.id).collect();
    same(&ids, &(1..=32).rev().map(task).collect(), "all tasks are listed, newest first");

    for filter in filters() {
        let limit = if filter.limit == 0 { usize::MAX } else { filter.limit };
        let fitting = everything.iter().filter(|task| filter.fits(task)).take(limit);
        let promised: Vec<_> = fitting.cloned().collect();
        let listed = kept(store.tasks(filter.clone()).await, "tasks are listed");
        let promise = format!("exactly the newest tasks that fit {filter:?} are listed");
        same(&listed, &promised, &promise);
    }
}

fn filters() -> Vec<TaskFilter> {
    let mut filters = vec![TaskFilter::open(), TaskFilter::one(task(5)), TaskFilter::one(task(99))];
    let options = |limit: u8| std::iter::once(None).chain((1..=limit).map(Some));
    for session in options(3) {
        for by in options(3) {
            for on in options(3) {
                for before in [None, Some(17), Some(1)] {
                    for (open, limit) in [(false, 0), (true, 0), (false, 1), (true, 3)] {
                        filters.push(TaskFilter {
                            id: None,
                            session: session.map(session_id),
                            by: by.map(user),
                            node: on.map(node),
                            open,
                            before: before.map(task),
                            limit,
                        });
                    }
                }
            }
        }
    }
    let five = task(5);
    filters.push(TaskFilter { id: Some(five), by: Some(user(2)), ..TaskFilter::default() });
    filters.push(TaskFilter { id: Some(five), before: Some(five), ..TaskFilter::default() });
    filters
}

/// Pages that each begin before the last task of the page before are the list.
pub async fn a_list_is_read_in_pages(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    scene.play((1..=20).map(submitted).collect()).await;
    for limit in [1, 3, 20, 21] {
        let mut pages = Vec::new();
        let mut before = None;
        loop {
            let filter = TaskFilter { before, limit, ..TaskFilter::open() };
            let page = kept(store.tasks(filter).await, "tasks are listed");
            let promised = limit.min(20 - pages.len());
            same(&page.len(), &promised, "a page is full, except at the list's end");
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            pages.extend(page.iter().map(|task| task.id));
        }
        same(&pages, &(1..=20).rev().map(task).collect(), "pages together are the list");
    }
}
