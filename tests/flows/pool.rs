//! The work pool: slots, turns, deadlines, drains, and nodes that are lost on the way.

mod crowd;
mod gate;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use cortex_core::id::SessionId;
use cortex_core::placement::Objection;
use cortex_core::task::Outcome;
use cortex_core::task::State;
use cortex_core::task::Task;
use cortex_core::timestamp::Timestamp;
use cortex_hub_lib::Fitness;
use cortex_hub_lib::TaskDraft;

use crate::sandbox::RunningNode;
use crate::sandbox::Sandbox;
use crate::sandbox::wait;

use gate::Gate;

/// A node with so many slots and the gate's skill.
async fn slotted(sandbox: &Sandbox, name: &str, slots: u32, gate: &Gate) -> RunningNode {
    let config = sandbox.invite(name).await;
    let skill = gate.skill();
    let running = sandbox.launch_with(
        &config,
        name,
        |config| config.max_tasks(slots),
        |builder| builder.skill(skill),
    );
    wait(running.node.wait_online()).await.expect("the node comes online");
    running
}

/// Submits tasks of the gate to whatever node.
async fn submit(sandbox: &Sandbox, session: SessionId, count: usize) -> Vec<Arc<Task>> {
    let mut tasks = Vec::new();
    for _ in 0..count {
        tasks.push(sandbox.submit(session, Gate::task()).await);
    }
    tasks
}

async fn state(sandbox: &Sandbox, task: &Task) -> State {
    sandbox.hub.task(&sandbox.who, task.id).await.unwrap().state
}

async fn finish_all(sandbox: &Sandbox, tasks: &[Arc<Task>]) {
    for task in tasks {
        assert_eq!(sandbox.finish(task).await.state, State::Succeeded);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_gets_no_more_tasks_than_it_has_slots_and_the_rest_waits_on_the_hub() {
    let (sandbox, gate) = (Sandbox::start().await, Gate::default());
    let node = slotted(&sandbox, "lab", 2, &gate).await;
    let session = sandbox.session(&[&node]).await;
    let tasks = submit(&sandbox, session, 5).await;
    gate.entered(2).await;
    let shown = sandbox.hub.node(&sandbox.who, "lab").await.unwrap();
    assert_eq!((shown.slots(), sandbox.hub.open_tasks_on(shown.id)), (2, 2));
    let mut queued = Vec::new();
    for task in &tasks {
        if state(&sandbox, task).await == State::Queued {
            queued.push(sandbox.hub.waiting(&sandbox.who, task.id).await.unwrap().unwrap());
        }
    }
    let standing: Vec<_> = queued.iter().map(|one| (one.ahead, one.code)).collect();
    assert_eq!(standing, [(0, "slot"), (1, "slot"), (2, "slot")]);
    let last = tasks.last().unwrap().id;
    let why = sandbox.hub.explain_task(&sandbox.who, last).await.unwrap();
    assert_eq!((why.waiting.as_ref().unwrap().ahead, why.place.is_none()), (2, true));
    assert_eq!(why.message(), "it waits: all slots of the nodes that could take it are taken");
    let [lab] = &why.nodes[..] else { panic!("one node is attached: {why:?}") };
    assert_eq!(lab.objections, [Objection::Full { slots: 2 }]);
    let first = sandbox.hub.explain_task(&sandbox.who, tasks[0].id).await.unwrap();
    let placed = "it is on node \"lab\": the task may go to any node of its session";
    assert_eq!((first.message().as_str(), first.nodes.len()), (placed, 0));
    // A task that names the node waits for its turn like the others.
    let draft = TaskDraft { spec: Gate::task(), node: Some("lab".into()) };
    let key = session.to_string();
    let named = sandbox.hub.submit(&sandbox.who, &key, draft, None).await.unwrap();
    assert_eq!(named.state, State::Queued);
    gate.open();
    finish_all(&sandbox, &tasks).await;
    finish_all(&sandbox, &[named]).await;
    assert_eq!(gate.most_at_once(), 2);
    gate.assert_each_once();
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ones_own_tasks_the_most_urgent_goes_first() {
    let (sandbox, gate) = (Sandbox::start().await, Gate::default());
    let node = slotted(&sandbox, "lab", 1, &gate).await;
    let session = sandbox.session(&[&node]).await;
    let first = sandbox.submit(session, Gate::task()).await;
    gate.entered(1).await;
    let mut tasks = Vec::new();
    for priority in [1, 200, 128] {
        let mut spec = Gate::task();
        spec.delivery.priority = priority;
        tasks.push(sandbox.submit(session, spec).await);
    }
    gate.open();
    finish_all(&sandbox, &tasks).await;
    assert_eq!(gate.order(), [first.id, tasks[1].id, tasks[2].id, tasks[0].id]);
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_more_tasks_on_nodes_than_the_quota_allows() {
    let sandbox = Sandbox::with_config(|config| config.limits.running_tasks = 2).await;
    let gate = Gate::default();
    let node = slotted(&sandbox, "lab", 8, &gate).await;
    let session = sandbox.session(&[&node]).await;
    let tasks = submit(&sandbox, session, 6).await;
    gate.entered(2).await;
    let last = tasks.last().unwrap();
    let waiting = sandbox.hub.waiting(&sandbox.who, last.id).await.unwrap().unwrap();
    assert_eq!(waiting.code, "quota");
    let why = sandbox.hub.explain_task(&sandbox.who, last.id).await.unwrap();
    assert!(why.nodes[0].objections.is_empty(), "{why:?}");
    gate.open();
    finish_all(&sandbox, &tasks).await;
    assert_eq!(gate.most_at_once(), 2);
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_each_node_a_task_that_waits_says_why_it_is_not_there() {
    let (sandbox, gate) = (Sandbox::start().await, Gate::default());
    let busy = slotted(&sandbox, "busy", 1, &gate).await;
    let closed = slotted(&sandbox, "closed", 1, &gate).await;
    let gone = slotted(&sandbox, "gone", 1, &gate).await;
    let config = sandbox.invite("other").await;
    let other = sandbox.start_node(&config, "other", |builder| builder).await;
    let session = sandbox.session(&[&busy, &closed, &gone, &other]).await;
    sandbox.hub.drain_node(&sandbox.who, "closed", None).await.unwrap();
    gone.stop().await;
    let running = sandbox.submit(session, Gate::task()).await;
    gate.entered(1).await;
    let waits = sandbox.submit(session, Gate::task()).await;
    let why = sandbox.hub.explain_task(&sandbox.who, waits.id).await.unwrap();
    let words = |fit: &Fitness| {
        let words: Vec<_> = fit.objections.iter().map(Objection::word).collect();
        (fit.name.clone(), words.join(" "))
    };
    let mut nodes: Vec<_> = why.nodes.iter().map(words).collect();
    nodes.sort();
    let expected =
        [("busy", "full"), ("closed", "cordoned"), ("gone", "offline"), ("other", "skill")];
    let expected = expected.map(|(name, why)| (name.to_owned(), why.to_owned()));
    assert_eq!(nodes, expected);
    assert_eq!(why.nodes[0].name, "busy");
    gate.open();
    finish_all(&sandbox, &[running, waits]).await;
    for node in [busy, closed, other] {
        node.stop().await;
    }
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_a_task_that_waits_and_one_that_runs() {
    let (sandbox, gate) = (Sandbox::start().await, Gate::default());
    let node = slotted(&sandbox, "lab", 1, &gate).await;
    let session = sandbox.session(&[&node]).await;
    let within = |millis| {
        let now: Timestamp = std::time::SystemTime::now().into();
        let mut spec = Gate::task();
        spec.delivery.deadline = Some(now + Duration::from_millis(millis));
        spec
    };
    let running = sandbox.submit(session, within(2_000)).await;
    gate.entered(1).await;
    let waiting = sandbox.submit(session, within(100)).await;
    for task in [&waiting, &running] {
        let ended = sandbox.finish(task).await;
        assert!(matches!(ended.outcome, Some(Outcome::TimedOut { .. })), "{ended:?}");
    }
    let ended = sandbox.hub.task(&sandbox.who, waiting.id).await.unwrap();
    assert_eq!((ended.attempt, ended.started_at), (0, None));
    let mut late = Gate::task();
    late.delivery.deadline = Some(Timestamp::from_millis(1));
    let draft = TaskDraft { spec: late, node: None };
    let refused = sandbox.hub.submit(&sandbox.who, &session.to_string(), draft, None).await;
    assert_eq!(refused.unwrap_err().code(), "bad_task");
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_node_ends_what_it_has_and_the_rest_goes_elsewhere() {
    let (sandbox, gate) = (Sandbox::start().await, Gate::default());
    let lab = slotted(&sandbox, "lab", 1, &gate).await;
    let other = slotted(&sandbox, "other", 1, &gate).await;
    let session = sandbox.session(&[&lab, &other]).await;
    let tasks = submit(&sandbox, session, 4).await;
    gate.entered(2).await;
    let id = lab.node.id().unwrap();
    let drained = sandbox.hub.drain_node(&sandbox.who, "lab", None).await.unwrap();
    assert!(drained.cordoned);
    assert_eq!(sandbox.hub.open_tasks_on(id), 1);
    gate.open();
    finish_all(&sandbox, &tasks).await;
    assert_eq!(sandbox.hub.open_tasks_on(id), 0);
    let mut on_lab = 0;
    for task in &tasks {
        let task = sandbox.hub.task(&sandbox.who, task.id).await.unwrap();
        on_lab += usize::from(task.node == Some(id));
    }
    assert_eq!(on_lab, 1);
    // What does not end by itself is cancelled when the time is over.
    gate.close();
    let stuck = sandbox.submit(session, Gate::task()).await;
    gate.entered(5).await;
    let limit = Some(Duration::from_millis(10));
    sandbox.hub.drain_node(&sandbox.who, "other", limit).await.unwrap();
    assert_eq!(sandbox.finish(&stuck).await.state, State::Cancelled);
    lab.stop().await;
    other.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_node_is_lost_goes_on_elsewhere_where_that_is_wanted() {
    let sandbox = Sandbox::with_config(|config| config.limits.node_grace_s = 1).await;
    let gate = Gate::default();
    let lab = slotted(&sandbox, "lab", 2, &gate).await;
    let session = sandbox.session(&[&lab]).await;
    let mut twice = Gate::task();
    twice.delivery.attempts = 2;
    twice.queue = true;
    let again = sandbox.submit(session, twice).await;
    let once = sandbox.submit(session, Gate::task()).await;
    gate.entered(2).await;
    let other = slotted(&sandbox, "other", 2, &gate).await;
    sandbox.hub.attach(&sandbox.who, &session.to_string(), "other").await.unwrap();
    lab.crash(&sandbox.path("lab-data")).await;
    assert_eq!(sandbox.finish(&once).await.state, State::Interrupted);
    gate.entered(3).await;
    gate.open();
    let ended = sandbox.finish(&again).await;
    assert_eq!((ended.state, ended.attempt, ended.spent), (State::Succeeded, 2, 1));
    assert_eq!(ended.node, other.node.id());
    gate.assert_each_once();
    other.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_survives_a_restart_of_the_hub() {
    let (sandbox, gate) = (Sandbox::start().await, Gate::default());
    let node = slotted(&sandbox, "lab", 2, &gate).await;
    let session = sandbox.session(&[&node]).await;
    let tasks = submit(&sandbox, session, 40).await;
    gate.entered(2).await;
    let sandbox = sandbox.restart().await;
    gate.open();
    finish_all(&sandbox, &tasks).await;
    gate.assert_each_once();
    node.stop().await;
    sandbox.stop().await;
}
