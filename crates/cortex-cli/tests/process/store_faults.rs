//! What becomes of a hub whose database is held by others, taken away, or has no room left: it
//! refuses what it cannot store, and works on when the fault is over.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;

use serde_json::json;

use crate::http::Answer;
use crate::rig::Bench;
use crate::rig::stdout;

/// How long another program holds the database.
const HELD: Duration = Duration::from_secs(30);

/// Asks for a task with so many bytes of input.
fn ask(bench: &Bench, bytes: usize) -> Answer {
    let input = json!({ "data": "x".repeat(bytes) });
    let body = json!({ "argv": ["true"], "node": "lab", "queue": true, "stdin": input });
    bench.api().post("/api/sessions/default/dispatch", None, &body).expect("the hub answers")
}

fn count_tasks(bench: &Bench) -> usize {
    let tasks = bench.json(&["task", "list", "--limit", "1000"]);
    tasks["items"].as_array().expect("a list").len()
}

#[track_caller]
fn assert_refused(bench: &Bench, bytes: usize, code: &str) {
    let answer = ask(bench, bytes);
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some(code)));
}

#[track_caller]
fn assert_works(bench: &Bench) {
    // The node may be on its way back.
    let output = bench.run(&["exec", "lab", "--queue", "--", "echo", "works"]);
    assert_eq!(stdout(&output), "works\n", "{output:?}");
}

#[test]
fn row_59_while_others_hold_the_database_nothing_is_acknowledged() {
    let bench = Bench::start(&[]);
    let _node = bench.node("lab");
    assert_works(&bench);
    let before = count_tasks(&bench);
    let database = rusqlite::Connection::open(bench.path("hub/cortex.db")).expect("the database");
    database.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let begin = Instant::now();
    while begin.elapsed() < HELD {
        assert_refused(&bench, 0, "database_busy");
        assert_eq!(bench.api().get("/readyz").expect("the hub answers").status, 503);
    }
    assert_eq!(count_tasks(&bench), before);
    database.execute_batch("ROLLBACK").expect("the lock is given back");
    assert_works(&bench);
    assert_eq!(count_tasks(&bench), before + 1);
}

#[test]
fn row_59_what_would_go_to_a_deleted_database_is_not_acknowledged() {
    let mut bench = Bench::start(&[]);
    let _node = bench.node("lab");
    assert_works(&bench);
    for name in ["cortex.db", "cortex.db-wal"] {
        let file = bench.path("hub").join(name);
        let aside = bench.path(name);
        std::fs::rename(&file, &aside).expect("the file is there");
        assert_refused(&bench, 0, "database_gone");
        std::fs::rename(&aside, &file).expect("nobody made another one");
        assert_works(&bench);
    }
    let count = count_tasks(&bench);
    bench.hub().kill();
    bench.serve(&[]);
    assert_eq!(count_tasks(&bench), count);
    assert_works(&bench);
}

/// A small disk of its own; root's alone to make.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path) -> Self {
        std::fs::create_dir(at).expect("a folder");
        let mut mount = Command::new("mount");
        let mounted =
            mount.args(["-t", "tmpfs", "-o", "size=6m,mode=700", "tmpfs"]).arg(at).output();
        let mounted = mounted.expect("there is a mount program");
        assert!(mounted.status.success(), "a small disk needs root: {mounted:?}");
        Self(at.to_path_buf())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, since the hub may be about to end; then what the bench could not remove.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
        let _ = self.0.parent().map(std::fs::remove_dir_all);
    }
}

#[test]
fn row_59_on_a_full_disk_nothing_is_acknowledged_and_with_room_it_goes_on() {
    let mut disk = None;
    let mut bench = Bench::start_after(&[], |dir| disk = Some(Disk::mount(&dir.join("hub"))));
    let _node = bench.node("lab");
    assert_works(&bench);
    let before = count_tasks(&bench);
    let ballast = bench.path("hub/ballast");
    let filled = std::fs::write(&ballast, vec![0; 8 << 20]);
    assert!(filled.is_err(), "the disk is small");
    for _ in 0..5 {
        assert_refused(&bench, 300_000, "disk_full");
    }
    assert_eq!(count_tasks(&bench), before);
    std::fs::remove_file(ballast).expect("it is there");
    assert_works(&bench);
    bench.hub().kill();
    bench.serve(&[]);
    assert_eq!(count_tasks(&bench), before + 1);
    assert_works(&bench);
}
