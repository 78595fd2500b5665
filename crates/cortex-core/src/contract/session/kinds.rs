//! Case: every kind of entry comes back as it was written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::scene::Scene;
use super::scene::binary;
use super::scene::countersigned;
use super::scene::node;
use super::scene::submitted;
use super::scene::task;
use super::scene::user;
use crate::capability::Requirement;
use crate::contract::promise::same;
use crate::digest::Digest;
use crate::session::Happening;
use crate::session::SessionStore;
use crate::task::FirstOf;
use crate::task::Otherwise;
use crate::task::Outcome;
use crate::task::Progress;
use crate::task::PublishedFile;
use crate::task::ShellWork;
use crate::task::Stream;
use crate::task::Target;
use crate::task::TaskEvent;
use crate::task::TaskSpec;
use crate::task::Terminal;
use crate::task::Work;

/// Every kind of event, outcome and work is read as it was written, to the last byte.
pub async fn each_kind_of_entry_is_read_as_written(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    let mut written = vec![
        Happening::Attached { node: node(1) },
        Happening::task(task(1), TaskEvent::Submitted { by: user(2), spec: shell_spec() }),
        Happening::task(task(1), TaskEvent::Assigned { attempt: 1, node: node(1) }),
        Happening::task(
            task(1),
            TaskEvent::Returned { attempt: 1, reason: "link \"full\"\n\u{1f980}".to_owned() },
        ),
        Happening::task(task(1), TaskEvent::Assigned { attempt: 2, node: node(2) }),
        Happening::task(task(1), TaskEvent::Started { attempt: 2, pid: None }),
        Happening::task(task(1), TaskEvent::Progress { attempt: 2, progress: halfway() }),
        Happening::task(
            task(1),
            TaskEvent::Truncated { attempt: 2, stream: Stream::Stdout, from: 0, dropped: 0 },
        ),
        Happening::task(task(1), TaskEvent::Published { file: empty_file() }),
    ];
    for by in [Some(user(3)), None] {
        let number = if by.is_some() { 1 } else { 2 };
        let reason = "enough".to_owned();
        if by.is_none() {
            let spec = skill_spec();
            written.push(Happening::task(task(2), TaskEvent::Submitted { by: user(2), spec }));
            // One that waits for a node is ended at once, and not asked to end.
            written
                .push(Happening::task(task(2), TaskEvent::Assigned { attempt: 1, node: node(1) }));
        }
        written.push(Happening::task(task(number), TaskEvent::CancelRequested { by, reason }));
    }
    for (spec, number) in aimed_specs().into_iter().zip(3..) {
        written.push(Happening::task(task(number), TaskEvent::Submitted { by: user(2), spec }));
    }
    for (outcome, number) in outcomes().into_iter().zip(10..) {
        written.push(submitted(number));
        written.push(Happening::task(task(number), TaskEvent::ended(0, outcome)));
    }
    written.push(submitted(9));
    written.push(countersigned(9, 0, 1));
    written.push(Happening::Detached { node: node(1) });
    written.push(Happening::Closed);

    for what in written.clone() {
        scene.play(vec![what]).await;
    }
    let read: Vec<_> = scene.log().await.into_iter().map(|entry| entry.what).collect();
    for (read, written) in read.iter().zip(&written) {
        same(read, written, "an entry is read as it was written");
    }
    same(&read.len(), &written.len(), "all entries are read");
    same(&scene.task(1).await.progress, &Some(halfway()), "a task keeps how far it came");
    same(&scene.task(1).await.files, &vec![empty_file()], "a task keeps the files it published");
    same(&scene.task(1).await.spec, &shell_spec(), "a task has the spec that was submitted");
    same(&scene.task(2).await.spec, &skill_spec(), "a task has the spec that was submitted");
    for (spec, number) in aimed_specs().into_iter().zip(3..) {
        same(&scene.task(number).await.spec, &spec, "a task has the target that was submitted");
    }
    for (outcome, number) in outcomes().into_iter().zip(10..) {
        same(&scene.task(number).await.outcome, &Some(outcome), "a task keeps its outcome");
    }
}

fn halfway() -> Progress {
    Progress::new(1, Some(2), "b\u{fc}cher \"2\"")
}

fn empty_file() -> PublishedFile {
    let (name, digest) = ("b\u{fc}cher \u{1f980}.csv".to_owned(), Digest::of(b""));
    PublishedFile { name, attempt: 2, offset: 0, size: 0, digest }
}

fn shell_spec() -> Arc<TaskSpec> {
    let work = ShellWork {
        argv: vec!["pr\u{f6}gram".to_owned(), String::new(), "a b'\"\\\n".to_owned()],
        line: None,
        cwd: Some("/tmp/\u{1f980}".to_owned()),
        env: BTreeMap::from([("EMPTY".to_owned(), String::new())]),
        stdin: binary(1_000, 5),
        open_stdin: true,
        terminal: Some(Terminal::default()),
    };
    let spec = TaskSpec {
        grace: Duration::from_millis(1_500),
        queue: true,
        ..TaskSpec::new(Work::Shell(work)).on(node(1))
    };
    Arc::new(spec.timeout(Duration::from_millis(90_001)))
}

fn skill_spec() -> Arc<TaskSpec> {
    let input =
        serde_json::json!({ "url": "https://example.org/?a=%20", "deep": [1, null, { "x": 1.5 }] });
    let labels = "gpu=a100,zone!=eu".parse().expect("the selector is right");
    Arc::new(TaskSpec { target: Target::Labels(labels), ..TaskSpec::skill("browser", input) })
}

/// One for each way to leave the choice of the node to the hub.
fn aimed_specs() -> Vec<Arc<TaskSpec>> {
    let requirement: Requirement =
        "memory >= 1GiB && !(kernel == 'l\u{f6}st\"')".parse().expect("the requirement is right");
    let nodes = vec![node(2), node(1)];
    let otherwise = [Otherwise::Nowhere, Otherwise::Any, Otherwise::Requires(requirement.clone())];
    let first_of = |otherwise| Target::FirstOf(FirstOf { nodes: nodes.clone(), otherwise });
    let targets = [Target::Any, Target::Requires(requirement)].into_iter();
    let targets = targets.chain(otherwise.map(first_of));
    targets.map(|target| Arc::new(TaskSpec { target, ..TaskSpec::argv(["ls"]) })).collect()
}

fn outcomes() -> Vec<Outcome> {
    let text = || "l\u{f6}st\n\"why\"".to_owned();
    vec![
        Outcome::Exited { code: 0 },
        Outcome::Exited { code: -1_073_741_510 },
        Outcome::Signalled { signal: 9 },
        Outcome::Returned { value: serde_json::json!({ "n": [1, 2.5, null, "\u{1f980}"] }) },
        Outcome::Broken { message: text() },
        Outcome::Cancelled { processes: 3 },
        Outcome::TimedOut { processes: 4 },
        Outcome::Rejected { rule: "deny[0]".to_owned(), reason: text() },
        Outcome::Interrupted { reason: text() },
        Outcome::Lost { reason: text() },
    ]
}
