//! Bad input: a clear word, the right exit code, and nothing lost.

use std::process::Output;
use std::process::Stdio;

use crate::rig::Bench;
use crate::rig::CLI;
use crate::rig::NODE;
use crate::rig::stderr;

/// Starts a node that is to refuse, with its configuration changed from `from` to `to`.
fn refused(bench: &Bench, name: &str, from: &str, to: &str) -> Output {
    let good = bench.read(name);
    assert!(good.contains(from), "{from:?} is in {good}");
    let bad = bench.path("bad.yaml");
    std::fs::write(&bad, good.replacen(from, to, 1)).expect("the directory can be written");
    let mut command = bench.command(NODE);
    command.args(["run", "--config", "bad.yaml", "--data-dir", "bad-data"]);
    command.output().expect("the node starts")
}

#[track_caller]
fn assert_refused(output: &Output, code: i32, words: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in:\n{said}");
    }
}

#[test]
fn an_unknown_key_of_a_nodes_configuration_is_shown_where_it_stands() {
    let bench = Bench::start(&[]);
    bench.invite("lab");
    let output = refused(&bench, "lab.yaml", "\ninvite:", "\ninvte: x\ninvite:");
    assert_refused(&output, 2, &["invte", "line", "column"]);
}

#[test]
fn an_invite_is_good_once_and_unchanged() {
    let bench = Bench::start(&[]);
    bench.invite("lab");
    let invite = bench.read("lab.yaml");
    let line = invite.lines().find(|line| line.contains("cxi1.")).expect("an invite");
    let last = line.trim_end().trim_end_matches('"').to_owned();
    let garbled = refused(&bench, "lab.yaml", &last, &last[..last.len() - 9]);
    assert_refused(&garbled, 2, &["invite"]);
    // The garbled one did not use it up.
    let _node = bench.start_node("lab");
    bench.until_status("lab", "online");
    let reused = refused(&bench, "lab.yaml", "", "");
    assert_refused(&reused, 3, &["invite", "used"]);
}

#[test]
fn a_hub_with_another_pin_hears_nothing() {
    let bench = Bench::start(&[]);
    bench.invite("lab");
    let text = bench.read("lab.yaml");
    let pin = text.lines().map(str::trim).map(|line| line.trim_matches(['-', ' ', '"']));
    let mut pins =
        pin.filter(|word| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit()));
    let pin = pins.next_back().unwrap_or_else(|| panic!("no pin in {text}")).to_owned();
    let output = refused(&bench, "lab.yaml", &pin, &"ab".repeat(32));
    assert_refused(&output, 3, &[&pin, &"ab".repeat(32)]);
    let _node = bench.start_node("lab");
    bench.until_status("lab", "online");
}

#[test]
fn what_is_not_there_is_said_so() {
    let bench = Bench::start(&[]);
    let _node = bench.node("lab");
    let session = "ses_00000000000000000000000000";
    // Where the exit code is the program's own, a failure of Cortex is 255, as with ssh.
    let output = bench.run(&["exec", "lab", "--session", session, "--", "true"]);
    assert_refused(&output, 255, &[session, "session list"]);
    let output = bench.run(&["exec", "nowhere", "--", "true"]);
    assert_refused(&output, 255, &["nowhere"]);
    let output = bench.run(&["session", "show", session]);
    assert_refused(&output, 4, &[session]);
    let output = bench.run(&["task", "show", "tsk_00000000000000000000000000"]);
    assert_refused(&output, 4, &["task"]);
    let output = bench.run(&["exec", "lab", "--", "no-such-program"]);
    assert_refused(&output, 255, &["no-such-program"]);
}

#[test]
fn a_hub_that_cannot_start_says_why_and_touches_nothing() {
    let bench = Bench::start(&[]);
    let serve = |dir: &str, http: &str| {
        let mut command = bench.command(CLI);
        command.args(["hub", "serve", "--data-dir", dir, "--http", http]);
        command.args(["--grpc", "127.0.0.1:0"]).stdout(Stdio::null());
        command.output().expect("the program starts")
    };
    assert_refused(&serve("other", bench.http()), 5, &["in use", "--http"]);
    assert!(!bench.path("other").exists());
    std::fs::write(bench.path("file"), "").unwrap();
    assert_refused(&serve("file/hub", "127.0.0.1:0"), 5, &["file/hub"]);
    // The first hub's data directory is its own.
    assert_refused(&serve("hub", "127.0.0.1:0"), 5, &["hub"]);
}
