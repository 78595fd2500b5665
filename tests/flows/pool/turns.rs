//! Who comes late waits for a turn, and not for the whole queue of who came before.

use std::sync::Arc;

use cortex_core::account::Principal;
use cortex_core::id::TaskId;
use cortex_core::node::Grant;
use cortex_core::registry::NodeChange;
use cortex_core::task::Task;
use cortex_hub_lib::TaskDraft;

use super::Gate;
use super::slotted;
use super::submit;
use crate::sandbox::LIMIT;
use crate::sandbox::Sandbox;

/// Tasks of who comes first, and of who comes late.
const MANY: usize = 24;
const FEW: usize = 6;

/// Submits tasks of somebody with whom the node `lab` is shared.
async fn submit_as(sandbox: &Sandbox, who: &Principal, count: usize) -> Vec<Arc<Task>> {
    let change = vec![NodeChange::Grant(who.user, Grant::Use)];
    sandbox.hub.amend_node(&sandbox.who, "lab", change).await.unwrap();
    let lab = sandbox.hub.node(&sandbox.who, "lab").await.unwrap().id.to_string();
    let session = sandbox.hub.create_session(who, None, &[lab]).await.unwrap().id.to_string();
    let mut tasks = Vec::new();
    for _ in 0..count {
        let mut spec = Gate::task();
        // However urgent it is to them: that counts among their own.
        spec.delivery.priority = 0;
        let draft = TaskDraft { spec, node: None };
        tasks.push(sandbox.hub.submit(who, &session, draft, None).await.unwrap());
    }
    tasks
}

/// The tasks in the order in which they began, of a node with so many slots.
async fn order(slots: u32) -> (Vec<TaskId>, Vec<TaskId>) {
    let (sandbox, gate) = (Sandbox::start().await, Gate::default());
    let node = slotted(&sandbox, "lab", slots, &gate).await;
    let session = sandbox.session(&[&node]).await;
    let first = submit(&sandbox, session, MANY).await;
    gate.entered(slots as usize).await;
    let stranger = sandbox.stranger();
    let late = submit_as(&sandbox, &stranger, FEW).await;
    gate.open();
    for task in &first {
        sandbox.finish(task).await;
    }
    for task in &late {
        let ended = sandbox.hub.wait(&stranger, task.id, LIMIT).await.unwrap();
        assert!(ended.state.is_end(), "{ended:?}");
    }
    gate.assert_each_once();
    node.stop().await;
    sandbox.stop().await;
    (gate.order(), late.iter().map(|task| task.id).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_slot_two_users_take_turns() {
    let (order, late) = order(1).await;
    assert_eq!(order.len(), MANY + FEW);
    // Behind the one that had the slot before, each other one, give or take a turn.
    let turns: Vec<bool> = order[1..].iter().map(|task| late.contains(task)).collect();
    for end in 1..=2 * FEW {
        let theirs = turns[..end].iter().filter(|is_late| **is_late).count();
        let others = end - theirs;
        assert!(theirs.abs_diff(others) <= 1, "after {end} turns: {turns:?}");
    }
    assert!(turns[..=2 * FEW].iter().filter(|is_late| **is_late).count() == FEW, "{turns:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_two_slots_who_comes_late_is_not_starved() {
    let (order, late) = order(2).await;
    assert_eq!(order.len(), MANY + FEW);
    // Slots become free one by one or both at once, and two that begin together may change places.
    let last = order.iter().rposition(|task| late.contains(task)).unwrap();
    assert!(last <= 2 * FEW + 4, "the last of {FEW} began as number {last}: {order:?} {late:?}");
}
