//! What `top` shows, line by line; pure.

use std::time::Duration;

use cortex_core::timestamp::Timestamp;
use cortex_proto::json::MeshNode;
use cortex_proto::json::RateInfo;
use cortex_proto::json::TaskInfo;
use unicode_width::UnicodeWidthChar as _;

use super::Look;
use crate::args::top::Sort;
use crate::output::row;
use crate::output::span;
use crate::output::style::Tone;
use crate::output::style::inert;
use crate::output::style::paint;
use crate::output::table;
use crate::output::table::Cell;

/// Tasks that a screen shows at most, as a share of its rows: one third.
const TASK_SHARE: usize = 3;

/// How much room there is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    cols: usize,
    rows: usize,
}

/// How it is shown.
#[derive(Debug)]
pub(super) struct View {
    sort: Sort,
    has_colors: bool,
    /// Why what is shown is old, if it is.
    pub(super) lost: Option<String>,
}

impl Size {
    pub(super) fn of(cols: u16, rows: u16) -> Self {
        Self { cols: cols.into(), rows: rows.into() }
    }

    /// As much as is needed.
    pub(super) fn unbounded() -> Self {
        Self { cols: usize::MAX, rows: usize::MAX }
    }
}

impl View {
    pub(super) fn new(sort: Sort, has_colors: bool) -> Self {
        Self { sort, has_colors, lost: None }
    }

    pub(super) fn sort(&self) -> Sort {
        self.sort
    }

    pub(super) fn set_sort(&mut self, sort: Sort) {
        self.sort = sort;
    }

    /// The lines, no more and no longer than there is room for.
    pub(super) fn draw(&self, look: &Look, size: &Size, now: Timestamp) -> Vec<String> {
        let mut lines = self.head(look);
        lines.push(String::new());
        let tasks = self.tasks(look, now);
        let room = size.rows.saturating_sub(lines.len());
        let for_tasks = tasks.len().min(room / TASK_SHARE);
        let mut nodes = self.nodes(&look.mesh.nodes);
        let total = look.mesh.node_counts.total as usize;
        let hidden = total.saturating_sub(look.mesh.nodes.len());
        if hidden > 0 {
            nodes.push(self.dim(&format!("and {hidden} more nodes")));
        }
        // A blank line stands between the two tables.
        nodes.truncate(room.saturating_sub(for_tasks + 1));
        lines.append(&mut nodes);
        if for_tasks > 1 {
            lines.push(String::new());
            lines.extend(tasks.into_iter().take(for_tasks));
        }
        lines.truncate(size.rows);
        lines.iter().map(|line| cut(line, size.cols)).collect()
    }

    /// The hub, the counts and the rates.
    fn head(&self, look: &Look) -> Vec<String> {
        let mesh = &look.mesh;
        let uptime = span::short(Duration::from_millis(mesh.hub.uptime_ms));
        let memory = mesh.hub.memory_bytes.map(|used| format!(", {}", span::bytes(used)));
        let hub = match &self.lost {
            None => format!(
                "{} hub {}, up {uptime}{}",
                self.paint("●", Tone::Good),
                inert(&mesh.hub.version),
                memory.unwrap_or_default()
            ),
            Some(reason) => {
                let reason = inert(reason);
                self.paint(&format!("■ the hub is lost, trying again: {reason}"), Tone::Bad)
            }
        };
        let counts = &mesh.node_counts;
        let mut nodes = format!("nodes  {} of {} online", counts.online, counts.total);
        for (count, word) in [
            (counts.offline, "offline"),
            (counts.pending, "pending"),
            (counts.revoked, "locked"),
            (counts.cordoned, "cordoned"),
        ] {
            if count > 0 {
                nodes.push_str(&format!(", {count} {word}"));
            }
        }
        let slots = &mesh.slots;
        let full = slots.taken >= slots.total && slots.total > 0;
        let taken = format!("{} of {} taken", slots.taken, slots.total);
        let tone = if full { Tone::Warn } else { Tone::Plain };
        let slots = format!("slots  {}", self.paint(&taken, tone));
        let tasks = &mesh.tasks;
        let mut open = format!("tasks  {} running, {} waiting", tasks.running, tasks.queued);
        for (count, word) in [(tasks.assigned, "assigned"), (tasks.cancelling, "cancelling")] {
            if count > 0 {
                open.push_str(&format!(", {count} {word}"));
            }
        }
        let rates = |title: &str, rate: &RateInfo| {
            let failed = format!("{:.1} failed", rate.failed);
            let tone = if rate.failed > 0.0 { Tone::Bad } else { Tone::Plain };
            format!(
                "{title}  {:.1} started, {:.1} ended, {}",
                rate.started,
                rate.ended,
                self.paint(&failed, tone)
            )
        };
        vec![
            hub,
            nodes,
            slots,
            open,
            rates("per second, 10 s:", &mesh.rates.ten_seconds),
            rates("per second, 1 min:", &mesh.rates.minute),
        ]
    }

    fn nodes(&self, nodes: &[MeshNode]) -> Vec<String> {
        let title = |title: &str, sort: Option<Sort>| match sort == Some(self.sort) {
            true => Cell::plain(format!("{title}↓")),
            false => Cell::plain(title),
        };
        let mut rows = vec![vec![
            title("NODE", Some(Sort::Name)),
            title("SLOTS", Some(Sort::Tasks)),
            title("CPU", Some(Sort::Cpu)),
            title("MEMORY", Some(Sort::Memory)),
            title("LOAD", Some(Sort::Load)),
            title("VERSION", None),
        ]];
        rows.extend(nodes.iter().map(|node| self.node(node)));
        table::lines(&rows, self.has_colors)
    }

    fn node(&self, node: &MeshNode) -> Vec<Cell> {
        let (dot, tone) = match node.status.as_str() {
            _ if self.lost.is_some() => ("○", Tone::Dim),
            "online" if node.cordoned => ("●", Tone::Warn),
            "online" => ("●", Tone::Good),
            "offline" => ("■", Tone::Bad),
            "revoked" => ("⊘", Tone::Bad),
            _ => ("○", Tone::Dim),
        };
        let is_there = node.status == "online";
        let live = |text: Option<String>| Cell::maybe(text.filter(|_| is_there));
        let memory = node.memory_used.zip(node.memory_total);
        vec![
            Cell::new(format!("{dot} {}", node.name), tone),
            self.slots(node),
            live(node.cpu_percent.map(|cpu| format!("{cpu:.0} %"))),
            live(
                memory.map(|(used, total)| {
                    format!("{} of {}", span::bytes(used), span::bytes(total))
                }),
            ),
            live(node.load_one.map(|load| format!("{load:.2}"))),
            Cell::maybe(Some(&node.version)),
        ]
    }

    /// How many of its slots are taken.
    fn slots(&self, node: &MeshNode) -> Cell {
        let is_full = node.status == "online" && node.slots_taken >= node.slots;
        let tone = if is_full && self.lost.is_none() { Tone::Warn } else { Tone::Plain };
        Cell::new(format!("{}/{}", node.slots_taken, node.slots), tone)
    }

    fn tasks(&self, look: &Look, now: Timestamp) -> Vec<String> {
        let titles = ["TASK", "STATE", "NODE", "TIME", "PROGRESS", "COMMAND"].map(Cell::plain);
        let mut rows = vec![titles.to_vec()];
        let name_of = |task: &TaskInfo| {
            let id = task.node.as_ref()?;
            let known = look.mesh.nodes.iter().find(|node| node.id == *id);
            Some(known.map_or_else(|| id.clone(), |node| node.name.clone()))
        };
        rows.extend(look.open_tasks.iter().map(|task| {
            let begun = task.started_at.as_ref().unwrap_or(&task.created_at);
            vec![
                Cell::plain(&task.id),
                Cell::plain(&task.state),
                Cell::maybe(name_of(task)),
                Cell::maybe(span::between(Some(begun), now)),
                Cell::maybe(task.progress.as_ref().map(row::progress)),
                Cell::plain(task.command.join(" ")),
            ]
        }));
        table::lines(&rows, self.has_colors)
    }

    fn paint(&self, word: &str, tone: Tone) -> String {
        paint(word, tone, self.has_colors)
    }

    fn dim(&self, word: &str) -> String {
        self.paint(word, Tone::Dim)
    }
}

/// The line up to so many columns; escape sequences take none.
fn cut(line: &str, cols: usize) -> String {
    let mut out = String::with_capacity(line.len());
    let (mut taken, mut is_escape) = (0, false);
    for character in line.chars() {
        if is_escape || character == '\x1b' {
            is_escape = character != 'm';
            out.push(character);
            continue;
        }
        let width = character.width().unwrap_or(0);
        if taken + width > cols {
            // What follows may still put the colours right.
            continue;
        }
        taken += width;
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use cortex_proto::json::MeshHub;
    use cortex_proto::json::MeshInfo;
    use cortex_proto::json::MeshNodes;
    use cortex_proto::json::MeshRates;
    use cortex_proto::json::MeshSlots;
    use cortex_proto::json::MeshTasks;

    use super::*;

    fn look() -> Look {
        let node = |name: &str, status: &str| MeshNode {
            id: format!("nod_{name}"),
            name: name.to_owned(),
            status: status.to_owned(),
            version: "0.1.0".to_owned(),
            tasks: 2,
            slots: 8,
            slots_taken: 3,
            cpu_percent: Some(12.6),
            load_one: Some(0.5),
            memory_used: Some(1 << 30),
            memory_total: Some(4 << 30),
            ..MeshNode::default()
        };
        let rate = RateInfo { submitted: 1.0, started: 3.5, ended: 3.0, failed: 0.1 };
        let mesh = MeshInfo {
            hub: MeshHub {
                version: "0.1.0".into(),
                uptime_ms: 3_700_000,
                memory_bytes: Some(50 << 20),
            },
            node_counts: MeshNodes { total: 9, online: 1, offline: 8, ..MeshNodes::default() },
            slots: MeshSlots { total: 8, taken: 3 },
            tasks: MeshTasks { queued: 4, running: 2, ..MeshTasks::default() },
            rates: MeshRates { ten_seconds: rate, minute: RateInfo::default() },
            nodes: vec![node("build-1", "online"), node("lab", "offline")],
            ..MeshInfo::default()
        };
        Look { mesh, open_tasks: Vec::new() }
    }

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_mesh_as_text() {
        let lines = View::new(Sort::Cpu, false).draw(&look(), &Size::unbounded(), now());
        let text: Vec<_> = lines.iter().map(|line| line.trim_end()).collect();
        insta::assert_snapshot!(text.join("\n"), @r"
        ● hub 0.1.0, up 1h1m, 50 MiB
        nodes  1 of 9 online, 8 offline
        slots  3 of 8 taken
        tasks  2 running, 4 waiting
        per second, 10 s:  3.5 started, 3.0 ended, 0.1 failed
        per second, 1 min:  0.0 started, 0.0 ended, 0.0 failed

        NODE       SLOTS  CPU↓  MEMORY          LOAD  VERSION
        ● build-1  3/8    13 %  1 GiB of 4 GiB  0.50  0.1.0
        ■ lab      3/8    -     -               -     0.1.0
        and 7 more nodes
        ");
    }

    #[test]
    fn a_small_screen_shows_what_fits() {
        for (cols, rows) in [(20, 8), (1, 1), (80, 5)] {
            let lines = View::new(Sort::Name, true).draw(&look(), &Size::of(cols, rows), now());
            assert!(lines.len() <= usize::from(rows), "{lines:?}");
            for line in &lines {
                let plain = cut(line, usize::MAX).replace("\x1b[32m", "").replace("\x1b[31m", "");
                let plain = plain.replace("\x1b[2m", "").replace("\x1b[0m", "");
                assert!(plain.chars().count() <= usize::from(cols), "{plain:?}");
            }
        }
    }

    #[test]
    fn a_lost_hub_is_told_and_nothing_looks_alive() {
        let mut view = View::new(Sort::Name, false);
        view.lost = Some("connection refused".into());
        let text = view.draw(&look(), &Size::unbounded(), now()).join("\n");
        assert!(text.contains("■ the hub is lost, trying again: connection refused"), "{text}");
        assert!(!text.contains('●'), "{text}");
    }
}
