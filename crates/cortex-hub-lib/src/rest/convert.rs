//! Values of the core as the shapes of the API.

use std::collections::BTreeMap;

use cortex_core::account::Hold;
use cortex_core::invite::Fate;
use cortex_core::invite::Invite;
use cortex_core::node::Health;
use cortex_core::node::Node;
use cortex_core::session::Session;
use cortex_core::session::SessionStatus;
use cortex_core::task::Gap;
use cortex_core::task::Progress;
use cortex_core::task::PublishedFile;
use cortex_core::task::Task;
use cortex_core::task::Work;
use cortex_core::timestamp::Timestamp;
use cortex_proto::json::FileInfo;
use cortex_proto::json::GapInfo;
use cortex_proto::json::HealthInfo;
use cortex_proto::json::InviteInfo;
use cortex_proto::json::NodeInfo;
use cortex_proto::json::NodeStatusInfo;
use cortex_proto::json::OutputInfo;
use cortex_proto::json::ProgressInfo;
use cortex_proto::json::SessionInfo;
use cortex_proto::json::TaskInfo;

use super::delivery::delivery_info;

/// A node in full, for somebody who holds that much of it.
pub(super) fn node_info(
    node: &Node,
    owner_name: String,
    hold: Option<Hold>,
    tasks_open: u32,
    now: Timestamp,
) -> NodeInfo {
    let stated = node.capabilities.as_ref();
    let mut labels: BTreeMap<_, _> = stated.map(|stated| stated.labels.clone()).unwrap_or_default();
    labels.extend(node.labels.clone());
    NodeInfo {
        id: node.id.to_string(),
        name: node.name.clone(),
        owner: node.owner.to_string(),
        owner_name,
        access: access_word(hold).to_owned(),
        status: node.status(now).word().to_owned(),
        labels,
        cordoned: node.cordoned,
        slots: node.slots(),
        tasks_open,
        locked: node.admission == cortex_core::node::Admission::Locked,
        lock_reason: node.suspicion.map(|suspicion| suspicion.word().to_owned()),
        version: node.version.clone(),
        capabilities: stated
            .map(|stated| stated.without_forms())
            .and_then(|it| serde_json::to_value(it).ok()),
        enrolled_at: node.enrolled_at.to_string(),
        since: text_of(node.presence.since),
        last_seen: text_of(node.presence.last_seen),
        health: node.presence.health.as_ref().map(health_info),
    }
}

fn access_word(hold: Option<Hold>) -> &'static str {
    match hold {
        Some(Hold::Own) => "own",
        Some(Hold::Manage) => "manage",
        Some(Hold::Use) | None => "use",
    }
}

/// Whether a node is there, and how it is.
pub(super) fn node_status(node: &Node, tasks_open: u32, now: Timestamp) -> NodeStatusInfo {
    NodeStatusInfo {
        id: node.id.to_string(),
        name: node.name.clone(),
        status: node.status(now).word().to_owned(),
        since: text_of(node.presence.since),
        last_seen: text_of(node.presence.last_seen),
        health: node.presence.health.as_ref().map(health_info),
        tasks_open,
        slots: node.slots(),
    }
}

/// An invite; its state depends on the time.
pub(super) fn invite_info(invite: &Invite, now: Timestamp) -> InviteInfo {
    let (state, node) = match &invite.fate {
        Fate::Open if now >= invite.expires_at => ("expired", None),
        Fate::Open => ("open", None),
        Fate::Used { node, .. } => ("used", Some(node.to_string())),
        _ => ("withdrawn", None),
    };
    InviteInfo {
        id: invite.id.to_string(),
        name: invite.name.clone(),
        labels: invite.labels.clone(),
        state: state.to_owned(),
        created_at: invite.created_at.to_string(),
        expires_at: invite.expires_at.to_string(),
        node,
    }
}

/// A session.
pub(super) fn session_info(session: &Session) -> SessionInfo {
    let status = match session.status {
        SessionStatus::Open => "open",
        _ => "closed",
    };
    SessionInfo {
        id: session.id.to_string(),
        owner: session.owner.to_string(),
        name: session.name.clone(),
        status: status.to_owned(),
        nodes: session.nodes.iter().map(ToString::to_string).collect(),
        created_at: session.created_at.to_string(),
        closed_at: text_of(session.closed_at),
    }
}

/// A task, without the ends of its output.
pub(super) fn task_info(task: &Task) -> TaskInfo {
    let outcome = task.outcome.as_ref();
    TaskInfo {
        id: task.id.to_string(),
        session: task.session.to_string(),
        by: task.by.to_string(),
        state: task.state.word().to_owned(),
        command: command_of(&task.spec.work),
        node: task.node.as_ref().map(ToString::to_string),
        terminal: task.spec.terminal().is_some(),
        attempt: task.attempt,
        delivery: delivery_info(&task.spec.delivery),
        waiting: None,
        pid: task.pid,
        exit_code: outcome.map(cortex_core::task::Outcome::exit_code),
        summary: outcome.map(cortex_core::task::Outcome::summary),
        outcome: outcome.and_then(|outcome| serde_json::to_value(outcome).ok()),
        output: OutputInfo {
            stdout_bytes: task.output.stdout.arrived(),
            stderr_bytes: task.output.stderr.arrived(),
            dropped_bytes: task.output.dropped(),
            stdout_gap: task.output.stdout.gap().map(gap_info),
            stderr_gap: task.output.stderr.gap().map(gap_info),
        },
        progress: task.progress.as_ref().map(progress_info),
        stdout: None,
        stderr: None,
        created_at: task.created_at.to_string(),
        started_at: text_of(task.started_at),
        ended_at: text_of(task.ended_at),
    }
}

/// A file that a task has published.
pub(super) fn file_info(file: &PublishedFile) -> FileInfo {
    FileInfo { name: file.name.clone(), size: file.size, sha256: file.digest.to_string() }
}

/// How far a task has come.
pub(super) fn progress_info(progress: &Progress) -> ProgressInfo {
    ProgressInfo {
        done: progress.done(),
        total: progress.total(),
        percent: progress.percent(),
        message: progress.message().to_owned(),
    }
}

/// What runs, in short.
pub(super) fn command_of(work: &Work) -> Vec<String> {
    match work {
        Work::Shell(shell) => match &shell.line {
            Some(line) => vec![line.clone()],
            // The node's own, in a terminal.
            None if shell.argv.is_empty() => vec!["$SHELL".to_owned()],
            None => shell.argv.clone(),
        },
        Work::Skill { name, .. } => vec![name.clone()],
        // Kinds of work that come later have a name at least in their own answers.
        _ => Vec::new(),
    }
}

/// What is left out of a stream.
pub(super) fn gap_info(gap: Gap) -> GapInfo {
    GapInfo { from: gap.from, to: gap.to }
}

fn health_info(health: &Health) -> HealthInfo {
    HealthInfo {
        cpu_percent: health.cpu_percent,
        memory_used: health.memory_used,
        memory_total: health.memory_total,
        disk_free: health.disk_free,
        disk_total: health.disk_total,
        load_one: health.load_one,
        tasks_running: health.tasks_running,
    }
}

fn text_of(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use cortex_core::capability::Capabilities;
    use cortex_core::id::InviteId;
    use cortex_core::id::NodeId;
    use cortex_core::id::SessionId;
    use cortex_core::id::TaskId;
    use cortex_core::id::UserId;
    use cortex_core::node::Admission;
    use cortex_core::node::Presence;
    use cortex_core::task::Outcome;
    use cortex_core::task::TaskEvent;
    use cortex_core::task::TaskSpec;

    use super::*;

    #[test]
    fn the_owners_labels_win_over_the_nodes_own() {
        let labels = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            pairs.collect::<BTreeMap<_, _>>()
        };
        let stated = Capabilities {
            labels: labels(&[("zone", "b"), ("gpu", "a100")]),
            ..Capabilities::default()
        };
        let node = Node {
            id: NodeId::from_bytes([1; 16]),
            name: "lab".into(),
            owner: UserId::from_bytes([2; 16]),
            grants: BTreeMap::new(),
            identity: [0; 32],
            former_keys: Vec::new(),
            labels: labels(&[("zone", "a")]),
            admission: Admission::Locked,
            suspicion: None,
            join: cortex_core::node::JoinState::default(),
            cordoned: false,
            capabilities: Some(stated),
            version: "0.1.0".into(),
            enrolled_at: Timestamp::from_millis(0),
            presence: Presence::default(),
        };
        let hold = Some(Hold::Manage);
        let info = node_info(&node, "ada".into(), hold, 3, Timestamp::from_millis(1));
        assert_eq!((info.owner_name.as_str(), info.access.as_str()), ("ada", "manage"));
        assert_eq!(info.labels, labels(&[("gpu", "a100"), ("zone", "a")]));
        assert_eq!((info.status.as_str(), info.locked), ("revoked", true));
        assert_eq!(node_status(&node, 3, Timestamp::from_millis(1)).tasks_open, 3);
    }

    #[test]
    fn an_open_invite_expires() {
        let start = Timestamp::from_millis(0);
        let invite = Invite {
            id: InviteId::from_bytes([1; 16]),
            secret_digest: [0; 32],
            owner: UserId::from_bytes([2; 16]),
            name: "lab".into(),
            labels: BTreeMap::new(),
            created_at: start,
            expires_at: start + Duration::from_secs(1),
            fate: Fate::Open,
        };
        assert_eq!(invite_info(&invite, start).state, "open");
        assert_eq!(invite_info(&invite, start + Duration::from_secs(1)).state, "expired");
    }

    #[test]
    fn an_ended_task_has_an_exit_code_and_a_sentence() {
        let now = Timestamp::from_millis(5);
        let mut task = Task::submitted(
            TaskId::from_bytes([1; 16]),
            SessionId::from_bytes([2; 16]),
            UserId::from_bytes([3; 16]),
            Arc::new(TaskSpec::argv(["sh", "-c", "exit 7"])),
            now,
        );
        assert!(!task_info(&task).is_ended());
        let outcome = Outcome::Exited { code: 7 };
        task.apply(&TaskEvent::ended(0, outcome), now).unwrap();
        let info = task_info(&task);
        assert_eq!((info.state.as_str(), info.exit_code), ("failed", Some(7)));
        assert_eq!(info.summary.as_deref(), Some("exited with 7"));
        assert_eq!(info.command, ["sh", "-c", "exit 7"]);
        assert_eq!(info.outcome.unwrap()["kind"], "exited");
    }
}
