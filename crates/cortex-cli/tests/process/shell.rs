//! `shell` and `attach` in a terminal, as a person at a keyboard has them, and with pipes.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;

use crate::rig::Bench;
use crate::rig::until;
use crate::seat::Seat;

/// All that comes out of a pipe, as it comes.
fn gather(mut pipe: impl std::io::Read + Send + 'static) -> Arc<Mutex<Vec<u8>>> {
    let all = Arc::<Mutex<Vec<u8>>>::default();
    let kept = Arc::clone(&all);
    let read = move || {
        let mut buffer = [0; 4_096];
        while let Ok(len @ 1..) = pipe.read(&mut buffer) {
            kept.lock().expect("nobody panics with it").extend_from_slice(&buffer[..len]);
        }
    };
    // It ends with the pipe.
    std::thread::Builder::new().name("pipe".to_owned()).spawn(read).expect("a thread");
    all
}

#[test]
fn a_shell_feels_like_being_there() {
    let bench = Bench::start(&[]);
    let _node = bench.node("lab");
    let mut seat = Seat::start(&bench, &["shell", "lab", "--env", "PS1=go: ", "--", "sh"]);
    seat.until("go: ");
    assert!(seat.changed_settings().is_some(), "keys come one by one");
    seat.types("stty size; echo $TERM\r");
    seat.until("30 100\r\nxterm\r\n");
    seat.resize(50, 120);
    seat.types("until [ \"$(stty size)\" = '50 120' ]; do sleep 0.1; done; echo is $((4 + 4))\r");
    seat.until("is 8");
    // Ctrl-C is for the program there.
    seat.types("sleep 300\r");
    seat.until("sleep 300");
    seat.types("\x03");
    seat.types("echo then $((1 + 1))\r");
    seat.until("then 2");
    seat.types("~?");
    seat.until("leave; the terminal goes on");
    seat.types("echo '~~.'\r");
    seat.until("~~.");
    seat.types("exit 7\r");
    assert_eq!(seat.ends(), 7);
}

#[test]
fn a_terminal_is_left_joined_and_outlives_the_hub() {
    let mut bench = Bench::start(&[]);
    let _node = bench.node("lab");
    let mut seat = Seat::start(&bench, &["shell", "lab", "--env", "PS1=go: ", "--", "sh"]);
    seat.until("go: ");
    seat.types("echo left $((40 + 2))\r");
    seat.until("left 42");
    seat.types("~.");
    assert_eq!(seat.ends(), 0);
    let tasks = bench.json(&["task", "list", "--open"]);
    let id = tasks["items"][0]["id"].as_str().expect("it goes on").to_owned();
    assert!(seat.text().contains(&format!("cortex-cli attach {id}")), "{}", seat.text());

    let mut watcher = Seat::start(&bench, &["attach", &id, "--read-only"]);
    watcher.until("left 42");
    let mut seat = Seat::start(&bench, &["attach", &id]);
    seat.until("left 42");
    watcher.types("echo nobody hears\r");
    seat.types("echo both $((2 + 3))\r");
    seat.until("both 5");
    watcher.until("both 5");
    assert!(!watcher.text().contains("nobody"), "{}", watcher.text());
    watcher.types("\x03");
    assert_eq!(watcher.ends(), 0);

    bench.hub().kill();
    seat.until("lost the hub");
    bench.serve(&[]);
    seat.until("the hub is back");
    seat.types("echo again $((3 + 3))\r");
    seat.until("again 6");
    seat.types("exit\r");
    assert_eq!(seat.ends(), 0);
}

#[test]
fn what_was_shown_and_not_stored_when_the_hub_died_is_shown_once() {
    let mut bench = Bench::start(&[]);
    let _node = bench.node("lab");
    let mut command = bench.cli(&["shell", "lab", "--env", "PS1=go: ", "--", "sh"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    let mut keys = child.stdin.take().expect("standard input is piped");
    let shown = gather(child.stdout.take().expect("standard output is piped"));
    let said = gather(child.stderr.take().expect("standard error is piped"));
    let until = |text: &str, from: &Arc<Mutex<Vec<u8>>>| {
        until(&format!("{text:?} is shown"), || {
            let from = from.lock().expect("nobody panics with it");
            String::from_utf8_lossy(&from).contains(text).then_some(())
        });
    };
    until("go: ", &shown);
    let tasks = bench.json(&["task", "list", "--open"]);
    let id = tasks["items"][0]["id"].as_str().expect("it runs").to_owned();

    // While somebody else holds the database, nothing can be stored; what comes is shown.
    let database = rusqlite::Connection::open(bench.path("hub/cortex.db")).expect("a database");
    database.execute_batch("BEGIN IMMEDIATE").expect("it can be held");
    keys.write_all(b"echo told $((40 + 2))\n").expect("it takes keys");
    until("told 42\r\ngo: ", &shown);
    bench.hub().kill();
    drop(database);
    until("lost the hub", &said);
    bench.serve(&[]);
    until("the hub is back", &said);
    keys.write_all(b"echo again $((3 + 3))\n").expect("it takes keys");
    until("again 6\r\ngo: ", &shown);
    keys.write_all(b"exit 3\n").expect("it takes keys");
    assert_eq!(child.wait().expect("it ends").code(), Some(3));

    // Each byte was shown once and is stored once: what the node sent again was known.
    let stored = bench.run(&["task", "logs", &id]);
    assert_eq!(stored.stdout, *shown.lock().expect("nobody panics with it"));
    let text = String::from_utf8_lossy(&stored.stdout).into_owned();
    for word in ["echo told", "told 42\r\n", "echo again", "again 6\r\n", "exit 3"] {
        assert_eq!(text.matches(word).count(), 1, "{word:?} in {text:?}");
    }
}

#[test]
fn a_signal_ends_the_program_and_leaves_the_terminal_as_it_was() {
    let bench = Bench::start(&[]);
    let _node = bench.node("lab");
    let mut seat = Seat::start(&bench, &["shell", "lab", "--env", "PS1=go: ", "--", "sh"]);
    seat.until("go: ");
    let pid = seat.pid().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    kill_process(pid.expect("it runs"), Signal::TERM).expect("it can be told");
    assert_eq!(seat.ends(), 128 + 15);
    let tasks = bench.json(&["task", "list", "--open"]);
    let id = tasks["items"][0]["id"].as_str().expect("it goes on").to_owned();
    let mut seat = Seat::start(&bench, &["attach", &id]);
    seat.until("go: ");
    seat.types("exit\r");
    assert_eq!(seat.ends(), 0);
}

#[test]
fn keys_may_come_from_a_pipe_and_locales_go_along() {
    let bench = Bench::start(&[]);
    let _node = bench.node("lab");
    let script = "read line; echo $line $LC_TIME; cat; exit 4";
    let mut command = bench.cli(&["shell", "lab", "--", "sh", "-c", script]);
    command.env("LC_TIME", "C.UTF-8").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    let mut keys = child.stdin.take().expect("standard input is piped");
    keys.write_all(b"~. is typed\nlast\n").expect("it takes keys");
    // And nothing more: the end of what is typed.
    drop(keys);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("~. is typed C.UTF-8\r\n") && text.ends_with("last\r\n"), "{text:?}");
}
