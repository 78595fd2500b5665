//! Processes of a test: a hub, nodes and commands, in a directory of their own and on free ports.

use std::fs::File;
use std::io::BufRead as _;
use std::io::BufReader;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Output;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use rustix::process::Pid;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::http::Api;

pub(crate) const CLI: &str = env!("CARGO_BIN_EXE_cortex-cli");
pub(crate) const NODE: &str = env!("CARGO_BIN_EXE_cortex-node");

/// No wait of a test takes longer than this, even on a loaded machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// How often a wait asks again.
const PAUSE: Duration = Duration::from_millis(20);

/// A process that is killed and reaped when the value is dropped.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    /// Takes a process that was just started.
    pub(crate) fn of(child: Child) -> Self {
        Self(child)
    }

    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.0);
        rustix::process::kill_process(pid, signal).expect("the process is there");
    }

    /// Ends it as a crash does, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.0.kill().expect("the process is there");
        self.0.wait().expect("it can be reaped");
    }

    /// Waits for it to end by itself, but no longer than this; whether it has.
    pub(crate) fn ends_within(&mut self, limit: Duration) -> bool {
        let begin = Instant::now();
        loop {
            if self.0.try_wait().expect("it can be reaped").is_some() {
                return true;
            }
            if begin.elapsed() >= limit {
                return false;
            }
            pause();
        }
    }

    /// Its resident memory in KiB, without the pages of its program, which are read as they are needed.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()));
        let status = status.expect("the process is there");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let value = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        value.expect("Linux says how much memory a process has")
    }

    /// Waits until it has ended by itself; its exit code.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.end().code()
    }

    /// Waits until it has ended by itself; how it did.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let child = &mut self.0;
        until("the process ends", || child.try_wait().expect("it can be reaped"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have been reaped already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A directory with a hub in it, and the commands of one person.
#[derive(Debug)]
pub(crate) struct Bench {
    dir: TempDir,
    hub: Option<Running>,
    http: String,
    grpc: String,
    sign_in: String,
}

impl Bench {
    /// Starts a hub on free ports.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_after(options, |_| ())
    }

    /// The same in a directory in which something is done before.
    pub(crate) fn start_after(options: &[&str], prepare: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        prepare(dir.path());
        let free = "127.0.0.1:0".to_owned();
        let mut bench =
            Self { dir, hub: None, http: free.clone(), grpc: free, sign_in: String::new() };
        bench.serve(options);
        bench
    }

    /// Starts the hub: again, on the ports that it had.
    pub(crate) fn serve(&mut self, options: &[&str]) {
        let serves = self.serve_with(options, &[]);
        assert!(serves, "the hub ended before its first line:\n{}", self.read("hub.log"));
    }

    /// The same with these variables; whether it came as far as to say where it is.
    pub(crate) fn serve_with(&mut self, options: &[&str], variables: &[(&str, &str)]) -> bool {
        let mut command = self.command(CLI);
        command.envs(variables.iter().copied());
        command.args(["hub", "serve", "-o", "json", "--data-dir", "hub"]).args(options);
        command.args(["--http", &self.http, "--grpc", &self.grpc]);
        let errors = File::options().create(true).append(true).open(self.path("hub.log"));
        command.stderr(errors.expect("the log can be written"));
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the hub starts");
        let stdout = child.stdout.take().expect("standard output is piped");
        let hub = Running(child);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("the hub's first line");
        if line.is_empty() {
            self.hub = Some(hub);
            return false;
        }
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| {
            panic!("{line:?} is no first line ({error}):\n{}", self.read("hub.log"))
        });
        let address = |name: &str| ready[name].as_str().expect("an address").to_owned();
        self.http = address("http").trim_start_matches("http://").to_owned();
        self.grpc = address("grpc");
        self.sign_in = address("sign_in");
        self.hub = Some(hub);
        true
    }

    /// The hub's process.
    pub(crate) fn hub(&mut self) -> &mut Running {
        self.hub.as_mut().expect("the hub runs")
    }

    /// Takes the hub's process out, for who looks at it while commands run.
    pub(crate) fn take_hub(&mut self) -> Running {
        self.hub.take().expect("the hub runs")
    }

    /// Where the hub's API is.
    pub(crate) fn http(&self) -> &str {
        &self.http
    }

    /// The hub's API, asked by its first admin.
    pub(crate) fn api(&self) -> Api {
        let token = self.read("hub/admin.token").trim().to_owned();
        Api { address: self.http.clone(), token }
    }

    /// Where nodes dial the hub.
    pub(crate) fn grpc(&self) -> &str {
        &self.grpc
    }

    /// The link that signs the first admin in, once.
    pub(crate) fn sign_in(&self) -> &str {
        &self.sign_in
    }

    /// Leaves the files where they are, for whoever wants to know what went wrong.
    pub(crate) fn keep(&mut self) -> PathBuf {
        self.dir.disable_cleanup(true);
        self.dir.path().to_path_buf()
    }

    /// A path below the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file's text; empty where there is no such file yet.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Makes an invite with its file `NAME.yaml`.
    pub(crate) fn invite(&self, name: &str) -> PathBuf {
        let file = format!("{name}.yaml");
        self.json(&["invite", "create", "--name", name, "--out", &file]);
        self.path(&file)
    }

    /// Enrols and starts a node; returns when the hub shows it online.
    pub(crate) fn node(&self, name: &str) -> Running {
        self.invite(name);
        let node = self.start_node(name);
        self.until_status(name, "online");
        node
    }

    /// Starts the node of `NAME.yaml`.
    pub(crate) fn start_node(&self, name: &str) -> Running {
        self.start_node_with(name, &[])
    }

    /// The same with these variables.
    pub(crate) fn start_node_with(&self, name: &str, variables: &[(&str, &str)]) -> Running {
        let mut command = self.command(NODE);
        command.envs(variables.iter().copied());
        let (config, data) = (format!("{name}.yaml"), format!("{name}-data"));
        command.args(["run", "--config", &config, "--data-dir", &data]);
        let log = self.path(&format!("{name}.log"));
        let errors = File::options().create(true).append(true).open(log);
        command.stdout(Stdio::null()).stderr(errors.expect("the log can be written"));
        Running(command.spawn().expect("the node starts"))
    }

    /// Waits until the hub shows a node with this status.
    pub(crate) fn until_status(&self, name: &str, status: &str) {
        until(&format!("{name} is {status}"), || {
            let nodes = self.json(&["node", "list"]);
            let nodes = nodes["items"].as_array().expect("a list").clone();
            nodes.into_iter().find(|node| node["name"] == name && node["status"] == status)
        });
    }

    /// Starts a task and returns its id.
    pub(crate) fn detach(&self, node: &str, argv: &[&str]) -> String {
        let mut args = vec!["exec", node, "--detach", "--"];
        args.extend(argv);
        let task = self.json(&args);
        task["id"].as_str().expect("an id").to_owned()
    }

    /// Waits for a task's end; the task.
    pub(crate) fn finish(&self, id: &str) -> Value {
        self.run(&["task", "wait", id]);
        self.json(&["task", "show", id])
    }

    /// Runs a command that has to succeed, and reads its JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[&["-o", "json"], args].concat());
        assert!(output.status.success(), "{args:?}: {output:?}");
        serde_json::from_slice(&output.stdout).expect("one JSON document")
    }

    /// Runs a command to its end, as the hub's first admin.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.cli(args).output().expect("the command runs")
    }

    /// A command of the person.
    pub(crate) fn cli(&self, args: &[&str]) -> Command {
        let mut command = self.command(CLI);
        command.env("CORTEX_HUB", format!("http://{}", self.http));
        command.env("CORTEX_TOKEN_FILE", self.path("hub/admin.token"));
        command.args(args);
        command
    }

    /// A program in the directory, with nothing of the tester's own environment but the path.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.env_clear().env("HOME", self.dir.path()).current_dir(self.dir.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).stdin(Stdio::null());
        command
    }
}

/// A moment, after which something is asked again.
#[expect(clippy::disallowed_methods, reason = "what other processes do tells nobody of itself")]
pub(crate) fn pause() {
    std::thread::sleep(PAUSE);
}

/// Asks again and again until there is an answer.
pub(crate) fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        assert!(begin.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        pause();
    }
}

/// What a command wrote to standard output.
pub(crate) fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("text")
}

/// What a command wrote to standard error.
pub(crate) fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("text")
}
