//! A node is back and says what it knows: what became of the tasks that were handed to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use cortex_core::id::NodeId;
use cortex_core::id::TaskId;
use cortex_core::report::KnownAttempt;
use cortex_core::task::Outcome;
use cortex_core::task::State;
use cortex_core::task::Task;

use super::Dispatch;

/// What is to be done about one task.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// The node never got it: send it.
    Send(Arc<Task>),
    /// The node has it and must be told to end it.
    Cancel(Arc<Task>),
    /// The node does not know it any more: it ends like this.
    End(Arc<Task>, Outcome),
    /// The node has an attempt that the hub counts as ended.
    Stop(TaskId, u32),
}

/// Compares what the hub believes to be on a node with what the node knows.
///
/// Sending an assigned attempt again is safe: the node would have listed it had it ever got it,
/// since it forgets an attempt only after the hub has acknowledged its end.
pub(super) fn decide(handed: &[Arc<Task>], known: &[KnownAttempt]) -> Vec<Step> {
    let known: BTreeMap<_, _> = known.iter().map(|one| (one.task, one.attempt)).collect();
    let mut steps = Vec::new();
    for task in handed {
        let is_known = known.get(&task.id) == Some(&task.attempt);
        match task.state {
            State::Assigned if !is_known => steps.push(Step::Send(task.clone())),
            State::Cancelling if is_known => steps.push(Step::Cancel(task.clone())),
            State::Cancelling if task.started_at.is_none() => {
                steps.push(Step::End(task.clone(), Outcome::Cancelled { processes: 0 }));
            }
            State::Running | State::Cancelling if !is_known => {
                let reason = "the node was restarted and knows the task no more".to_owned();
                steps.push(Step::End(task.clone(), Outcome::Interrupted { reason }));
            }
            _ => {}
        }
    }
    let is_handed = |id: &TaskId, attempt: u32| {
        handed.iter().any(|task| task.id == *id && task.attempt == attempt)
    };
    let stray = known.into_iter().filter(|(task, attempt)| !is_handed(task, *attempt));
    steps.extend(stray.map(|(task, attempt)| Step::Stop(task, attempt)));
    steps
}

impl Dispatch {
    /// Brings hub and node to the same view, then hands out what waits for the node.
    pub(crate) async fn reconcile(&self, node: NodeId, known: &[KnownAttempt]) {
        self.open.node_returned(node);
        // What an earlier stream offered, this one knows nothing of.
        self.withdraw_offers(node);
        for step in decide(&self.open.on_node(node), known) {
            match step {
                Step::Send(task) => self.hand_over(&task).await,
                Step::Cancel(task) => self.send_cancel(&task, "asked for while the node was away"),
                Step::End(task, outcome) => {
                    if let Err(error) = self.append_event(&task, task.after(outcome)).await {
                        tracing::warn!(task = %task.id, %error, "cannot end task");
                    }
                }
                Step::Stop(task, attempt) => self.stop(node, task, attempt),
            }
        }
        self.send_inputs_again(node);
        self.pool.note_hearing(node);
        self.ring();
    }
}
