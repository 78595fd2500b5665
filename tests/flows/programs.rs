//! The examples run.

use std::process::Stdio;

use crate::sandbox::wait;

/// Runs an example to its end; cargo has built it beside this test.
async fn run(name: &str) -> String {
    let test = std::env::current_exe().expect("the test's own path");
    let target = test.parent().and_then(|deps| deps.parent()).expect("the target folder");
    let program = target.join("examples").join(name);
    assert!(program.exists(), "{} is missing: run cargo build --examples", program.display());
    let mut command = tokio::process::Command::new(&program);
    command.arg("--once").stdin(Stdio::null()).kill_on_drop(true);
    let output = wait(command.output()).await.expect("the example starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} failed:\n{text}{errors}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_runs() {
    for name in ["embed_hub", "embed_node", "custom_skill", "custom_store"] {
        assert!(!run(name).await.trim().is_empty(), "{name} shows something");
    }
}
