//! What is put into running tasks arrives once and in order, whatever becomes of the stream.

use bytes::Bytes;
use cortex_core::policy::SandboxPolicy;
use cortex_core::report::News;
use cortex_core::report::Report;
use cortex_core::task::Input;
use cortex_core::task::Outcome;
use cortex_core::task::ShellWork;
use cortex_core::task::TaskSpec;
use cortex_core::task::Terminal;
use cortex_core::task::Window;
use cortex_core::task::Work;
use cortex_proto::v1::stream_closing::Reason;

use crate::hub::FakeHub;
use crate::link::tell;

fn cat() -> TaskSpec {
    let argv = vec!["cat".to_owned()];
    TaskSpec::new(Work::Shell(ShellWork { argv, open_stdin: true, ..ShellWork::default() }))
}

fn is_over(seen: &[Report]) -> bool {
    seen.iter().any(|report| matches!(report.news, News::Ended { .. }))
}

fn data(text: &'static str) -> Input {
    Input::Data(Bytes::from_static(text.as_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn input_that_is_sent_again_is_not_put_in_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let running = hub.run(dir.path());
    let mut link = hub.link().await;
    let task = link.submit(cat()).await;
    link.put(task, 1 << 32, data("one ")).await;
    link.given(1 << 32).await;
    link.put(task, 1 << 32, data("one ")).await;
    link.put(task, (1 << 32) + 1, data("two ")).await;
    link.close(Reason::Shutdown).await;

    // A hub that does not know what arrived sends again what was not acknowledged.
    let mut link = hub.link().await;
    link.put(task, (1 << 32) + 1, data("two ")).await;
    link.put(task, 2 << 32, data("three")).await;
    // A number of an earlier stream comes too late.
    link.put(task, (1 << 32) + 2, data("never")).await;
    link.put(task, (2 << 32) + 1, Input::Close).await;
    let story = link.settle(task).await;
    assert_eq!(story.outcome, Outcome::Exited { code: 0 });
    assert_eq!(String::from_utf8(story.stdout).unwrap(), "one two three");
    drop(link);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_acknowledged_again_and_strays_are_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let running = hub.run(dir.path());
    let mut link = hub.link().await;
    let task = link.submit(cat()).await;
    link.put(cortex_core::id::TaskId::generate(), 9, data("for nobody")).await;
    link.put(task, 5, data("x")).await;
    let mut seen = link.given(5).await;
    link.put(task, 5, data("x")).await;
    seen.extend(link.given(5).await);
    // A size is nothing to a task without a terminal.
    link.put(task, 6, Input::Resize(Window::default())).await;
    link.put(task, 7, Input::Close).await;
    while !is_over(&seen) {
        seen.extend(link.batch().await);
    }
    let story = tell(seen);
    assert_eq!((story.outcome, &story.stdout[..]), (Outcome::Exited { code: 0 }, &b"x"[..]));
    drop(link);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_size_stand_where_they_happened() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let running = hub.run(dir.path());
    let mut link = hub.link().await;
    let script = "stty -echo; stty size; read -r line; stty size; echo \"$line\"";
    let argv = ["sh", "-c", script].map(str::to_owned).into();
    let terminal = Some(Terminal::default());
    let work = ShellWork { argv, terminal, ..ShellWork::default() };
    let task = link.submit(TaskSpec::new(Work::Shell(work))).await;
    let mut seen = link.batch().await;
    while !format!("{seen:?}").contains("24 80") {
        seen.extend(link.batch().await);
    }
    link.put(task, 1, Input::Resize(Window::new(91, 17).unwrap())).await;
    link.put(task, 2, data("there\r")).await;
    while !is_over(&seen) {
        seen.extend(link.batch().await);
    }
    let story = tell(seen);
    assert_eq!(story.outcome, Outcome::Exited { code: 0 });
    assert_eq!(String::from_utf8(story.stdout).unwrap(), "24 80\r\n17 91\r\nthere\r\n");
    assert_eq!(String::from_utf8(story.stderr).unwrap(), "7 91x17\n");
    drop(link);
    running.stop().await.unwrap();
}
