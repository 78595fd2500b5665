//! Rows of nodes and invites.

use cortex_core::capability::Capabilities;
use cortex_core::timestamp::Timestamp;
use cortex_proto::json::GrantInfo;
use cortex_proto::json::HealthInfo;
use cortex_proto::json::InviteInfo;
use cortex_proto::json::NodeInfo;

use crate::output::row::labels;
use crate::output::span;
use crate::output::style::Tone;
use crate::output::table::Cell;
use crate::output::table::Row;

impl Row for NodeInfo {
    const TITLES: &'static [&'static str] =
        &["NAME", "STATUS", "TASKS", "OS", "VERSION", "LAST SEEN", "OWNER"];

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        let os = capabilities(self).map(|stated| format!("{}/{}", stated.os.family, stated.arch));
        vec![
            Cell::plain(&self.name),
            status(self, now),
            slots(self),
            Cell::maybe(os),
            Cell::plain(&self.version),
            last_seen(self, now),
            owner(self),
        ]
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        let mut out = vec![
            ("Name", Cell::plain(&self.name)),
            ("Id", Cell::plain(&self.id)),
            ("Owner", owner(self)),
            ("Status", status(self, now)),
            ("Last seen", last_seen(self, now)),
            ("Slots", slots(self)),
            ("Enrolled", Cell::plain(&self.enrolled_at)),
            ("Version", Cell::plain(&self.version)),
            ("Labels", labels(&self.labels)),
        ];
        if let Some(stated) = capabilities(self) {
            out.extend(machine(&stated));
        }
        if let Some(health) = &self.health {
            out.extend(load(health));
        }
        out
    }

    fn key(&self) -> &str {
        &self.name
    }
}

/// The owner, and for what they share the node where it is not one's own.
fn owner(node: &NodeInfo) -> Cell {
    match node.access.as_str() {
        "" | "own" => Cell::plain(&node.owner_name),
        access => Cell::plain(format!("{} ({access})", node.owner_name)),
    }
}

impl Row for GrantInfo {
    const TITLES: &'static [&'static str] = &["USER", "ACCESS", "ID"];

    fn cells(&self, _: Timestamp) -> Vec<Cell> {
        vec![Cell::plain(&self.name), Cell::plain(&self.access), Cell::plain(&self.user)]
    }

    fn details(&self, _: Timestamp) -> Vec<(&'static str, Cell)> {
        vec![
            ("User", Cell::plain(&self.name)),
            ("Id", Cell::plain(&self.user)),
            ("Access", Cell::plain(&self.access)),
        ]
    }

    fn key(&self) -> &str {
        &self.name
    }
}

fn capabilities(node: &NodeInfo) -> Option<Capabilities> {
    serde_json::from_value(node.capabilities.clone()?).ok()
}

/// Shape, word and span; `cordoned` and `locked` behind them.
fn status(node: &NodeInfo, now: Timestamp) -> Cell {
    let (dot, tone) = match node.status.as_str() {
        "online" => ("●", Tone::Good),
        "offline" => ("■", Tone::Bad),
        "pending" => ("○", Tone::Dim),
        "revoked" => ("⊘", Tone::Bad),
        _ => ("▲", Tone::Warn),
    };
    let mut text = format!("{dot} {}", node.status);
    if let Some(span) = span::between(node.since.as_deref(), now) {
        text.push(' ');
        text.push_str(&span);
    }
    let locked = match node.lock_reason.as_deref() {
        Some("cloned") => "locked: a copy of it is in use",
        Some("flapping") => "locked: two processes have its identity",
        _ => "locked",
    };
    for (holds, word) in [(node.cordoned, "cordoned"), (node.locked, locked)] {
        if holds {
            text.push_str(", ");
            text.push_str(word);
        }
    }
    let tone = if node.cordoned && tone == Tone::Good { Tone::Warn } else { tone };
    Cell::new(text, tone)
}

/// How many of its slots are taken.
fn slots(node: &NodeInfo) -> Cell {
    let tone = if node.tasks_open < node.slots { Tone::Plain } else { Tone::Warn };
    Cell::new(format!("{}/{}", node.tasks_open, node.slots), tone)
}

fn last_seen(node: &NodeInfo, now: Timestamp) -> Cell {
    // The hub says who is online; the time of the last heartbeat would only blur it.
    match node.status.as_str() {
        "online" => Cell::plain("now"),
        _ => Cell::plain(span::ago(node.last_seen.as_deref(), now)),
    }
}

fn machine(stated: &Capabilities) -> Vec<(&'static str, Cell)> {
    let os = format!("{} {}", stated.os.name, stated.os.version);
    let machine =
        format!("{}, {} cores, {}", stated.arch, stated.cores, span::bytes(stated.memory_bytes));
    let runtimes =
        stated.runtimes.iter().map(|runtime| with_version(&runtime.name, &runtime.version));
    let skills = stated.skills.iter().map(|skill| with_version(&skill.name, &skill.version));
    let gpus = stated.gpus.iter().map(|gpu| gpu.name.clone());
    vec![
        ("OS", Cell::plain(os.trim())),
        ("Kernel", Cell::plain(&stated.kernel)),
        ("Machine", Cell::plain(machine)),
        ("GPUs", Cell::plain(gpus.collect::<Vec<_>>().join(", "))),
        ("Runtimes", Cell::plain(runtimes.collect::<Vec<_>>().join(", "))),
        ("Skills", Cell::plain(skills.collect::<Vec<_>>().join(", "))),
    ]
}

/// A name with its version, where that is known.
fn with_version(name: &str, version: &str) -> String {
    format!("{name} {version}").trim_end().to_owned()
}

fn load(health: &HealthInfo) -> Vec<(&'static str, Cell)> {
    let used = |used: u64, total: u64| format!("{} of {}", span::bytes(used), span::bytes(total));
    let disk_used = health.disk_total.saturating_sub(health.disk_free);
    vec![
        ("CPU", Cell::plain(format!("{:.0} %, load {:.2}", health.cpu_percent, health.load_one))),
        ("Memory", Cell::plain(used(health.memory_used, health.memory_total))),
        ("Disk", Cell::plain(used(disk_used, health.disk_total))),
        ("Tasks", Cell::plain(format!("{} running", health.tasks_running))),
    ]
}

impl Row for InviteInfo {
    const TITLES: &'static [&'static str] = &["ID", "NAME", "STATE", "EXPIRES", "NODE"];

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        vec![
            Cell::plain(&self.id),
            Cell::plain(&self.name),
            invite_state(self),
            expiry(self, now),
            Cell::maybe(self.node.as_ref()),
        ]
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        vec![
            ("Id", Cell::plain(&self.id)),
            ("Name", Cell::plain(&self.name)),
            ("State", invite_state(self)),
            ("Labels", labels(&self.labels)),
            ("Created", Cell::plain(&self.created_at)),
            ("Expires", expiry(self, now)),
            ("Node", Cell::maybe(self.node.as_ref())),
        ]
    }

    fn key(&self) -> &str {
        &self.id
    }
}

fn invite_state(invite: &InviteInfo) -> Cell {
    let tone = match invite.state.as_str() {
        "open" => Tone::Good,
        "used" => Tone::Plain,
        _ => Tone::Dim,
    };
    Cell::new(&invite.state, tone)
}

fn expiry(invite: &InviteInfo, now: Timestamp) -> Cell {
    match invite.state.as_str() {
        "open" => Cell::plain(span::until(Some(&invite.expires_at), now)),
        _ => Cell::plain("-"),
    }
}
