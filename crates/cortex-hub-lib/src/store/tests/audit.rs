//! The audit log: with what it is about or not at all, and never changed.

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::audit::Action;
use cortex_core::audit::Actor;
use cortex_core::audit::Object;
use cortex_core::audit::chain_of;
use cortex_core::chain::Head;
use cortex_core::id::HubId;
use cortex_core::id::InviteId;
use cortex_core::id::TaskId;
use cortex_core::registry::InviteAct;
use cortex_core::task::TaskSpec;
use sea_orm::ConnectionTrait as _;

use super::NODE;
use super::NOW;
use super::append;
use super::begun;
use super::directory;
use super::ended;
use super::open;
use super::with_session;
use crate::audit::Note;
use crate::store::Store;
use crate::store::connection::WriteConnection;
use crate::store::database::Files;

const HUB: HubId = HubId::from_bytes([1; 16]);

fn note(detail: &str) -> Note {
    Note::of(Actor::Hub, Action::NodeLock, Object::Node(NODE)).detail(detail)
}

/// Reads the log, having looked at its chain.
async fn details(store: &Store) -> Vec<String> {
    let mut chain = chain_of(HUB);
    let links = store.audit().read(0, 1_000).await.unwrap();
    for link in &links {
        assert_eq!(link.record.seq, chain.count + 1);
        chain = link.record.extend(chain);
        assert_eq!(chain, Head { count: link.record.seq, digest: link.digest });
    }
    links.into_iter().map(|link| link.record.detail).collect()
}

#[tokio::test]
async fn appends_jobs_and_notes_alone_are_one_chain_across_restarts() {
    let directory = directory();
    let (store, session) = with_session(&directory).await;
    store.set_hub(HUB);
    let task = TaskId::generate();
    let (sessions, accounts) = (store.sessions(), store.accounts());
    let what = begun(task, TaskSpec::argv(["true"]));
    let submitted = sessions.append(session, None, what, NOW);
    store.audit().record(note("append"), submitted).await.unwrap();
    let setting = accounts.put_setting_if_absent("name", vec![1]);
    store.audit().record(note("job"), setting).await.unwrap();
    store.audit().record(note("elsewhere"), async { Ok(()) }).await.unwrap();
    let many = (0..50).map(|number| store.audit().append(note(&number.to_string())));
    futures::future::try_join_all(many).await.unwrap();
    store.close().await.unwrap();
    let store = open(&directory).await;
    store.set_hub(HUB);
    store.audit().append(note("after")).await.unwrap();
    let details = details(&store).await;
    assert_eq!(details[..3], ["append", "job", "elsewhere"]);
    assert_eq!((details.len(), details.last().unwrap().as_str()), (54, "after"));
    store.close().await.unwrap();
}

#[tokio::test]
async fn what_fails_is_not_recorded() {
    let directory = directory();
    let (store, session) = with_session(&directory).await;
    store.set_hub(HUB);
    // An end of a task that nobody submitted, and an invite that nobody made.
    let (sessions, registry) = (store.sessions(), store.registry());
    let wrong = sessions.append(session, None, vec![ended(TaskId::generate())], NOW);
    assert!(store.audit().record(note("append"), wrong).await.is_err());
    let wrong = registry.invite(InviteAct::Withdraw(InviteId::generate()), NOW);
    assert!(store.audit().record(note("job"), wrong).await.is_err());
    let failure = async { Err::<(), _>(Error::new(ErrorKind::Denied, "try", "no")) };
    assert!(store.audit().record(note("elsewhere"), failure).await.is_err());
    // A write of somebody else's is not recorded as this one.
    append(&store, session, begun(TaskId::generate(), TaskSpec::argv(["true"]))).await;
    assert!(details(&store).await.is_empty());
    store.close().await.unwrap();
}

#[tokio::test]
async fn records_cannot_be_changed_or_removed() {
    let directory = directory();
    let store = open(&directory).await;
    store.set_hub(HUB);
    store.audit().append(note("kept")).await.unwrap();
    store.close().await.unwrap();
    let files = Files::take(directory.path()).await.unwrap();
    let connection = WriteConnection::open(&files.options()).await.unwrap();
    for forbidden in ["UPDATE audit SET detail = 'x'", "DELETE FROM audit"] {
        let refused = connection.execute_unprepared(forbidden).await.unwrap_err();
        assert!(refused.to_string().contains("only grows"), "{refused}");
    }
    connection.close().await.unwrap();
    drop(files);
    assert_eq!(details(&open(&directory).await).await, ["kept"]);
}
