//! A person at a terminal with `cortex-cli` in it.

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
pub(crate) struct Seat {
    master: Box<dyn MasterPty + Send>,
    /// Open to the end, so that the settings can be looked at then.
    slave: Option<Box<dyn SlavePty + Send>>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    shown: Arc<Mutex<Vec<u8>>>,
    /// Ends with the terminal.
    reader: Option<JoinHandle<()>>,
    /// The terminal's settings before the program began.
    before: String,
}

impl Seat {
    /// Starts a command in a terminal of 100 by 30.
    pub(crate) fn start(bench: &Bench, args: &[&str]) -> Self {
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
        Self { master: pair.master, slave, keys, child, shown, reader, before }
    }

    /// Presses keys.
    pub(crate) fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
        self.keys.flush().expect("the terminal takes keys");
    }

    /// The bytes that were shown and not waited for.
    pub(crate) fn shown(&self) -> Vec<u8> {
        self.shown.lock().expect("nobody panics with it").clone()
    }

    /// Those as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown()).into_owned()
    }

    /// Waits until this was shown, and forgets what came before and with it.
    pub(crate) fn until(&self, text: &str) {
        until(&format!("{text:?} is shown"), || {
            let mut shown = self.shown.lock().expect("nobody panics with it");
            let found = String::from_utf8_lossy(&shown).contains(text);
            if found {
                shown.clear();
            }
            found.then_some(())
        });
    }

    /// The terminal's settings, where they are other ones than before the program.
    pub(crate) fn changed_settings(&self) -> Option<String> {
        Some(settings(&*self.master)).filter(|settings| *settings != self.before)
    }

    /// Gives the terminal another size.
    pub(crate) fn resize(&self, rows: u16, cols: u16) {
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).expect("it can be resized");
    }

    /// The program's process.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.process_id()
    }

    /// Waits for the program's end; its exit code. The terminal is as it was.
    pub(crate) fn ends(&mut self) -> u32 {
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
