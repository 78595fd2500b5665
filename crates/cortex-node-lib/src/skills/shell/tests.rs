//! What the shell starts, what it refuses, and what it leaves behind.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::policy::Rule;
use cortex_core::policy::SandboxPolicy;
use cortex_core::skill::Console;
use cortex_core::skill::StopReason;
use cortex_core::skill::Workdir;
use cortex_core::task::Stream;

use super::family::Census;
use super::family::Family;
use super::*;

/// Takes down what a task puts out; stops it when it is told to.
#[derive(Debug, Default)]
struct Notes {
    output: Mutex<Vec<u8>>,
    cut: Mutex<Vec<Stream>>,
    pid: watch::Sender<Option<u32>>,
    stop: watch::Sender<Option<StopReason>>,
}

#[async_trait]
impl Console for Notes {
    fn cut(&self, stream: Stream) {
        self.cut.lock().unwrap().push(stream);
    }

    async fn started(&self, pid: Option<u32>) {
        self.pid.send_replace(pid);
    }

    async fn write(&self, _: Stream, data: Bytes) {
        self.output.lock().unwrap().extend_from_slice(&data);
    }

    async fn workdir(&self) -> Result<Workdir> {
        unreachable!("the shell has a workspace")
    }

    async fn put_out(&self, _: Stream) -> u64 {
        self.output.lock().unwrap().len() as u64
    }

    async fn stopped(&self) -> StopReason {
        let mut stop = self.stop.subscribe();
        let reason = stop.wait_for(Option::is_some).await.unwrap();
        reason.expect("it was waited for")
    }
}

struct Bench {
    shell: Shell,
    notes: Arc<Notes>,
    workspace: tempfile::TempDir,
    _policy: watch::Sender<Arc<Effective>>,
}

impl Bench {
    fn new(policy: SandboxPolicy) -> Self {
        let workspace = tempfile::tempdir().unwrap();
        let policy = watch::Sender::new(Arc::new(Effective::of(policy)));
        let path = std::env::var_os("PATH").unwrap();
        let base = BaseEnvironment::of([
            (OsStr::new("PATH"), path.as_os_str()),
            (OsStr::new("CORTEX_TOKEN"), OsStr::new("secret")),
            (OsStr::new("KEPT"), OsStr::new("yes")),
        ]);
        let shell = Shell::new(policy.subscribe(), workspace.path().to_path_buf(), base);
        Self { shell, notes: Arc::default(), workspace, _policy: policy }
    }

    fn permissive() -> Self {
        Self::new(SandboxPolicy::permissive())
    }

    async fn run(&self, work: &ShellWork) -> Outcome {
        let (task, session) = (TaskId::generate(), SessionId::from_bytes([2; 16]));
        let grace = Duration::from_secs(5);
        let console = Arc::clone(&self.notes) as Arc<dyn Console>;
        let invocation = Invocation::new(task, 1, session, grace, console);
        self.shell.run(&invocation, serde_json::to_value(work).unwrap()).await.unwrap()
    }

    fn output(&self) -> String {
        String::from_utf8(self.notes.output.lock().unwrap().clone()).unwrap()
    }
}

fn argv<const N: usize>(argv: [&str; N]) -> ShellWork {
    ShellWork { argv: argv.map(str::to_owned).into(), ..ShellWork::default() }
}

fn line(line: &str) -> ShellWork {
    ShellWork { line: Some(line.to_owned()), ..ShellWork::default() }
}

fn rule_of(outcome: Outcome) -> String {
    match outcome {
        Outcome::Rejected { rule, .. } => rule,
        other => panic!("expected a rejection, got {other:?}"),
    }
}

fn is_broken(outcome: &Outcome, words: &str) -> bool {
    matches!(outcome, Outcome::Broken { message } if message.contains(words))
}

#[tokio::test]
async fn the_environment_is_the_nodes_own_without_its_secrets() {
    let bench = Bench::permissive();
    let mut work = argv(["sh", "-c", "echo $KEPT-$CORTEX_TOKEN-$ADDED"]);
    work.env.insert("ADDED".to_owned(), "too".to_owned());
    assert_eq!(bench.run(&work).await, Outcome::Exited { code: 0 });
    assert_eq!(bench.output(), "yes--too\n");
}

#[tokio::test]
async fn the_search_path_of_the_task_does_not_choose_the_program() {
    let bench = Bench::permissive();
    let evil = bench.workspace.path().join("echo");
    std::fs::write(&evil, "#!/bin/sh\n/bin/echo evil\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&evil, mode).unwrap();
    let mut work = argv(["echo", "good"]);
    work.env.insert("PATH".to_owned(), bench.workspace.path().display().to_string());
    assert_eq!(bench.run(&work).await, Outcome::Exited { code: 0 });
    assert_eq!(bench.run(&argv(["./echo"])).await, Outcome::Exited { code: 0 });
    assert_eq!(bench.output(), "good\nevil\n");
}

#[tokio::test]
async fn a_link_to_a_denied_program_is_denied_and_one_to_another_keeps_its_name() {
    let deny = vec![Rule::new("touch").unwrap()];
    let bench = Bench::new(SandboxPolicy { deny, ..SandboxPolicy::permissive() });
    let touch = bench.shell.search.find("touch", Path::new("/")).real.unwrap();
    let sh = bench.shell.search.find("sh", Path::new("/")).real.unwrap();
    for (target, name) in [(touch, "harmless"), (sh, "renamed")] {
        std::os::unix::fs::symlink(target, bench.workspace.path().join(name)).unwrap();
    }
    let rule = rule_of(bench.run(&argv(["./harmless", "made"])).await);
    assert!(rule.contains("deny[0]"), "{rule}");
    assert!(!bench.workspace.path().join("made").exists());
    assert_eq!(*bench.notes.pid.borrow(), None);
    assert_eq!(bench.run(&argv(["./renamed", "-c", "echo $0"])).await, Outcome::Exited { code: 0 });
    assert_eq!(bench.output(), "./renamed\n");
}

#[tokio::test]
async fn a_line_needs_a_rule_for_its_shell() {
    let bench = Bench::permissive();
    assert!(rule_of(bench.run(&line("echo hi")).await).contains("command line"));
    let allow = vec![Rule::new("sh").unwrap().for_command_lines()];
    let bench = Bench::new(SandboxPolicy { allow, ..SandboxPolicy::default() });
    assert_eq!(bench.run(&line("echo a | tr a b; exit 4")).await, Outcome::Exited { code: 4 });
    assert_eq!(bench.output(), "b\n");
}

#[tokio::test]
async fn the_working_directory_is_real_and_inside_the_root() {
    let root = tempfile::tempdir().unwrap();
    let real_root = root.path().canonicalize().unwrap();
    let inside = real_root.join("inside");
    std::fs::create_dir(&inside).unwrap();
    std::os::unix::fs::symlink("/", real_root.join("way-out")).unwrap();
    let workspace_root = Some(real_root.display().to_string());
    let bench = Bench::new(SandboxPolicy { workspace_root, ..SandboxPolicy::permissive() });
    let pwd = |cwd: String| ShellWork { cwd: Some(cwd), ..argv(["pwd"]) };
    assert!(rule_of(bench.run(&argv(["pwd"])).await).contains("workspace_root"));
    let out = real_root.join("way-out").display().to_string();
    assert!(rule_of(bench.run(&pwd(out)).await).contains("workspace_root"));
    assert_eq!(bench.run(&pwd(inside.display().to_string())).await, Outcome::Exited { code: 0 });
    assert_eq!(bench.output(), format!("{}\n", inside.display()));
    let missing = bench.run(&pwd("/no/such/place".into())).await;
    assert!(is_broken(&missing, "/no/such/place"), "{missing:?}");
}

#[tokio::test]
async fn variables_that_steer_the_loader_need_a_permissive_policy() {
    let allow = vec!["echo".parse().unwrap()];
    let strict = Bench::new(SandboxPolicy { allow, ..SandboxPolicy::default() });
    let mut work = argv(["echo", "hi"]);
    work.env.insert("LD_PRELOAD".to_owned(), "/tmp/evil.so".to_owned());
    assert!(rule_of(strict.run(&work).await).contains("environment"));
    work.env = [("LD_LIBRARY_PATH".to_owned(), "/opt/lib".to_owned())].into();
    assert_eq!(Bench::permissive().run(&work).await, Outcome::Exited { code: 0 });
}

#[tokio::test]
async fn input_that_is_none_is_explained() {
    let bench = Bench::permissive();
    for work in [ShellWork::default(), argv([""])] {
        let outcome = bench.run(&work).await;
        assert!(is_broken(&outcome, "argv") || is_broken(&outcome, "program"), "{outcome:?}");
    }
    let directory = bench.run(&argv(["/usr"])).await;
    assert!(is_broken(&directory, "no executable file"), "{directory:?}");
}

#[tokio::test]
async fn a_background_process_does_not_hold_the_task_open() {
    let bench = Bench::permissive();
    let asked = Instant::now();
    let outcome = bench.run(&argv(["sh", "-c", "sleep 30 & echo $!"])).await;
    assert_eq!(outcome, Outcome::Exited { code: 0 });
    let took = asked.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(20), "{took:?}");
    let left: u32 = bench.output().trim().parse().unwrap();
    let started = group::start_of(left).expect("it was left alone");
    let pid = i32::try_from(left).unwrap();
    assert!(family(left).end(&[group::Process { pid, started }].into()).len() == 1);
}

#[tokio::test]
async fn a_task_whose_future_is_dropped_leaves_nothing() {
    let bench = Bench::permissive();
    let work = argv(["sh", "-c", "sleep 600 & sleep 600 & wait"]);
    let mut pid = bench.notes.pid.subscribe();
    let leader = tokio::select! {
        outcome = bench.run(&work) => panic!("it ended: {outcome:?}"),
        pid = pid.wait_for(Option::is_some) => pid.unwrap().unwrap(),
    };
    let gone = async {
        while members(leader) > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the group is gone");
}

#[tokio::test]
async fn a_stopped_task_says_why_and_takes_strays_along() {
    // `setsid` leaves the group; it is found by its parents.
    let script = "setsid sleep 600 & sleep 600 & echo ready; wait";
    for (reason, expected) in [
        (StopReason::Cancel, Outcome::Cancelled { processes: 3 }),
        (StopReason::Timeout, Outcome::TimedOut { processes: 3 }),
        (StopReason::Shutdown, Outcome::Interrupted { reason: "node was shut down".into() }),
        (StopReason::Revoked, Outcome::Interrupted { reason: REVOKED.into() }),
    ] {
        let bench = Bench::permissive();
        let stop = async {
            while bench.output() != "ready\n" || strays(&bench) < 3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            bench.notes.stop.send_replace(Some(reason));
        };
        let work = argv(["sh", "-c", script]);
        let both = async { tokio::join!(bench.run(&work), stop).0 };
        let outcome = tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
        assert_eq!(outcome, expected);
        assert_eq!(strays(&bench), 0);
    }
}

/// Processes of the task that are alive.
fn strays(bench: &Bench) -> usize {
    members(bench.notes.pid.borrow().unwrap_or(0))
}

/// Processes that are relatives of one, by whatever but the mark.
fn members(leader: u32) -> usize {
    family(leader).members(&Census::take(), &BTreeSet::new()).len()
}

fn family(leader: u32) -> Family {
    let mark = Mark { task: TaskId::from_bytes([0xff; 16]), attempt: 9 };
    Family { leader: i32::try_from(leader).ok(), mark }
}
