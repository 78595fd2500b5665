//! Cases: sessions are made, listed, given nodes and closed.

use super::scene::Scene;
use super::scene::assigned;
use super::scene::at;
use super::scene::countersigned;
use super::scene::ended;
use super::scene::node;
use super::scene::output;
use super::scene::receipt_of;
use super::scene::session_id;
use super::scene::submitted;
use super::scene::user;
use crate::contract::promise::kept;
use crate::contract::promise::refused;
use crate::contract::promise::refused_as;
use crate::contract::promise::same;
use crate::error::Kind;
use crate::receipt;
use crate::session::Happening;
use crate::session::Seq;
use crate::session::Session;
use crate::session::SessionStatus;
use crate::session::SessionStore;
use crate::task::State;
use crate::task::Stream;

/// A session is returned as it was given, with an empty log; its id is taken from then on.
pub async fn a_session_is_stored_once(store: &dyn SessionStore) {
    let first = Session::new(session_id(1), user(1), "Gespr\u{e4}ch \u{1f980}", at(1));
    kept(store.create(first.clone()).await, "a new session is stored");
    let other = Session::new(session_id(1), user(2), "other", at(2));
    refused(store.create(other).await, Kind::Exists, "a session of a stored id is refused");
    let stored = kept(store.get(session_id(1)).await, "a stored session is returned");
    same(&stored, &first, "a session is returned as it was given");
    let log = kept(store.read(session_id(1), Seq(0), 10).await, "a log is read");
    same(&log, &Vec::new(), "the log of a new session is empty");
}

/// Sessions are listed newest first, all or those of one owner, closed ones too.
pub async fn sessions_are_listed_by_owner_newest_first(store: &dyn SessionStore) {
    for (number, owner) in [(2, 1), (4, 2), (1, 2), (3, 1)] {
        let created_at = at(u64::from(number));
        let session = Session::new(session_id(number), user(owner), "talk", created_at);
        kept(store.create(session).await, "a new session is stored");
    }
    let closed = store.append(session_id(3), None, vec![Happening::Closed], at(9)).await;
    kept(closed, "an open session can be closed");
    for (owner, promised) in [(None, vec![4, 3, 2, 1]), (Some(1), vec![3, 2]), (Some(3), vec![])] {
        let listed = kept(store.list(owner.map(user)).await, "sessions are listed");
        let ids: Vec<_> = listed.iter().map(|session| session.id).collect();
        let promised = promised.into_iter().map(session_id).collect();
        same(&ids, &promised, "the sessions of an owner are listed, newest first");
        for session in listed {
            let stored = kept(store.get(session.id).await, "a listed session is returned");
            same(&session, &stored, "a session is listed as it is");
        }
    }
}

/// Whatever is asked of an unknown session, it is not found.
pub async fn an_unknown_session_is_not_found(store: &dyn SessionStore) {
    Scene::open(store, 1).await;
    let (unknown, promise) = (session_id(9), "an unknown session is not found");
    let found = store.get(unknown).await;
    refused_as(found, Kind::NotFound, "session_not_found", promise);
    let read = store.read(unknown, Seq(0), 10).await;
    refused_as(read, Kind::NotFound, "session_not_found", promise);
    for after in [None, Some(Seq(0))] {
        let appended = store.append(unknown, after, vec![submitted(1)], at(1)).await;
        refused_as(appended, Kind::NotFound, "session_not_found", promise);
    }
    let listed = kept(store.list(None).await, "sessions are listed");
    same(&listed.len(), &1, "what is not found is not made");
}

/// Nodes are kept in the order of their attachment, each at most once.
pub async fn nodes_are_attached_and_detached(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    let before = scene.session().await;
    let attach = |number| Happening::Attached { node: node(number) };
    let detach = |number| Happening::Detached { node: node(number) };
    scene.play(vec![attach(3), attach(1)]).await;
    scene.play(vec![attach(2)]).await;
    let nodes = scene.session().await.nodes;
    same(&nodes, &[3, 1, 2].map(node).to_vec(), "nodes are kept in the order of attachment");

    let twice = scene.append(vec![attach(1)]).await;
    let promise = "a node is attached once";
    refused_as(twice, Kind::Precondition, "node_attached", promise);
    let stranger = scene.append(vec![detach(4)]).await;
    let promise = "only an attached node is detached";
    refused_as(stranger, Kind::Precondition, "node_not_attached", promise);

    scene.play(vec![detach(3), attach(3), detach(1)]).await;
    let promised = Session { nodes: [2, 3].map(node).to_vec(), ..before };
    let promise = "detached nodes leave, and come last when they come again";
    same(&scene.session().await, &promised, promise);
}

/// A closed session takes no nodes and no tasks, and is closed once.
pub async fn a_closed_session_takes_no_tasks(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    let closed = store.append(scene.id, None, vec![Happening::Closed], at(50)).await;
    kept(closed, "an open session can be closed");
    let session = scene.session().await;
    same(&session.status, &SessionStatus::Closed, "a closed session is returned as such");
    same(&session.closed_at, &Some(at(50)), "a session knows when it was closed");
    let attach = Happening::Attached { node: node(1) };
    for what in [submitted(1), attach, Happening::Closed] {
        let promise = format!("a closed session refuses {what:?}");
        let refusal = scene.append(vec![what]).await;
        refused_as(refusal, Kind::Precondition, "session_closed", &promise);
    }
    same(&scene.log().await.len(), &1, "what a closed session refuses is not stored");
    same(&scene.session().await, &session, "what a closed session refuses does not move it");
}

/// What began before a session was closed goes on: output, ends, detached nodes.
pub async fn a_closed_session_lets_its_tasks_end(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    scene.play(vec![Happening::Attached { node: node(1) }, submitted(2)]).await;
    scene.run(1).await;
    scene.play(vec![Happening::Closed]).await;
    let rest = vec![
        output(1, Stream::Stdout, 0, "bye"),
        ended(1, 1, 0),
        assigned(2, 1, node(1)),
        ended(2, 1, 1),
        Happening::Detached { node: node(1) },
    ];
    kept(scene.append(rest).await, "in a closed session, tasks end and nodes leave");
    same(&scene.task(1).await.state, &State::Succeeded, "a task ends in a closed session");
    same(&scene.task(2).await.state, &State::Failed, "a task ends in a closed session");
    same(&scene.session().await.nodes, &Vec::new(), "a node leaves a closed session");
}

/// A session has the chain of the receipts in its log, in their order and without others.
pub async fn a_session_chains_the_receipts_of_its_log(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    let none = receipt::chain_of(scene.id);
    same(&scene.session().await.receipts, &none, "a new session has no receipts");
    for number in 1..=3 {
        scene.run(number).await;
    }
    scene.play(vec![countersigned(2, 1, 0), ended(3, 1, 0)]).await;
    scene.play(vec![countersigned(1, 1, 7)]).await;
    let chain = [2, 1].into_iter().fold(none, |chain, number| receipt_of(number).extend(chain));
    let promise = "a session chains the receipts of its log";
    same(&scene.session().await.receipts, &chain, promise);
}
