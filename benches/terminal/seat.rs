//! Programs that show a terminal: in one of their own, or with pipes.

use std::io::Read;
use std::io::Write;
use std::process::Child;
use std::process::ChildStdin;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::ensure;
use portable_pty::CommandBuilder;
use portable_pty::MasterPty;
use portable_pty::PtySize;
use portable_pty::native_pty_system;

use crate::echo::Typist;

/// A program with a terminal, and somebody at it.
pub(crate) struct Seat {
    keys: Box<dyn Write + Send>,
    screen: Box<dyn Read + Send>,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
}

/// A program whose standard input and output are pipes.
pub(crate) struct Pipes {
    keys: ChildStdin,
    screen: ChildStdout,
    child: Child,
}

impl Seat {
    /// Starts a program in a terminal.
    pub(crate) fn start(command: &Command) -> Result<Self> {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size)?;
        let mut builder = CommandBuilder::new(command.get_program());
        builder.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => builder.env(name, value),
                None => builder.env_remove(name),
            }
        }
        builder.env("TERM", "xterm-256color");
        let child = pair.slave.spawn_command(builder)?;
        let (keys, screen) = (pair.master.take_writer()?, pair.master.try_clone_reader()?);
        Ok(Self { keys, screen, child, _master: pair.master })
    }
}

impl Pipes {
    /// Starts a program.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("cannot start ssh")?;
        let keys = child.stdin.take().context("standard input is piped")?;
        let screen = child.stdout.take().context("standard output is piped")?;
        Ok(Self { keys, screen, child })
    }

    /// Reads to the end; how many bytes came.
    pub(crate) fn drain(&mut self) -> Result<u64> {
        let (mut buffer, mut bytes) = (vec![0; 64 << 10], 0);
        loop {
            match self.screen.read(&mut buffer)? {
                0 => return Ok(bytes),
                more => bytes += more as u64,
            }
        }
    }
}

impl Typist for Seat {
    fn send(&mut self, keys: &[u8]) -> Result<()> {
        Ok(self.keys.write_all(keys)?)
    }

    fn shown(&mut self) -> Result<Vec<u8>> {
        read(&mut self.screen)
    }
}

impl Typist for Pipes {
    fn send(&mut self, keys: &[u8]) -> Result<()> {
        Ok(self.keys.write_all(keys)?)
    }

    fn shown(&mut self) -> Result<Vec<u8>> {
        read(&mut self.screen)
    }
}

fn read(screen: &mut impl Read) -> Result<Vec<u8>> {
    let mut buffer = [0; 4 << 10];
    let len = screen.read(&mut buffer)?;
    ensure!(len > 0, "the program has ended");
    Ok(buffer[..len].to_vec())
}

impl Drop for Seat {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
