//! Tasks: output, policy, time limits, cancels.

use std::time::Duration;
use std::time::Instant;

use async_trait::async_trait;
use cortex_core::policy::Rule;
use cortex_core::policy::SandboxPolicy;
use cortex_core::report::News;
use cortex_core::skill::Description;
use cortex_core::skill::Invocation;
use cortex_core::skill::Skill;
use cortex_core::skill::SkillError;
use cortex_core::skill::TypedSkill;
use cortex_core::task::Outcome;
use cortex_core::task::ShellWork;
use cortex_core::task::TaskSpec;
use cortex_core::task::Work;
use cortex_node_lib::NodeBuilder;

use crate::hub::FakeHub;
use crate::hub::Running;

fn sh(script: &str) -> TaskSpec {
    TaskSpec::argv(["sh", "-c", script])
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_streams_and_stdin_come_through() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let running = hub.run(dir.path());
    let mut link = hub.link().await;
    let work = ShellWork {
        argv: ["sh", "-c", "cat; echo $GREETING >&2; pwd; exit 7"].map(str::to_owned).into(),
        env: [("GREETING".to_owned(), "hello".to_owned())].into(),
        stdin: bytes::Bytes::from_static(b"from stdin\n"),
        ..ShellWork::default()
    };
    let task = link.submit(TaskSpec::new(Work::Shell(work))).await;
    let story = link.settle(task).await;
    let workspace = dir.path().join("workspace").canonicalize().unwrap();
    let expected = format!("from stdin\n{}\n", workspace.display());
    assert_eq!(String::from_utf8(story.stdout).unwrap(), expected);
    assert_eq!(story.stderr, b"hello\n");
    assert_eq!(story.outcome, Outcome::Exited { code: 7 });
    let task = link.submit(sh("kill -9 $$")).await;
    assert_eq!(link.settle(task).await.outcome, Outcome::Signalled { signal: 9 });
    let task = link.submit(TaskSpec::argv(["no-such-program"])).await;
    let story = link.settle(task).await;
    let Outcome::Broken { message } = story.outcome else { panic!("{:?}", story.outcome) };
    assert!(message.contains("no-such-program") && message.contains("/usr/bin"), "{message}");
    drop(link);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_a_running_task_arrives_while_it_runs() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let running = hub.run(dir.path());
    let mut link = hub.link().await;
    let task = link.submit(sh("echo first; read line; echo $line")).await;
    // `read` meets the end of its empty input at once only if stdin is closed: keep it open.
    let first = link.story(task).await;
    assert_eq!(first.stdout, b"first\n\n");
    link.ack(task, 1, first.last).await;

    let task = link.submit(sh("echo first; sleep 600")).await;
    let mut seen = Vec::new();
    while !seen.iter().any(|report: &cortex_core::report::Report| {
        matches!(&report.news, News::Output { data, .. } if data.as_ref() == b"first\n")
    }) {
        seen.extend(link.batch().await);
    }
    link.cancel(task).await;
    let outcome = link.settle(task).await.outcome;
    assert!(matches!(outcome, Outcome::Cancelled { .. }), "{outcome:?}");
    drop(link);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_the_whole_group_and_counts_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let running = hub.run(dir.path());
    let mut link = hub.link().await;
    // Two children that ignore TERM, so that KILL has to end them.
    let script = "trap '' TERM; sleep 600 & sleep 601 & echo ready $! ; wait; wait";
    let mut spec = sh(script);
    spec.grace = Duration::from_millis(300);
    let task = link.submit(spec).await;
    let mut output = Vec::new();
    while !output.ends_with(b"\n") {
        for report in link.batch().await {
            if let News::Output { data, .. } = report.news {
                output.extend_from_slice(&data);
            }
        }
    }
    let child: u32 =
        String::from_utf8(output).unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
    let asked = Instant::now();
    link.cancel(task).await;
    let story = link.settle(task).await;
    assert_eq!(story.outcome, Outcome::Cancelled { processes: 3 });
    assert!(asked.elapsed() >= Duration::from_millis(300), "TERM was ignored, KILL came later");
    assert!(!is_running(child), "the child is gone");
    drop(link);
    running.stop().await.unwrap();
}

/// Whether a process is there and no zombie.
fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_limit_ends_the_task() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let running = hub.run(dir.path());
    let mut link = hub.link().await;
    let task = link.submit(sh("sleep 600").timeout(Duration::from_millis(100))).await;
    let outcome = link.settle(task).await.outcome;
    assert!(matches!(outcome, Outcome::TimedOut { processes: 1.. }), "{outcome:?}");
    drop(link);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_is_asked_before_a_process_exists() {
    let dir = tempfile::tempdir().unwrap();
    let policy = SandboxPolicy {
        allow: vec!["echo".parse().unwrap(), "touch".parse().unwrap()],
        deny: vec![Rule::new("touch").unwrap().named("no-touch").unwrap()],
        ..SandboxPolicy::default()
    };
    let mut hub = FakeHub::start(policy).await;
    let running = hub.run(dir.path());
    let mut link = hub.link().await;
    let task = link.submit(TaskSpec::argv(["touch", "made"])).await;
    let story = link.settle(task).await;
    let Outcome::Rejected { rule, .. } = &story.outcome else { panic!("{:?}", story.outcome) };
    assert!(rule.contains("no-touch"), "{rule}");
    assert_eq!(story.pid, None);
    assert!(!dir.path().join("workspace/made").exists());
    let line = ShellWork { line: Some("echo hi".into()), ..ShellWork::default() };
    let task = link.submit(TaskSpec::new(Work::Shell(line))).await;
    let outcome = link.settle(task).await.outcome;
    assert!(
        matches!(&outcome, Outcome::Rejected { rule, .. } if rule.contains("command line")),
        "{outcome:?}"
    );
    let task = link.submit(TaskSpec::argv(["echo", "allowed"])).await;
    assert_eq!(link.settle(task).await.stdout, b"allowed\n");
    drop(link);
    running.stop().await.unwrap();
}

#[derive(Debug)]
struct Panics;

#[async_trait]
impl Skill for Panics {
    fn describe(&self) -> Description {
        let (input, output) = (serde_json::Value::Null, serde_json::Value::Null);
        let (name, version) = ("panics".to_owned(), "1".to_owned());
        Description { name, version, summary: String::new(), input, output }
    }

    async fn run(&self, _: &Invocation, _: serde_json::Value) -> cortex_core::Result<Outcome> {
        panic!("on purpose");
    }
}

#[derive(Debug)]
struct Doubles;

#[async_trait]
impl TypedSkill for Doubles {
    const NAME: &'static str = "doubles";
    type Input = u32;
    type Output = u32;

    async fn run(&self, invocation: &Invocation, input: u32) -> Result<u32, SkillError> {
        invocation.line("doubling").await;
        Ok(input * 2)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn own_skills_return_values_and_may_not_break_the_node() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::default()).await;
    let builder = NodeBuilder::new(hub.config(dir.path())).skill(Panics).skill(Doubles);
    let running = Running::start(builder);
    let mut link = hub.link().await;
    let task = link.submit(TaskSpec::skill("panics", serde_json::Value::Null)).await;
    let outcome = link.settle(task).await.outcome;
    assert!(
        matches!(&outcome, Outcome::Broken { message } if message.contains("on purpose")),
        "{outcome:?}"
    );
    let task = link.submit(TaskSpec::skill("doubles", 21.into())).await;
    let story = link.settle(task).await;
    assert_eq!(story.outcome, Outcome::Returned { value: 42.into() });
    assert_eq!(story.stdout, b"doubling\n");
    let task = link.submit(TaskSpec::skill("none", 21.into())).await;
    let outcome = link.settle(task).await.outcome;
    assert!(
        matches!(&outcome, Outcome::Broken { message } if message.contains("doubles")),
        "{outcome:?}"
    );
    drop(link);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn more_tasks_than_places_wait_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let running = Running::start(NodeBuilder::new(hub.config(dir.path()).max_tasks(1)));
    let mut link = hub.link().await;
    let holder = link.submit(sh("sleep 600")).await;
    let waiting = link.submit(TaskSpec::argv(["echo", "second"])).await;
    let given_up = link.submit(TaskSpec::argv(["echo", "third"])).await;
    link.cancel(given_up).await;
    let mut ended = Vec::new();
    let mut has_cancelled = false;
    while ended.len() < 3 {
        for report in link.batch().await {
            if let News::Ended { outcome, .. } = report.news {
                link.ack(report.task, 1, report.sequence).await;
                ended.push((report.task, outcome));
            }
        }
        if !ended.is_empty() && !has_cancelled {
            has_cancelled = true;
            link.cancel(holder).await;
        }
    }
    assert_eq!(ended[0], (given_up, Outcome::Cancelled { processes: 0 }));
    assert_eq!(ended[1].0, holder);
    assert_eq!(ended[2], (waiting, Outcome::Exited { code: 0 }));
    drop(link);
    running.stop().await.unwrap();
}
