//! A screen that outlives its hub: who joins after a `kill -9` sees what one sees who saw all.

use std::time::Duration;
use std::time::Instant;

use crate::rig::Bench;
use crate::rig::until;
use crate::seat::Seat;

/// What a terminal of 100 by 30 shows that was shown this: its rows, and where the cursor is.
fn screen(shown: &[u8]) -> (Vec<String>, (u16, u16)) {
    let mut emulator = vt100::Parser::new(
        std::num::NonZeroU16::new(30).expect("rows"),
        std::num::NonZeroU16::new(100).expect("columns"),
        0,
    );
    emulator.process(shown);
    let screen = emulator.screen();
    let rows = screen.rows(0, 100).map(|row| row.trim_end().to_owned());
    (rows.collect(), screen.cursor_position())
}

/// Waits until who joined late has the screen of one who saw all, and it has this on it.
fn until_same(bench: &Bench, task: &str, late: &Seat, text: &str) {
    let mut last = None;
    let same = || {
        let stored = bench.run(&["task", "logs", task]).stdout;
        let (all, late) = (screen(&stored), screen(&late.shown()));
        let is_same = all == late && all.0.iter().any(|row| row.contains(text));
        last = Some((all, late));
        is_same.then_some(())
    };
    let what = format!("both screens are the same, with {text:?}");
    let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| until(&what, same)));
    assert!(seen.is_ok(), "{last:#?}");
}

/// Types until something new is shown: `top` forgets what was typed while it was drawing.
fn press(seat: &mut Seat, key: &str) {
    const PATIENCE: Duration = Duration::from_secs(3);
    let before = seat.shown().len();
    seat.types(key);
    let mut typed = Instant::now();
    until("the key is heard", || {
        if typed.elapsed() > PATIENCE {
            seat.types(key);
            typed = Instant::now();
        }
        (seat.shown().len() > before).then_some(())
    });
}

fn only_task(bench: &Bench) -> String {
    let tasks = bench.json(&["task", "list", "--open"]);
    tasks["items"][0]["id"].as_str().expect("it runs").to_owned()
}

#[test]
fn top_is_the_same_after_the_hub_was_killed() {
    let mut bench = Bench::start(&[]);
    let _node = bench.node("lab");
    // It shows something new when it is asked to, and not by itself.
    let mut seat = Seat::start(&bench, &["shell", "lab", "--", "top", "-d", "900"]);
    seat.until("PID");
    let task = only_task(&bench);
    seat.types("z");
    seat.until("\x1b[");
    bench.hub().kill();
    seat.until("lost the hub");
    bench.serve(&[]);
    let late = Seat::start(&bench, &["attach", &task]);
    until_same(&bench, &task, &late, "COMMAND");
    // And so is what comes on top of it: columns with colours, then a page of help.
    seat.until("the hub is back");
    for (key, shows) in [("x", "COMMAND"), ("b", "COMMAND"), ("h", "Help for"), ("q", "COMMAND")] {
        press(&mut seat, key);
        until_same(&bench, &task, &late, shows);
    }
    press(&mut seat, "q");
    assert_eq!(seat.ends(), 0);
}

#[test]
fn a_build_goes_on_while_the_hub_is_away() {
    let mut bench = Bench::start(&[]);
    let _node = bench.node("lab");
    let krate = bench.path("small");
    std::fs::create_dir_all(krate.join("src")).expect("a directory");
    let manifest =
        "[package]\nname = \"small\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\n[workspace]\n";
    std::fs::write(krate.join("Cargo.toml"), manifest).expect("a file");
    // The build waits for a file, so that the hub is killed in its middle.
    let script =
        "fn main() { while !std::path::Path::new(\"go\").exists() { std::thread::yield_now() } }";
    std::fs::write(krate.join("build.rs"), script).expect("a file");
    std::fs::write(krate.join("src/main.rs"), "fn main() {}").expect("a file");
    // The very programs that build this, so that no other set-up of Rust is asked for.
    let cargo = env!("CARGO");
    let rustc = std::path::Path::new(cargo).with_file_name("rustc");
    let (rustc, dir) = (format!("RUSTC={}", rustc.display()), krate.to_string_lossy().into_owned());
    let args = ["shell", "lab", "--cwd", &dir, "--env", &rustc, "--", cargo, "build", "--offline"];
    let mut seat = Seat::start(&bench, &args);
    seat.until("small(build)");
    let task = only_task(&bench);
    bench.hub().kill();
    seat.until("lost the hub");
    bench.serve(&[]);
    let mut late = Seat::start(&bench, &["attach", &task]);
    until_same(&bench, &task, &late, "small(build)");
    std::fs::write(krate.join("go"), "").expect("a file");
    assert_eq!((seat.ends(), late.ends()), (0, 0));
    until_same(&bench, &task, &late, "Finished");
}
