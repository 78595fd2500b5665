//! Many callers share a commit, and a refusal is its own caller's alone.

use std::sync::Arc;

use cortex_core::ErrorKind;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::session::Happening;
use cortex_core::session::Seq;
use cortex_core::session::Session;
use cortex_core::task::State;
use cortex_core::task::TaskSpec;
use cortex_core::task::Work;
use futures::future::join_all;

use super::NODE;
use super::NOW;
use super::OWNER;
use super::append;
use super::begun;
use super::directory;
use super::ended;
use super::open;
use super::task;
use super::with_session;
use crate::store::Store;

const CALLERS: usize = 400;

#[tokio::test]
async fn many_appends_share_few_commits() {
    let directory = directory();
    let (store, session) = with_session(&directory).await;
    let before = store.commits();
    let appends = (0..CALLERS).map(|_| {
        let id = TaskId::generate();
        append(&store, session, begun(id, TaskSpec::argv(["true"])))
    });
    let appended = join_all(appends).await;
    let commits = store.commits() - before;
    assert!(commits <= CALLERS as u64 / 10, "{commits} commits for {CALLERS} appends");
    let mut numbers: Vec<_> =
        appended.iter().flat_map(|one| one.entries.iter().map(|entry| entry.seq.0)).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=3 * CALLERS as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_refused_append_harms_no_other() {
    let directory = directory();
    let (store, session) = with_session(&directory).await;
    let appends = (0..CALLERS).map(|number| {
        let sessions = store.sessions();
        let id = TaskId::generate();
        let what = if number % 3 == 0 {
            // Of no submitted task.
            vec![Happening::Attached { node: NODE }, ended(id)]
        } else {
            begun(id, TaskSpec::argv(["true"]))
        };
        async move { (id, sessions.append(session, None, what, NOW).await) }
    });
    for (number, (id, result)) in join_all(appends).await.into_iter().enumerate() {
        if number % 3 == 0 {
            assert_eq!(result.unwrap_err().code(), "task_not_found");
        } else {
            result.unwrap();
            assert_eq!(task(&store, id).await.state, State::Running);
        }
    }
    let session = store.sessions().get(session).await.unwrap();
    assert!(session.nodes.is_empty(), "half of a refused append was kept");
}

#[tokio::test]
async fn appends_and_other_changes_share_a_transaction() {
    let directory = directory();
    let (store, session) = with_session(&directory).await;
    let before = store.commits();
    let accounts = store.accounts();
    let settings = (0..CALLERS / 2).map(|number| {
        let accounts = Arc::clone(&accounts);
        // Every name comes twice.
        let name = format!("name-{}", number / 2);
        async move { accounts.put_setting_if_absent(&name, number.to_be_bytes().to_vec()).await }
    });
    let appends = (0..CALLERS / 2)
        .map(|_| append(&store, session, begun(TaskId::generate(), TaskSpec::argv(["true"]))));
    let (settings, appends) = futures::join!(join_all(settings), join_all(appends));
    let commits = store.commits() - before;
    assert!(commits <= CALLERS as u64 / 10, "{commits} commits for {CALLERS} changes");
    assert_eq!(appends.len(), CALLERS / 2);
    for pair in settings.chunks(2) {
        assert_eq!(pair[0].as_ref().unwrap(), pair[1].as_ref().unwrap());
    }
}

#[tokio::test]
async fn a_job_that_fails_in_the_database_is_undone_alone() {
    use sea_orm::ConnectionTrait as _;

    let directory = directory();
    let (store, session) = with_session(&directory).await;
    let broken = store.inner.writer.run("break", |writes| {
        Box::pin(async move {
            let half = "INSERT INTO setting (name, value) VALUES ('half', x'01')";
            writes.execute_unprepared(half).await.unwrap();
            let missing = writes.execute_unprepared("INSERT INTO nowhere VALUES (1)").await;
            missing.map(drop).map_err(|error| crate::store::fault::fault("break", error))
        })
    });
    let good = append(&store, session, begun(TaskId::generate(), TaskSpec::argv(["true"])));
    let (broken, good) = futures::join!(broken, good);
    assert_eq!(broken.unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(good.entries.len(), 3);
    assert_eq!(store.accounts().get_setting("half").await.unwrap(), None);
}

#[tokio::test]
async fn a_failed_transaction_leaves_nothing_and_the_next_one_works() {
    use sea_orm::ConnectionTrait as _;

    let directory = directory();
    let (store, session) = with_session(&directory).await;
    let id = TaskId::generate();
    append(&store, session, begun(id, TaskSpec::argv(["true"]))).await;
    // The database refuses every row of the log from here on.
    let trigger = "CREATE TRIGGER full BEFORE INSERT ON session_log \
                   BEGIN SELECT RAISE(ABORT, 'no room'); END";
    on_writer(&store, trigger).await;
    let failures = join_all((0..10).map(|_| async {
        let what = begun(TaskId::generate(), TaskSpec::argv(["true"]));
        store.sessions().append(session, None, what, NOW).await
    }));
    let other = SessionId::generate();
    let sessions = store.sessions();
    let ended_late = sessions.append(session, None, vec![ended(id)], NOW);
    let (failures, ended_late) = futures::join!(failures, ended_late);
    for failure in failures.into_iter().chain([ended_late]) {
        assert_eq!(failure.unwrap_err().kind(), ErrorKind::Internal);
    }
    on_writer(&store, "DROP TRIGGER full").await;
    store.sessions().create(Session::new(other, OWNER, "other", NOW)).await.unwrap();
    let appended = append(&store, session, vec![ended(id)]).await;
    assert_eq!(appended.entries[0].seq, Seq(4));
    assert_eq!(task(&store, id).await.state, State::Succeeded);
    drop(appended);
    let read = store.sessions().read(session, Seq(0), 100).await.unwrap();
    assert_eq!(read.len(), 4);

    async fn on_writer(store: &Store, sql: &'static str) {
        let run = store.inner.writer.run("test", move |writes| {
            Box::pin(async move {
                writes.execute_unprepared(sql).await.unwrap();
                Ok(())
            })
        });
        run.await.unwrap();
    }
}

#[tokio::test]
async fn a_long_spec_is_read_back() {
    let directory = directory();
    let (store, session) = with_session(&directory).await;
    let input = serde_json::Value::String("long ".repeat(100_000));
    let spec = TaskSpec::new(Work::Skill { name: "read".into(), input, files: Vec::new() });
    let (long, short) = (TaskId::generate(), TaskId::generate());
    append(&store, session, begun(long, spec.clone())).await;
    append(&store, session, begun(short, TaskSpec::argv(["true"]))).await;
    append(&store, session, vec![ended(long)]).await;
    store.close().await.unwrap();
    let store = open(&directory).await;
    assert_eq!(*task(&store, long).await.spec, spec);
    assert_eq!(*task(&store, short).await.spec, TaskSpec::argv(["true"]));
    append(&store, session, vec![ended(short)]).await;
}
