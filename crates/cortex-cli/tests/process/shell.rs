//! `shell` and `attach` in a terminal, as a person at a keyboard has them.

use std::io::Read as _;
use std::io::Write;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread::JoinHandle;

use portable_pty::Child;
use portable_pty::CommandBuilder;
use portable_pty::MasterPty;
use portable_pty::PtySize;
use portable_pty::SlavePty;
use portable_pty::native_pty_system;

use crate::rig::Bench;
use crate::rig::CLI;
use crate::rig::until;

/// A person's terminal with `cortex-cli` in it.
struct Seat {
    master: Box<dyn MasterPty + Send>,
    /// Open to the end, so that the settings can be looked at then.
    slave: Option<Box<dyn SlavePty + Send>>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    shown: Arc<Mutex<Vec<u8>>>,
    /// What was shown and then forgotten.
    seen: Mutex<Vec<u8>>,
    /// Ends with the terminal.
    reader: Option<JoinHandle<()>>,
    /// The terminal's settings before the program began.
    before: String,
}

impl Seat {
    fn start(bench: &Bench, args: &[&str]) -> Self {
        let size = PtySize { rows: 30, cols: 100, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a terminal");
        let before = settings(&*pair.master);
        let mut command = CommandBuilder::new(CLI);
        command.args(args);
        command.cwd(bench.path(""));
        command.env_clear();
        command.env("HOME", bench.path(""));
        command.env("TERM", "xterm");
        command.env("CORTEX_HUB", format!("http://{}", bench.http()));
        command.env("CORTEX_TOKEN_FILE", bench.path("hub/admin.token"));
        let child = pair.slave.spawn_command(command).expect("the command starts");
        let mut screen = pair.master.try_clone_reader().expect("a reader");
        let keys = pair.master.take_writer().expect("a writer");
        let shown = Arc::<Mutex<Vec<u8>>>::default();
        let kept = Arc::clone(&shown);
        let read = move || {
            let mut buffer = [0; 4_096];
            while let Ok(len @ 1..) = screen.read(&mut buffer) {
                kept.lock().expect("nobody panics with it").extend_from_slice(&buffer[..len]);
            }
        };
        let reader = std::thread::Builder::new().name("screen".to_owned()).spawn(read);
        let (reader, slave) = (Some(reader.expect("a thread")), Some(pair.slave));
        let seen = Mutex::default();
        Self { master: pair.master, slave, keys, child, shown, seen, reader, before }
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
        self.keys.flush().expect("the terminal takes keys");
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().expect("nobody panics with it")).into_owned()
    }

    /// Waits until this was shown, and forgets what came before and with it.
    fn until(&self, text: &str) {
        until(&format!("{text:?} is shown"), || {
            let mut shown = self.shown.lock().expect("nobody panics with it");
            let found = String::from_utf8_lossy(&shown).contains(text);
            if found {
                self.seen.lock().expect("nobody panics with it").append(&mut shown);
            }
            found.then_some(())
        });
    }

    /// All that was shown since the start.
    fn all(&self) -> String {
        let seen = self.seen.lock().expect("nobody panics with it");
        String::from_utf8_lossy(&seen).into_owned() + &self.text()
    }

    /// Waits for the program's end; its exit code. The terminal is as it was.
    fn ends(&mut self) -> u32 {
        let status = until("the program ends", || self.child.try_wait().expect("it can be reaped"));
        assert_eq!(settings(&*self.master), self.before, "{}", self.text());
        status.exit_code()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // It may have been reaped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        drop(self.slave.take());
        // What was shown does not matter any more.
        let _ = self.reader.take().map(JoinHandle::join);
    }
}

fn settings(master: &(dyn MasterPty + Send)) -> String {
    format!("{:?}", master.get_termios())
}

#[test]
fn a_shell_feels_like_being_there() {
    let bench = Bench::start(&[]);
    let _node = bench.node("lab");
    let mut seat = Seat::start(&bench, &["shell", "lab", "--env", "PS1=go: ", "--", "sh"]);
    seat.until("go: ");
    assert_ne!(settings(&*seat.master), seat.before, "keys come one by one");
    seat.types("stty size; echo $TERM\r");
    seat.until("30 100\r\nxterm\r\n");
    let size = PtySize { rows: 50, cols: 120, pixel_width: 0, pixel_height: 0 };
    seat.master.resize(size).expect("it can be resized");
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
fn without_a_terminal_there_is_no_shell() {
    let bench = Bench::start(&[]);
    let output = bench.run(&["shell", "lab"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = crate::rig::stderr(&output);
    assert!(text.contains("cortex-cli exec"), "{text}");
}

#[test]
fn what_was_shown_and_not_stored_when_the_hub_died_is_shown_once() {
    let mut bench = Bench::start(&[]);
    let _node = bench.node("lab");
    let mut seat = Seat::start(&bench, &["shell", "lab", "--env", "PS1=go: ", "--", "sh"]);
    seat.until("go: ");
    let tasks = bench.json(&["task", "list", "--open"]);
    let id = tasks["items"][0]["id"].as_str().expect("it runs").to_owned();

    // While somebody else holds the database, nothing can be stored; what comes is shown.
    let database = rusqlite::Connection::open(bench.path("hub/cortex.db")).expect("a database");
    database.execute_batch("BEGIN IMMEDIATE").expect("it can be held");
    seat.types("echo told $((40 + 2))\r");
    seat.until("told 42\r\n");
    bench.hub().kill();
    drop(database);
    seat.until("lost the hub");
    bench.serve(&[]);
    seat.until("the hub is back");
    seat.types("echo again $((3 + 3))\r");
    seat.until("again 6\r\n");
    seat.types("exit 3\r");
    assert_eq!(seat.ends(), 3);

    // Each byte was shown once and is stored once: what the node sent again was known.
    let stored = bench.run(&["task", "logs", &id]);
    let stored = String::from_utf8_lossy(&stored.stdout).into_owned();
    for text in [stored, seat.all()] {
        for word in ["echo told", "told 42\r\n", "echo again", "again 6\r\n", "exit 3"] {
            assert_eq!(text.matches(word).count(), 1, "{word:?} in {text:?}");
        }
    }
}
