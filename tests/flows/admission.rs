//! Who gets in: invites, pins, removed nodes.

use std::time::Duration;

use cortex_core::ErrorKind;
use cortex_core::registry::NodeChange;
use cortex_hub_lib::InviteDraft;
use cortex_node_lib::NodeBuilder;
use cortex_node_lib::config::Environment;
use cortex_node_lib::config::NodeConfig;
use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;

use crate::sandbox::Sandbox;
use crate::sandbox::wait;

/// Runs a node from this configuration until it gives up; returns why.
async fn fails(sandbox: &Sandbox, yaml: &str, name: &str) -> cortex_core::Error {
    let path = sandbox.path(&format!("{name}.yaml"));
    std::fs::write(&path, yaml).unwrap();
    let mut config = NodeConfig::load(&path, &Environment::empty()).unwrap().config;
    config.data_dir = sandbox.path(&format!("{name}-data"));
    let (_node, driver) = NodeBuilder::new(config).build().unwrap();
    let running = Box::pin(driver.run(CancellationToken::new()));
    wait(running).await.expect_err("the node does not get in")
}

async fn issue(sandbox: &Sandbox, name: &str) -> cortex_hub_lib::IssuedInvite {
    let draft = InviteDraft { name: name.to_owned(), ..InviteDraft::default() };
    sandbox.hub.invite(&sandbox.who, draft, None).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_is_good_once() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let used = std::fs::read_to_string(sandbox.path("lab.yaml")).unwrap();
    let error = fails(&sandbox, &used, "second").await;
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("already used"), "{error}");
    assert_eq!(sandbox.hub.nodes(&sandbox.who, None).await.unwrap().len(), 1);
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_an_expired_and_a_forged_invite_are_refused() {
    let sandbox = Sandbox::start().await;
    let withdrawn = issue(&sandbox, "a").await;
    sandbox.hub.withdraw_invite(&sandbox.who, withdrawn.invite.id).await.unwrap();
    let error = fails(&sandbox, withdrawn.config.expose_secret(), "a").await;
    assert!(error.to_string().contains("withdrawn"), "{error}");

    let life = Some(Duration::from_millis(1));
    let draft = InviteDraft { name: "b".to_owned(), life, ..InviteDraft::default() };
    let expired = sandbox.hub.invite(&sandbox.who, draft, None).await.unwrap();
    let error = fails(&sandbox, expired.config.expose_secret(), "b").await;
    assert!(error.to_string().contains("expired"), "{error}");

    let good = issue(&sandbox, "c").await;
    let token = good.token.expose_secret();
    let (head, secret) = token.rsplit_once('.').unwrap();
    // Not the last character, which has bits that have to be zero.
    let (first, rest) = secret.split_at(1);
    let other = if first == "A" { "B" } else { "A" };
    let forged = good.config.expose_secret().replace(token, &format!("{head}.{other}{rest}"));
    let error = fails(&sandbox, &forged, "c").await;
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("does not fit"), "{error}");
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_tells_nothing_to_a_hub_with_another_key() {
    let (real, false_hub) = (Sandbox::start().await, Sandbox::start().await);
    let (meant, other) = (issue(&real, "lab").await, issue(&false_hub, "lab").await);
    // The right hub's pin and invite, the other hub's address.
    let port = |yaml: &str| {
        let line = yaml.lines().find(|line| line.contains("grpc_port")).unwrap();
        line.trim().to_owned()
    };
    let (yaml, wrong) = (meant.config.expose_secret(), other.config.expose_secret());
    let misled = yaml.replace(&port(yaml), &port(wrong));
    let error = fails(&real, &misled, "misled").await;
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("pin"), "{error}");
    assert!(false_hub.hub.nodes(&false_hub.who, None).await.unwrap().is_empty());
    real.stop().await;
    false_hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_node_is_cut_off_for_ever_and_its_name_is_free() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let first = node.node.id();
    sandbox.hub.amend_node(&sandbox.who, "lab", vec![NodeChange::Retire]).await.unwrap();
    assert!(sandbox.hub.node(&sandbox.who, "lab").await.is_err());
    let ended = node.ended().await;
    assert_eq!(ended.map_err(|error| error.kind()), Err(ErrorKind::Denied));
    let config = sandbox.invite("lab").await;
    let next = sandbox.start_node(&config, "lab-again", |builder| builder).await;
    assert_eq!(next.node.name().as_deref(), Some("lab"));
    assert_ne!(next.node.id(), first);
    next.stop().await;
    sandbox.stop().await;
}
