//! What is not yours is not there.

use cortex_core::ErrorKind;
use cortex_core::account::Principal;
use cortex_core::account::Role;
use cortex_core::account::Scope;
use cortex_core::registry::NodeChange;
use cortex_core::session::Seq;
use cortex_core::session::TaskFilter;
use cortex_core::task::TaskSpec;
use cortex_hub_lib::OutputCursor;
use cortex_hub_lib::TaskDraft;

use crate::sandbox::Sandbox;

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_finds_nothing_of_mine() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await.to_string();
    let task = sandbox.run(session.parse().unwrap(), TaskSpec::argv(["true"])).await;
    let (hub, other) = (&sandbox.hub, sandbox.stranger());
    let id = node.node.id().unwrap().to_string();
    let draft = || TaskDraft { spec: TaskSpec::argv(["true"]), node: None };
    let own = hub.create_session(&other, None, &[]).await.unwrap().id.to_string();
    let refused = [
        hub.node(&other, &id).await.map(drop),
        hub.node(&other, "lab").await.map(drop),
        hub.amend_node(&other, &id, vec![NodeChange::Retire]).await.map(drop),
        hub.session(&other, &session).await.map(drop),
        hub.close_session(&other, &session).await.map(drop),
        hub.attach(&other, &session, &id).await.map(drop),
        hub.attach(&other, &own, &id).await.map(drop),
        hub.detach(&other, &session, &id).await.map(drop),
        hub.submit(&other, &session, draft(), None).await.map(drop),
        hub.task(&other, task.id).await.map(drop),
        hub.cancel(&other, task.id, "no").await.map(drop),
        hub.follow(&other, task.id, OutputCursor::default()).await.map(drop),
        hub.log(&other, &session, Seq(0)).await.map(drop),
    ];
    for (at, refused) in refused.into_iter().enumerate() {
        assert_eq!(refused.map_err(|error| error.kind()), Err(ErrorKind::NotFound), "call {at}");
    }
    assert!(hub.nodes(&other, None).await.unwrap().is_empty());
    assert!(hub.tasks(&other, TaskFilter::default()).await.unwrap().is_empty());
    assert_eq!(hub.sessions(&other).await.unwrap().len(), 1);
    // An admin sees it all.
    let admin = Principal::full(other.user, Role::Admin);
    assert_eq!(hub.node(&admin, "lab").await.unwrap().id.to_string(), id);
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_good_for_its_scopes_only() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await.to_string();
    let reader = Principal { scopes: vec![Scope::Read], ..sandbox.who.clone() };
    let hub = &sandbox.hub;
    assert_eq!(hub.nodes(&reader, None).await.unwrap().len(), 1);
    let draft = TaskDraft { spec: TaskSpec::argv(["true"]), node: None };
    let refused = hub.submit(&reader, &session, draft, None).await.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::Denied, "missing_scope"));
    let refused = hub.amend_node(&reader, "lab", vec![NodeChange::Cordon(true)]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Denied);
    node.stop().await;
    sandbox.stop().await;
}
