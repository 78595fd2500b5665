//! Keys are replaced while tasks run: rows 13 and 14 of the fault matrix.

use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cortex_core::ErrorKind;
use cortex_core::registry::NodeChange;
use cortex_core::ring::Act;
use cortex_core::task::State;
use cortex_core::task::TaskSpec;
use cortex_hub_lib::TrustState;
use cortex_hub_lib::trust::Purpose;
use cortex_node_lib::NodeBuilder;
use cortex_node_lib::config::Environment;
use cortex_node_lib::config::NodeConfig;
use tokio_util::sync::CancellationToken;

use crate::sandbox::RunningNode;
use crate::sandbox::Sandbox;
use crate::sandbox::wait;

const WHOLE: [Act; 4] = [Act::Prepare, Act::Activate, Act::Taint, Act::Revoke];

impl Sandbox {
    /// Takes a step; a tainted key is revoked at once.
    async fn turn(&self, purpose: Purpose, act: Act) -> TrustState {
        let force = act == Act::Revoke;
        self.hub.turn_trust(&self.admin(), purpose, act, force).await.expect("the step is taken")
    }

    /// Waits until this many nodes are connected and have the newest keys.
    async fn settled(&self, nodes: usize) -> TrustState {
        let settled = async {
            loop {
                let state = self.hub.trust_state(&self.admin()).expect("an admin may look");
                if state.nodes_online == nodes && state.nodes_behind.is_empty() {
                    return state;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        wait(settled).await
    }

    /// Replaces the keys of a purpose, from the first step to the last.
    pub(crate) async fn rotate(&self, purpose: Purpose, nodes: usize) {
        for act in WHOLE {
            self.settled(nodes).await;
            // A node that connects again just now is behind for a moment.
            let turned = self.hub.turn_trust(&self.admin(), purpose, act, true).await;
            turned.expect("the step is taken");
        }
    }

    async fn start_again(&self, name: &str) -> RunningNode {
        self.start_node(&self.path(&format!("{name}.yaml")), name, |builder| builder).await
    }
}

/// Copies the hub's secrets as they are, into a data directory for another hub.
fn steal_secrets(sandbox: &Sandbox, name: &str) -> PathBuf {
    let (from, to) = (sandbox.path("hub/trust"), sandbox.path(name).join("trust"));
    std::fs::create_dir_all(&to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    for folder in [to.parent().unwrap(), &to] {
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(folder, private).unwrap();
    }
    sandbox.path(name)
}

/// Lets an enrolled node dial another hub; returns why it does not connect.
async fn misled(sandbox: &Sandbox, name: &str, port: u16) -> cortex_core::Error {
    let path = sandbox.path(&format!("{name}.yaml"));
    let mut config = NodeConfig::load(&path, &Environment::empty()).unwrap().config;
    config.data_dir = sandbox.path(&format!("{name}-data"));
    config.hub.grpc_port = port;
    let (_node, driver) = NodeBuilder::new(config.reconnect_limit(1)).build().unwrap();
    let running = Box::pin(driver.run(CancellationToken::new()));
    wait(running).await.expect_err("the node does not connect")
}

fn kept_bundle(sandbox: &Sandbox, name: &str) -> Vec<u8> {
    std::fs::read(sandbox.path(&format!("{name}-data")).join("trust.bundle")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn row_13_a_ca_rotation_with_restarts_in_each_phase_fails_no_task() {
    let mut sandbox = Sandbox::start().await;
    let mut node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let stolen = steal_secrets(&sandbox, "stolen");
    let gate = sandbox.path("gate");
    let status = std::process::Command::new("mkfifo").arg(&gate).status().unwrap();
    assert!(status.success());
    let there_and_back =
        [Act::Prepare, Act::Rollback, Act::Prepare, Act::Activate, Act::Rollback, Act::Activate];
    let late_back = [Act::Taint, Act::Rollback, Act::Activate, Act::Taint, Act::Revoke];
    for act in there_and_back.into_iter().chain(late_back) {
        sandbox.settled(1).await;
        // It runs through the step and the hub's restart.
        let spec = TaskSpec::argv(["cat", gate.to_str().unwrap()]);
        let spanning = sandbox.submit(session, spec).await;
        sandbox.turn(Purpose::Ca, act).await;
        let ended = sandbox.run(session, TaskSpec::argv(["true"])).await;
        assert_eq!(ended.state, State::Succeeded, "after {act}");
        sandbox = sandbox.restart().await;
        drop(wait(tokio::fs::OpenOptions::new().write(true).open(&gate)).await.unwrap());
        assert_eq!(sandbox.finish(&spanning).await.state, State::Succeeded, "through {act}");
        node.stop().await;
        node = sandbox.start_again("lab").await;
        let ended = sandbox.run(session, TaskSpec::argv(["true"])).await;
        assert_eq!((ended.state, ended.attempt), (State::Succeeded, 1), "restarted after {act}");
    }
    let state = sandbox.settled(1).await;
    assert!(state.rings.iter().all(|ring| ring.keys.len() == 1), "{state:?}");
    node.stop().await;

    // Whoever has the former authority is nobody now, though it has the hub's name and its anchor.
    let thief = Sandbox::with_config(|config| config.data_dir = stolen).await;
    assert_eq!(thief.hub.id(), sandbox.hub.id());
    let error = misled(&sandbox, "lab", thief.port()).await;
    assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "hub_pin_mismatch"));
    thief.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_14_a_node_that_was_away_during_whole_rotations_recovers() {
    let sandbox = Sandbox::start().await;
    let (node, other) = (sandbox.node("lab").await, sandbox.node("other").await);
    let session = sandbox.session(&[&node]).await;
    sandbox.settled(2).await;
    node.stop().await;
    for purpose in [Purpose::Signing, Purpose::Ca, Purpose::Signing, Purpose::Ca] {
        sandbox.rotate(purpose, 1).await;
    }
    let sandbox = sandbox.restart().await;
    let before = kept_bundle(&sandbox, "lab");
    let node = sandbox.start_again("lab").await;
    let ended = sandbox.run(session, TaskSpec::argv(["true"])).await;
    assert_eq!((ended.state, ended.attempt), (State::Succeeded, 1));
    assert_ne!(kept_bundle(&sandbox, "lab"), before);
    sandbox.settled(2).await;
    node.stop().await;
    other.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_14_a_node_that_was_removed_with_keys_that_it_never_saw_believes_it() {
    let sandbox = Sandbox::start().await;
    let (node, other) = (sandbox.node("lab").await, sandbox.node("other").await);
    node.stop().await;
    // The authority stays: the node has no other reason to ask for its bundle.
    sandbox.rotate(Purpose::Signing, 1).await;
    sandbox.hub.amend_node(&sandbox.who, "lab", vec![NodeChange::Retire]).await.unwrap();
    let removed = sandbox.launch(&sandbox.path("lab.yaml"), "lab", |builder| builder);
    assert_eq!(removed.ended().await.unwrap_err().code(), "node_revoked");
    for name in ["identity.key", "enrolment.json", "trust.bundle"] {
        assert!(!sandbox.path("lab-data").join(name).exists(), "{name} is erased");
    }
    other.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_14_an_older_and_a_forged_bundle_are_refused() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    sandbox.settled(1).await;
    // Both know the authority that is about to go; one has the true anchor, one its own.
    let (older, forged) = (steal_secrets(&sandbox, "older"), steal_secrets(&sandbox, "forged"));
    sandbox.rotate(Purpose::Ca, 1).await;
    sandbox.settled(1).await;
    node.stop().await;
    let kept = kept_bundle(&sandbox, "lab");
    let stranger = Sandbox::start().await;
    let anchor = Path::new("trust/anchor.key.pem");
    std::fs::copy(stranger.path("hub").join(anchor), forged.join(anchor)).unwrap();
    let rings = forged.join("trust/rings.json");
    let text = std::fs::read_to_string(&rings).unwrap();
    std::fs::write(&rings, text.replace("\"serial\": 1", "\"serial\": 999")).unwrap();
    for data_dir in [older, forged] {
        let thief = Sandbox::with_config(|config| config.data_dir = data_dir.clone()).await;
        let error = misled(&sandbox, "lab", thief.port()).await;
        assert_eq!(error.code(), "hub_pin_mismatch", "{}", data_dir.display());
        assert_eq!(kept_bundle(&sandbox, "lab"), kept, "{}", data_dir.display());
        thief.stop().await;
    }
    // The node is none the worse for it.
    let node = sandbox.start_again("lab").await;
    node.stop().await;
    stranger.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_13_keys_turn_under_load_without_a_failed_task() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let (over, session) = (AtomicBool::new(false), session);
    let work = async {
        let mut done = 0;
        while !over.load(Ordering::Relaxed) {
            let tasks = (0..8).map(|_| sandbox.run(session, TaskSpec::argv(["true"])));
            for ended in futures::future::join_all(tasks).await {
                assert_eq!((ended.state, ended.attempt), (State::Succeeded, 1));
                done += 1;
            }
        }
        done
    };
    let turning = async {
        for _ in 0..3 {
            sandbox.rotate(Purpose::Signing, 1).await;
            sandbox.rotate(Purpose::Ca, 1).await;
        }
        // Nobody waits for the node here: it is told in time all the same.
        let admin = sandbox.admin();
        for act in [Act::Prepare, Act::Activate, Act::Taint, Act::Rollback, Act::Activate] {
            sandbox.hub.turn_trust(&admin, Purpose::Signing, act, true).await.unwrap();
        }
        over.store(true, Ordering::Relaxed);
    };
    let (done, ()) = tokio::join!(work, turning);
    assert!(done > 0);
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_13_a_whole_life_with_spans_of_seconds() {
    let sandbox = Sandbox::with_config(|config| {
        (config.rotation.ca_overlap_s, config.rotation.signing_overlap_s) = (1, 1);
    })
    .await;
    let node = sandbox.node("lab").await;
    let first = node.node.id();
    let session = sandbox.session(&[&node]).await;
    for purpose in Purpose::ALL {
        for act in [Act::Prepare, Act::Activate, Act::Taint] {
            sandbox.settled(1).await;
            sandbox.turn(purpose, act).await;
            let ended = sandbox.run(session, TaskSpec::argv(["true"])).await;
            assert_eq!(ended.state, State::Succeeded, "{purpose} {act}");
        }
        // The former key's time ends, and nobody has to do anything.
        wait(async {
            while sandbox.settled(1).await.rings.iter().any(|ring| ring.keys.len() > 1) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        let ended = sandbox.run(session, TaskSpec::argv(["true"])).await;
        assert_eq!(ended.state, State::Succeeded, "{purpose} is replaced");
    }
    sandbox.hub.amend_node(&sandbox.who, "lab", vec![NodeChange::Retire]).await.unwrap();
    assert_eq!(node.ended().await.map_err(|error| error.kind()), Err(ErrorKind::Denied));
    let config = sandbox.invite("lab").await;
    let node = sandbox.start_node(&config, "lab-again", |builder| builder).await;
    assert_ne!(node.node.id(), first);
    let names = ["lab".to_owned()];
    let session = sandbox.hub.create_session(&sandbox.who, None, &names).await.unwrap().id;
    let ended = sandbox.run(session, TaskSpec::argv(["true"])).await;
    assert_eq!(ended.state, State::Succeeded);
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_admin_turns_keys_and_not_before_the_nodes_know_them() {
    let sandbox = Sandbox::start().await;
    let refused = sandbox.hub.trust_state(&sandbox.who).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Denied);
    let turn = sandbox.hub.turn_trust(&sandbox.who, Purpose::Ca, Act::Prepare, true);
    assert_eq!(turn.await.unwrap_err().kind(), ErrorKind::Denied);

    // A node whose configuration has no trust anchor takes no bundle.
    let config = sandbox.invite("old").await;
    let text = std::fs::read_to_string(&config).unwrap();
    let lines = text.lines().filter(|line| !line.contains("trust_anchor"));
    std::fs::write(&config, lines.collect::<Vec<_>>().join("\n")).unwrap();
    let node = sandbox.start_node(&config, "old", |builder| builder).await;
    sandbox.turn(Purpose::Ca, Act::Prepare).await;
    let admin = sandbox.admin();
    let refused = sandbox.hub.turn_trust(&admin, Purpose::Ca, Act::Activate, false).await;
    let refused = refused.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::Precondition, "nodes_behind"));
    assert!(refused.message().ends_with(": old"), "{refused}");
    sandbox.hub.turn_trust(&admin, Purpose::Ca, Act::Activate, true).await.unwrap();
    sandbox.turn(Purpose::Ca, Act::Taint).await;
    let early = sandbox.hub.turn_trust(&admin, Purpose::Ca, Act::Revoke, false).await;
    assert_eq!(early.unwrap_err().code(), "still_accepted");
    node.stop().await;
    sandbox.stop().await;
}
