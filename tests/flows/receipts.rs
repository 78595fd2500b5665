//! What a real node countersigns, read back from a real hub and checked to the last byte.

use std::collections::HashMap;
use std::time::Duration;

use cortex_core::id::NodeId;
use cortex_core::id::SessionId;
use cortex_core::receipt;
use cortex_core::receipt::EndingKind;
use cortex_core::receipt::Output;
use cortex_core::receipt::Receipt;
use cortex_core::receipt::StreamHash;
use cortex_core::task::State;
use cortex_core::task::Stream;
use cortex_core::task::TaskSpec;
use cortex_hub_lib::ReceiptPart;

use crate::sandbox::Sandbox;

fn sh(script: &str) -> TaskSpec {
    TaskSpec::argv(["sh", "-c", script])
}

/// Reads a session's receipts as `cortex-cli audit verify` does, and checks everything about them.
pub(crate) async fn verified(sandbox: &Sandbox, session: SessionId) -> Vec<Receipt> {
    let opened = sandbox.hub.receipts(&sandbox.who, &session.to_string(), true).await;
    let mut reader = opened.unwrap();
    let mut nodes: HashMap<NodeId, Vec<[u8; 32]>> = HashMap::new();
    let mut found: Vec<(Receipt, [StreamHash; 2])> = Vec::new();
    let mut chain = receipt::chain_of(session);
    while let Some(part) = reader.next().await.unwrap() {
        match part {
            ReceiptPart::Node { id, identity } => {
                nodes.entry(id).or_default().push(identity.key);
            }
            ReceiptPart::Receipt { task, signed } => {
                let receipt = signed.read().unwrap();
                assert_eq!((receipt.task, receipt.session), (task, session));
                assert_eq!(receipt.hub, sandbox.hub.id());
                let keys = &nodes[&receipt.node];
                assert!(keys.iter().any(|key| signed.verify(key).is_ok()), "{receipt:?}");
                chain = signed.extend(chain);
                found.push((receipt, Default::default()));
            }
            ReceiptPart::Output { stream, data, .. } => {
                found.last_mut().unwrap().1[stream as usize].update(&data);
            }
        }
    }
    assert_eq!(chain, reader.end());
    for (receipt, [out, err]) in &found {
        if let Output::Known { stdout, stderr } = receipt.output {
            assert_eq!(
                (out.clone().finish(stdout.cut), err.clone().finish(stderr.cut)),
                (stdout, stderr)
            );
        }
    }
    found.into_iter().map(|(receipt, _)| receipt).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_is_countersigned_with_all_the_output() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    // Long enough for a file of its own on the hub.
    let long = "head -c 300000 /dev/zero | tr '\\0' x; echo wrong >&2; exit 7";
    for spec in [TaskSpec::argv(["true"]), sh(long), TaskSpec::argv(["no-such-program"])] {
        sandbox.run(session, spec).await;
    }
    let killed = sandbox.submit(session, sh("echo on; sleep 300")).await;
    while sandbox.hub.task(&sandbox.who, killed.id).await.unwrap().output.stdout.stored == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    sandbox.hub.cancel(&sandbox.who, killed.id, "enough").await.unwrap();
    assert_eq!(sandbox.finish(&killed).await.state, State::Cancelled);
    let receipts = verified(&sandbox, session).await;
    let kinds: Vec<_> =
        receipts.iter().map(|receipt| (receipt.ending.kind, receipt.ending.number)).collect();
    let expected = [
        (EndingKind::Exited, 0),
        (EndingKind::Exited, 7),
        (EndingKind::Broken, 0),
        (EndingKind::Cancelled, kinds[3].1),
    ];
    assert_eq!(kinds, expected);
    let Output::Known { stdout, stderr } = receipts[1].output else { panic!("it is known") };
    assert_eq!((stdout.len, stderr.len), (300_000, 6));
    // The chain goes on after a restart of the hub.
    let sandbox = sandbox.restart().await;
    // The node may be on its way back.
    let mut again = TaskSpec::argv(["true"]);
    again.queue = true;
    sandbox.run(session, again).await;
    assert_eq!(verified(&sandbox, session).await.len(), 5);
    let output = sandbox.hub.output(&sandbox.who, killed.id, Stream::Stdout, 0, 9).await.unwrap();
    assert_eq!(output.data, &b"on\n"[..]);
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_crashed_states_that_it_forgot_the_output() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let task = sandbox.submit(session, sh("echo on; sleep 300")).await;
    while sandbox.hub.task(&sandbox.who, task.id).await.unwrap().output.stdout.stored == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    node.crash(&sandbox.path("lab-data")).await;
    let node = sandbox.restart_node("lab");
    assert_eq!(sandbox.finish(&task).await.state, State::Interrupted);
    let receipts = verified(&sandbox, session).await;
    let [receipt] = receipts.as_slice() else { panic!("{receipts:?}") };
    assert_eq!((receipt.ending.kind, receipt.output), (EndingKind::Interrupted, Output::Forgotten));
    node.stop().await;
    sandbox.stop().await;
}
