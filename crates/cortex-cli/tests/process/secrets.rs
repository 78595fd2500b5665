//! Secrets that were used in a whole run: in no log, no database, no list of processes.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Output;
use std::process::Stdio;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::Signal;
use rustix::process::getrlimit;
use rustix::process::setrlimit;

use crate::rig::Bench;
use crate::rig::CLI;
use crate::rig::NODE;
use crate::rig::stderr;
use crate::rig::stdout;

const PASSWORD: &str = "correct horse 51 battery";

/// Files that are there to hold a secret; below the bench's directory.
const KEEPERS: [&str; 6] = [
    "task.key",
    "hub/admin.token",
    "hub/trust/",
    "lab.yaml",
    "lab-data/",
    ".config/cortex/config.yaml",
];

/// How the names of files with keys end, of hub and node.
const KEYS: [&str; 3] = [".key.pem", ".master", ".key"];

/// What was seen besides files: arguments of processes, and what commands printed.
#[derive(Default)]
struct Seen {
    texts: BTreeSet<Vec<u8>>,
}

/// Ends the watching, also when the run fails.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Collects the arguments of all processes until `stop`.
#[expect(
    clippy::disallowed_methods,
    reason = "the system does not tell of the processes it starts"
)]
fn watch_arguments(stop: &AtomicBool) -> BTreeSet<Vec<u8>> {
    let mut seen = BTreeSet::new();
    while !stop.load(Ordering::Relaxed) {
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            if let Ok(line) = std::fs::read(entry.path().join("cmdline")) {
                seen.insert(line);
            }
        }
        // A look takes a moment itself; a command takes many of them.
        std::thread::sleep(Duration::from_millis(1));
    }
    seen
}

impl Seen {
    fn note(&mut self, output: &Output) {
        self.texts.extend([output.stdout.clone(), output.stderr.clone()]);
    }
}

/// Runs a command as whoever is signed in, with this text on its standard input.
fn signed_in(bench: &Bench, args: &[&str], input: &str) -> Output {
    let mut command = bench.command(CLI);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    let mut stdin = child.stdin.take().expect("standard input is piped");
    // A command that fails early reads nothing.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("the command ends")
}

/// The tokens that the context file has now.
fn tokens(bench: &Bench) -> Vec<String> {
    let text = bench.read(".config/cortex/config.yaml");
    let words = text.split(|c: char| c.is_whitespace() || c == '"' || c == '\'');
    let is_token = |word: &&str| word.starts_with("cxr1.") || word.starts_with("eyJ");
    words.filter(is_token).map(ToOwned::to_owned).collect()
}

/// Lets the access token in the context file count as expired.
fn age(bench: &Bench) {
    let path = bench.path(".config/cortex/config.yaml");
    let text = std::fs::read_to_string(&path).expect("the context file");
    let aged = text.lines().map(|line| match line.split_once("expires_at:") {
        Some((head, _)) => format!("{head}expires_at: \"2020-01-01T00:00:00Z\"\n"),
        None => format!("{line}\n"),
    });
    std::fs::write(&path, aged.collect::<String>()).expect("the context file");
}

/// A client that does it wrong: a token in the URL, a wrong one in the header.
fn clumsy(bench: &Bench, token: &str) {
    let mut stream = TcpStream::connect(bench.http()).expect("the hub listens");
    let request = format!(
        "GET /api/nodes?token={token} HTTP/1.1\r\nHost: localhost\r\n\
         Authorization: Bearer {token}x\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("the hub reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the hub answers");
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

/// All that a person does with secrets, once. Returns every secret.
fn whole_run(bench: &mut Bench, seen: &mut Seen) -> Vec<String> {
    let hub = format!("http://{}", bench.http());
    let code = bench.sign_in().split("#code=").nth(1).expect("a code").to_owned();
    let login = ["login", &hub, "--code-stdin", "--name", "first"];
    seen.note(&signed_in(bench, &login, &code));
    let mut secrets = vec![PASSWORD.to_owned(), code, bench.read("hub/admin.token")];
    secrets.extend(tokens(bench));
    seen.note(&signed_in(bench, &["user", "add", "ada", "--password-stdin"], PASSWORD));
    let login = ["login", &hub, "--user", "ada", "--password-stdin", "--name", "second"];
    let wrong = signed_in(bench, &login, "a wrong password");
    assert_eq!(wrong.status.code(), Some(3), "{wrong:?}");
    seen.note(&wrong);
    let right = signed_in(bench, &login, PASSWORD);
    assert!(right.status.success(), "{right:?}");
    seen.note(&right);
    secrets.extend(tokens(bench));
    age(bench);
    let renewed = signed_in(bench, &["whoami", "-vv"], "");
    assert!(stdout(&renewed).contains("ada"), "{renewed:?}");
    seen.note(&renewed);
    secrets.extend(tokens(bench));
    let token = signed_in(bench, &["token", "create", "--name", "t"], "");
    secrets.push(stdout(&token).trim().to_owned());
    clumsy(bench, stdout(&token).trim());
    bench.invite("lab");
    let invite = bench.read("lab.yaml");
    let invite = invite.split(|c: char| c.is_whitespace() || c == '"');
    secrets.extend(invite.filter(|word| word.starts_with("cxi1.")).map(ToOwned::to_owned));
    let mut node = bench.start_node("lab");
    bench.until_status("lab", "online");
    node.signal(Signal::TERM);
    assert_eq!(node.exit_code(), Some(0));
    secrets.push(bench.read("lab-data/identity.key"));
    let mut rotate = bench.command(NODE);
    rotate.args(["rotate-identity", "-vv", "--config", "lab.yaml", "--data-dir", "lab-data"]);
    let rotated = rotate.output().expect("the command runs");
    assert!(rotated.status.success(), "{rotated:?}");
    seen.note(&rotated);
    let _node = bench.start_node("lab");
    bench.until_status("lab", "online");
    seen.note(&bench.run(&["exec", "lab", "--", "echo", "done"]));
    secrets.extend(secrets_of_tasks(bench, seen));
    seen.note(&bench.run(&["node", "share", "lab", "ada"]));
    for args in [&["login", "list"][..], &["token", "list"], &["login", "revoke", "--all"]] {
        let output = signed_in(bench, args, "");
        assert!(output.status.success(), "{args:?}: {output:?}");
        seen.note(&output);
    }
    bench.hub().signal(Signal::TERM);
    assert_eq!(bench.hub().exit_code(), Some(0));
    secrets
}

/// Tasks that get secrets and do their best to tell them: in pieces, as they are, in a terminal, in
/// the name of what cannot be started.
fn secrets_of_tasks(bench: &Bench, seen: &mut Seen) -> Vec<String> {
    let (token, key) = ("s3cr3t-t0ken-0f-a-task", "first line of key\nsecond line of key");
    std::fs::write(bench.path("task.key"), format!("{key}\n")).expect("the file is written");
    let tell = "printf %s \"$TOKEN\"; printf '%s\n' \"$KEY\" >&2; \
                for part in s3cr3t- t0ken- 0f-a- task; do printf %s $part; sleep 0.1; done; env";
    let exec = |options: &[&str], script: &str| {
        let mut command = bench.command(CLI);
        command.env("CORTEX_HUB", format!("http://{}", bench.http()));
        command.env("CORTEX_TOKEN_FILE", bench.path("hub/admin.token"));
        command.env("TOKEN", token).args(["exec", "lab", "-vv", "--secret", "TOKEN"]);
        command.args(["--secret-file", "KEY=task.key"]).args(options);
        command.args(["--", "sh", "-c", script]).output().expect("the command runs")
    };
    let told = exec(&[], tell);
    assert!(told.status.success(), "{told:?}");
    let text = stdout(&told);
    assert_eq!(text.matches("[redacted:TOKEN]").count(), 3, "{text}");
    assert!(text.contains("TOKEN=[redacted:TOKEN]\n") && text.contains("KEY=[redacted:KEY]"));
    assert_eq!(stderr(&told).matches("[redacted:KEY]\n").count(), 1, "{told:?}");
    seen.note(&told);
    seen.note(&exec(&[], "exec /nowhere/$TOKEN"));
    let exposed = exec(&["--env", &format!("OTHER={}", "t0ken-0f")], "true");
    assert!(exposed.status.success(), "a part of a secret is none: {exposed:?}");
    seen.note(&bench.run(&["task", "list", "-o", "json"]));
    seen.note(&bench.run(&["events", "-o", "jsonl"]));
    seen.note(&bench.run(&["audit", "list", "-o", "json"]));
    let mut secrets: Vec<String> = key.lines().map(ToOwned::to_owned).collect();
    secrets.push(token.to_owned());
    secrets
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

/// What would betray these secrets: of a token its last part, of a file with a key its lines.
fn needles(secrets: &[String], keys: &[Vec<u8>]) -> BTreeSet<Vec<u8>> {
    let last = |secret: &String| secret.trim().rsplit('.').next().unwrap_or_default().to_owned();
    let mut needles: BTreeSet<Vec<u8>> =
        secrets.iter().map(|secret| last(secret).into_bytes()).collect();
    for key in keys {
        match std::str::from_utf8(key) {
            Ok(text) => needles.extend(
                text.lines()
                    .filter(|line| !line.starts_with('-'))
                    .map(|line| line.as_bytes().to_vec()),
            ),
            Err(_) => {
                needles.insert(key.clone());
            }
        }
    }
    needles.retain(|needle| needle.len() >= 16);
    needles
}

#[test]
fn row_51_secrets_of_a_whole_run_are_where_they_belong_and_nowhere_else() {
    let mut bench = Bench::start(&["-vv"]);
    let mut seen = Seen::default();
    let stop = AtomicBool::new(false);
    let secrets = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch_arguments(&stop));
        let stopping = StopOnDrop(&stop);
        let secrets = whole_run(&mut bench, &mut seen);
        drop(stopping);
        seen.texts.extend(watching.join().expect("the watcher ends"));
        secrets
    });
    assert!(secrets.len() >= 11, "{} secrets", secrets.len());

    let root = bench.path("");
    let (mut keys, mut others, mut kept) = (Vec::new(), Vec::new(), 0);
    for path in files_below(&root) {
        let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).unwrap();
        if !KEEPERS.iter().any(|keeper| name.starts_with(keeper)) {
            others.push((name, bytes));
            continue;
        }
        let is_key = KEYS.iter().any(|end| name.ends_with(end));
        if is_key || secrets.iter().any(|secret| contains(&bytes, secret.trim().as_bytes())) {
            let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert!(mode == 0o600 || name == "task.key", "{name}: {mode:o}");
            kept += 1;
        }
        if is_key {
            keys.push(bytes);
        }
    }
    assert!(kept >= 7 && keys.len() >= 4, "{kept} files with secrets, {} keys", keys.len());
    let needles = needles(&secrets, &keys);
    assert!(others.iter().any(|(name, _)| name == "hub.log"));
    assert!(others.iter().any(|(_, bytes)| bytes.starts_with(b"SQLite format 3")));
    for needle in &needles {
        let shown = String::from_utf8_lossy(needle);
        for (name, bytes) in &others {
            assert!(!contains(bytes, needle), "{shown} is in {name}");
        }
        for text in &seen.texts {
            let text_shown = String::from_utf8_lossy(text);
            assert!(!contains(text, needle), "{shown} is in {text_shown}");
        }
    }
    // The arguments were seen at all.
    assert!(seen.texts.iter().any(|text| contains(text, b"--password-stdin")));
}

#[test]
fn row_51_a_crash_of_hub_or_node_leaves_no_core_behind() {
    // For what this process starts from here on; other tests do not crash anything.
    let limit = getrlimit(Resource::Core);
    setrlimit(Resource::Core, Rlimit { current: limit.maximum, ..limit }).expect("it may grow");
    let mut bench = Bench::start(&[]);
    let mut node = bench.node("lab");
    node.signal(Signal::ABORT);
    let ended = node.end();
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(Signal::ABORT.as_raw()), false));
    bench.hub().signal(Signal::ABORT);
    let ended = bench.hub().end();
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(Signal::ABORT.as_raw()), false));
}
