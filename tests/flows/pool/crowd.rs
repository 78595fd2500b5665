//! Many tasks over many nodes, some of which are killed on the way.
//!
//! `CORTEX_CROWD=10000x50x10` is the full size: tasks, nodes, and how many of these are killed.

use std::collections::BTreeSet;
use std::sync::Arc;

use cortex_core::task::State;
use cortex_core::task::Task;
use tokio::task::JoinSet;

use super::Gate;
use super::slotted;
use crate::sandbox::Sandbox;

/// Slots of each node.
const SLOTS: u32 = 4;

/// Of so many tasks, one may be tried only once.
const ONCE_EVERY: usize = 20;

/// Tasks, nodes, and how many of the nodes are killed.
fn size() -> (usize, usize, usize) {
    let asked = std::env::var("CORTEX_CROWD").unwrap_or_else(|_| "600x8x2".to_owned());
    let numbers: Vec<usize> =
        asked.split('x').map(|number| number.parse().expect("TASKSxNODESxKILLED")).collect();
    let [tasks, nodes, killed] = numbers[..] else { panic!("TASKSxNODESxKILLED, not {asked}") };
    assert!(killed < nodes, "some node has to be left");
    (tasks, nodes, killed)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_tasks_end_once_though_nodes_are_killed_on_the_way() {
    let (count, nodes, killed) = size();
    let sandbox = Sandbox::with_config(|config| config.limits.node_grace_s = 1).await;
    let gate = Gate::default();
    let mut crowd = Vec::new();
    for number in 0..nodes {
        crowd.push(slotted(&sandbox, &format!("node-{number}"), SLOTS, &gate).await);
    }
    let session = sandbox.session(&crowd.iter().collect::<Vec<_>>()).await;
    let sandbox = Arc::new(sandbox);
    // Those who are killed are killed while all of their slots are taken.
    let tasks = submit_all(&sandbox, session, count).await;
    gate.entered(nodes * SLOTS as usize).await;
    let survivors = crowd.split_off(killed);
    for victim in crowd {
        let data = sandbox.path(&format!("{}-data", victim.name));
        victim.crash(&data).await;
    }
    gate.open();
    let mut ends = Vec::new();
    for task in &tasks {
        ends.push(sandbox.finish(task).await);
    }
    let lost: Vec<_> = ends.iter().filter(|task| task.state != State::Succeeded).collect();
    for task in &lost {
        assert!(matches!(task.state, State::Interrupted | State::Lost), "{task:?}");
        assert_eq!(task.spec.delivery.attempts, 1, "{task:?}");
    }
    assert!(lost.len() <= killed * SLOTS as usize, "{} are lost", lost.len());
    let again = ends.iter().filter(|task| task.spent > 0).count();
    assert_eq!(lost.len() + again, killed * SLOTS as usize);
    assert_eq!(ends.iter().map(|task| task.id).collect::<BTreeSet<_>>().len(), count);
    gate.assert_each_once();
    let starts = gate.starts();
    for task in &ends {
        let attempts = starts.keys().filter(|(id, _)| *id == task.id).count();
        assert_eq!(attempts, 1 + usize::from(task.spent), "{task:?}");
    }
    for node in survivors {
        node.stop().await;
    }
    Arc::into_inner(sandbox).expect("nobody else has it").stop().await;
}

/// Submits from several places at once.
async fn submit_all(
    sandbox: &Arc<Sandbox>,
    session: cortex_core::id::SessionId,
    count: usize,
) -> Vec<Arc<Task>> {
    let mut lanes = JoinSet::new();
    for lane in 0..16 {
        let sandbox = Arc::clone(sandbox);
        lanes.spawn(async move {
            let mut tasks = Vec::new();
            for number in (lane..count).step_by(16) {
                let mut spec = Gate::task();
                spec.delivery.attempts = if number % ONCE_EVERY == 0 { 1 } else { 2 };
                tasks.push(sandbox.submit(session, spec).await);
            }
            tasks
        });
    }
    lanes.join_all().await.into_iter().flatten().collect()
}
