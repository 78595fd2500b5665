//! Skills of one's own: what they say of themselves, what they are called with, how far they come.

use std::sync::Arc;
use std::sync::Mutex;

use cortex_core::ErrorKind;
use cortex_core::session::Happening;
use cortex_core::session::Seq;
use cortex_core::skill::Invocation;
use cortex_core::skill::SkillError;
use cortex_core::skill::TypedSkill;
use cortex_core::task::InputFile;
use cortex_core::task::Outcome;
use cortex_core::task::Progress;
use cortex_core::task::Signal;
use cortex_core::task::TaskEvent;
use cortex_core::task::TaskSpec;
use cortex_core::task::Work;
use cortex_hub_lib::Follow;
use cortex_hub_lib::OutputCursor;
use cortex_hub_lib::TaskDraft;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::sandbox::RunningNode;
use crate::sandbox::Sandbox;
use crate::sandbox::wait;

/// Copies so many things, one for each permit of a test.
#[derive(Debug, Clone)]
struct Copies {
    step: Arc<Semaphore>,
    seen: Arc<Mutex<Vec<u32>>>,
}

/// What is to be copied.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Job {
    /// How many things there are.
    count: u32,
    /// What they are called.
    name: String,
}

#[async_trait::async_trait]
impl TypedSkill for Copies {
    const NAME: &'static str = "copy";
    const SUMMARY: &'static str = "Copies things.";
    type Input = Job;
    type Output = String;

    async fn run(&self, call: &Invocation, job: Job) -> Result<String, SkillError> {
        self.seen.lock().unwrap().push(job.count);
        for done in 0..job.count {
            self.step.acquire().await.map_err(SkillError::new)?.forget();
            call.progress(Progress::new((done + 1).into(), Some(job.count.into()), &*job.name));
        }
        Ok(format!("{} {}", job.count, job.name))
    }
}

/// Counts the bytes of the files that come with it, and leaves one beside them.
#[derive(Debug, Clone, Default)]
struct Weigh {
    dir: Arc<Mutex<Option<std::path::PathBuf>>>,
}

#[async_trait::async_trait]
impl TypedSkill for Weigh {
    const NAME: &'static str = "weigh";
    type Input = ();
    type Output = Vec<(String, usize)>;

    async fn run(&self, call: &Invocation, (): ()) -> Result<Self::Output, SkillError> {
        let dir = call.workdir().await?;
        std::fs::write(dir.path.join("scratch"), "x")?;
        *self.dir.lock().unwrap() = Some(dir.path);
        let weigh = |path: &std::path::PathBuf| -> Result<_, SkillError> {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            Ok((name, std::fs::read(path)?.len()))
        };
        dir.files.iter().map(weigh).collect()
    }
}

async fn with_copies(sandbox: &Sandbox, name: &str) -> (RunningNode, Copies) {
    let skill = Copies { step: Arc::new(Semaphore::new(0)), seen: Arc::default() };
    let config = sandbox.invite(name).await;
    let own = skill.clone();
    let node = sandbox.start_node(&config, name, |builder| builder.skill(own)).await;
    (node, skill)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_says_what_its_skills_take() {
    let sandbox = Sandbox::start().await;
    let (first, _) = with_copies(&sandbox, "first").await;
    let (second, _) = with_copies(&sandbox, "second").await;
    let offers = sandbox.hub.skill(&sandbox.who, "copy").await.unwrap();
    let [offer] = &offers[..] else { panic!("two nodes say the same: {offers:?}") };
    let names: Vec<_> = offer.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["first", "second"]);
    let form = &offer.skill.form;
    assert_eq!(form.summary, "Copies things.");
    let input = form.input.read().unwrap();
    assert_eq!(input["properties"]["count"]["description"], "How many things there are.");
    assert_eq!(form.output.read().unwrap()["type"], "string");
    // Nodes that say the same share it in memory.
    let shared = |node: usize| {
        let stated = offer.nodes[node].capabilities.as_ref().unwrap();
        Arc::clone(&stated.skill("copy").unwrap().form)
    };
    assert!(Arc::ptr_eq(&shared(0), &shared(1)));
    let all = sandbox.hub.skills(&sandbox.who, Some("first")).await.unwrap();
    let names: Vec<_> = all.iter().map(|offer| offer.skill.name.as_str()).collect();
    assert_eq!(names, ["copy", "shell"]);
    let stranger = sandbox.stranger();
    assert!(sandbox.hub.skills(&stranger, None).await.unwrap().is_empty());
    let missing = sandbox.hub.skill(&stranger, "copy").await.unwrap_err();
    assert_eq!((missing.kind(), missing.code()), (ErrorKind::NotFound, "skill_not_found"));
    first.stop().await;
    second.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn input_that_does_not_fit_is_refused_before_it_runs_and_the_field_is_named() {
    let sandbox = Sandbox::start().await;
    let (node, skill) = with_copies(&sandbox, "lab").await;
    let session = sandbox.session(&[&node]).await;
    for (input, place) in [
        (json!({"count": "x", "name": "a"}), "count must be an integer, not \"x\""),
        (json!({"count": 1}), "name is missing"),
        (json!([]), "it must be an object, not []"),
    ] {
        let draft = TaskDraft { spec: TaskSpec::skill("copy", input), node: None };
        let refused = sandbox.hub.submit(&sandbox.who, &session.to_string(), draft, None).await;
        let refused = refused.unwrap_err();
        assert_eq!((refused.kind(), refused.code()), (ErrorKind::Invalid, "skill_input"));
        assert!(refused.message().contains(place), "{refused}");
    }
    assert!(skill.seen.lock().unwrap().is_empty());
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_stored_told_and_shown() {
    let sandbox = Sandbox::start().await;
    let (node, skill) = with_copies(&sandbox, "lab").await;
    let session = sandbox.session(&[&node]).await;
    let spec = TaskSpec::skill("copy", json!({"count": 3, "name": "files"}));
    let task = sandbox.submit(session, spec).await;
    let start = OutputCursor::default();
    let mut follower = sandbox.hub.follow(&sandbox.who, task.id, start).await.unwrap();
    skill.step.add_permits(1);
    let step = wait(follower.next()).await.unwrap();
    let first = Progress::new(1, Some(3), "files");
    assert_eq!(step, Some(Follow::Progress(first.clone())));
    let running = sandbox.hub.task(&sandbox.who, task.id).await.unwrap();
    assert_eq!(running.progress, Some(first.clone()));
    let refused = sandbox.hub.signal(&sandbox.who, task.id, Signal::Hup).await.unwrap_err();
    assert_eq!(refused.code(), "no_process");
    skill.step.add_permits(2);
    let ended = sandbox.finish(&task).await;
    assert_eq!(ended.outcome, Some(Outcome::Returned { value: json!("3 files") }));
    // What came last is told, whatever was left out on the way.
    let last = Progress::new(3, Some(3), "files");
    assert_eq!(ended.progress, Some(last.clone()));
    let mut reader = sandbox.hub.log(&sandbox.who, &session.to_string(), Seq(0)).await.unwrap();
    let mut told = Vec::new();
    'log: loop {
        for frame in wait(reader.next_batch(64)).await.unwrap().unwrap() {
            match &frame.entry.what {
                Happening::Task { event: TaskEvent::Progress { progress, .. }, .. } => {
                    told.push(progress.clone());
                }
                Happening::Task { event: TaskEvent::Ended { .. }, .. } => break 'log,
                _ => {}
            }
        }
    }
    assert_eq!((told.first(), told.last()), (Some(&first), Some(&last)));
    // A restarted hub knows it.
    let sandbox = sandbox.restart().await;
    let stored = sandbox.hub.task(&sandbox.who, task.id).await.unwrap();
    assert_eq!(stored.progress, Some(last));
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_with_a_call_and_go_with_it() {
    let sandbox = Sandbox::start().await;
    let (skill, config) = (Weigh::default(), sandbox.invite("lab").await);
    let own = skill.clone();
    let node = sandbox.start_node(&config, "lab", |builder| builder.skill(own)).await;
    let session = sandbox.session(&[&node]).await;
    let file = |name: &str, len| InputFile { name: name.into(), data: vec![0xff; len].into() };
    let call =
        |files| TaskSpec::new(Work::Skill { name: "weigh".into(), input: json!(null), files });
    let ended = sandbox.run(session, call(vec![file("a", 1 << 20), file("b.csv", 3)])).await;
    let value = json!([["a", 1 << 20], ["b.csv", 3]]);
    assert_eq!(ended.outcome, Some(Outcome::Returned { value }));
    let dir = skill.dir.lock().unwrap().take().unwrap();
    assert!(dir.starts_with(sandbox.path("lab-data")) && !dir.exists(), "{}", dir.display());
    let draft = TaskDraft { spec: call(vec![file("../x", 1)]), node: None };
    let refused = sandbox.hub.submit(&sandbox.who, &session.to_string(), draft, None).await;
    assert_eq!(refused.unwrap_err().code(), "bad_task");
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skill_is_cancelled_like_any_task() {
    let sandbox = Sandbox::start().await;
    let (node, skill) = with_copies(&sandbox, "lab").await;
    let session = sandbox.session(&[&node]).await;
    let mut spec = TaskSpec::skill("copy", json!({"count": 2, "name": "files"}));
    spec.grace = std::time::Duration::ZERO;
    let task = sandbox.submit(session, spec).await;
    let start = OutputCursor::default();
    let mut follower = sandbox.hub.follow(&sandbox.who, task.id, start).await.unwrap();
    skill.step.add_permits(1);
    assert!(matches!(wait(follower.next()).await.unwrap(), Some(Follow::Progress(_))));
    sandbox.hub.cancel(&sandbox.who, task.id, "enough").await.unwrap();
    let ended = sandbox.finish(&task).await;
    assert_eq!(ended.outcome, Some(Outcome::Cancelled { processes: 0 }));
    node.stop().await;
    sandbox.stop().await;
}
