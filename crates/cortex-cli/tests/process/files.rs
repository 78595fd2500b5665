//! Files that a skill publishes, written by the commands: whole, in their directory, over nothing.

use std::path::Path;
use std::process::Output;

use cortex_core::Result;
use cortex_core::skill::Description;
use cortex_core::skill::Invocation;
use cortex_core::skill::Skill;
use cortex_core::task::Outcome;
use cortex_node_lib::Environment;
use cortex_node_lib::NodeBuilder;
use cortex_node_lib::NodeConfig;
use serde_json::Value;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::rig::Bench;
use crate::rig::stderr;
use crate::rig::stdout;

const NOTE: &str = "eat soon\n";
const CAKE_BYTES: usize = (3 << 20) + 1;

/// Publishes two files, then fails where it is asked to.
#[derive(Debug)]
struct Bake;

#[async_trait::async_trait]
impl Skill for Bake {
    fn describe(&self) -> Description {
        Description {
            name: "bake".to_owned(),
            version: "1".to_owned(),
            summary: "Bakes.".to_owned(),
            input: json!({"type": "object"}),
            output: json!({"type": "string"}),
        }
    }

    async fn run(&self, call: &Invocation, input: Value) -> Result<Outcome> {
        call.started(None).await;
        call.publish("cake.bin", cake()).await?;
        call.publish("note.txt", NOTE).await?;
        match input["burn"].as_bool() {
            Some(true) => Ok(Outcome::Broken { message: "burnt".to_owned() }),
            _ => Ok(Outcome::Returned { value: "done".into() }),
        }
    }
}

fn cake() -> Vec<u8> {
    (0_u32..).flat_map(u32::to_le_bytes).take(CAKE_BYTES).collect()
}

fn check(dir: &Path) {
    assert!(std::fs::read(dir.join("cake.bin")).expect("the cake is there") == cake());
    assert_eq!(std::fs::read_to_string(dir.join("note.txt")).expect("a note"), NOTE);
    assert_eq!(
        std::fs::read_dir(dir).expect("a directory").count(),
        2,
        "nothing else is left there"
    );
}

/// Makes the calls while a node with the skill is there.
fn with_bakery(bench: &Bench, calls: impl FnOnce()) {
    let file = bench.invite("lab");
    let mut config = NodeConfig::load(&file, &Environment::empty()).expect("a good file").config;
    config.data_dir = bench.path("lab-data");
    let (_node, driver) = NodeBuilder::new(config).skill(Bake).build().expect("the node is built");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let stop = CancellationToken::new();
    let running = runtime.spawn(driver.run(stop.clone()));
    bench.until_status("lab", "online");
    calls();
    stop.cancel();
    runtime.block_on(running).expect("it does not panic").expect("the node ends well");
}

fn code(output: &Output) -> String {
    let problem: Value = serde_json::from_slice(&output.stderr).expect("a problem document");
    problem["code"].as_str().expect("a code").to_owned()
}

#[test]
fn files_of_a_call_are_written_whole_and_over_nothing() {
    let bench = Bench::start(&[]);
    let call = |more: &[&str]| bench.run(&[&["skill", "call", "bake"], more].concat());
    with_bakery(&bench, || {
        let done = call(&["--out-dir", "out/new"]);
        assert!(done.status.success(), "{done:?}");
        assert_eq!(stdout(&done), "done\n");
        assert!(stderr(&done).contains("out/new/cake.bin (3 MiB)"), "{done:?}");
        check(&bench.path("out/new"));
        // What is there stays as it is.
        std::fs::write(bench.path("out/new/note.txt"), "mine").unwrap();
        let refused = call(&["--out-dir", "out/new", "-o", "json"]);
        assert_eq!((refused.status.code(), code(&refused)), (Some(255), "file_exists".into()));
        assert_eq!(bench.read("out/new/note.txt"), "mine");
        // A link in its place is replaced, and what it leads to is not touched.
        std::fs::write(bench.path("victim"), "precious").unwrap();
        std::fs::remove_file(bench.path("out/new/note.txt")).unwrap();
        std::os::unix::fs::symlink("../../victim", bench.path("out/new/note.txt")).unwrap();
        assert!(!call(&["--out-dir", "out/new"]).status.success());
        assert!(call(&["--out-dir", "out/new", "--force"]).status.success());
        check(&bench.path("out/new"));
        assert_eq!(bench.read("victim"), "precious");
        // What a call published before it failed is there too.
        let burnt = call(&["burn=true", "--out-dir", "burnt"]);
        assert_eq!(burnt.status.code(), Some(255), "{burnt:?}");
        check(&bench.path("burnt"));
    });
    let tasks = bench.json(&["task", "list"]);
    let id = tasks["items"][0]["id"].as_str().unwrap();
    let listed = stdout(&bench.run(&["task", "files", id])).to_owned();
    assert!(listed.contains("cake.bin  3 MiB  "), "{listed}");
    let listed = bench.json(&["task", "files", id]);
    assert_eq!(listed["items"][1]["size"], NOTE.len());
    let later = bench.run(&["task", "files", id, "--out-dir", "later"]);
    assert!(later.status.success(), "{later:?}");
    check(&bench.path("later"));
    let none = bench.run(&["task", "files", "tsk_00000000000000000000000000"]);
    assert!(!none.status.success());
}
