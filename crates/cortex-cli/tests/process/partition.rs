//! Hub and node that cannot hear each other for a while, and are not told. `scripts/partition` does
//! the same with network namespaces, for a whole minute.

use std::time::Duration;
use std::time::Instant;

use crate::proxy::Proxy;
use crate::rig::Bench;
use crate::rig::Running;
use crate::rig::stdout;
use crate::rig::until;

const LOST_WITHIN: Duration = Duration::from_secs(30);
const BACK_WITHIN: Duration = Duration::from_secs(10);

/// Notes its start, then counts for so many tenths of a second.
fn count(bench: &Bench, tenths: u32) -> String {
    let home = bench.path("").display().to_string();
    let script = format!(
        "echo run >> '{home}/runs'; for n in $(seq {tenths}); do echo line $n; sleep 0.1; done"
    );
    let task = bench.detach("lab", &["sh", "-c", &script]);
    until("the first line", || {
        let task = bench.json(&["task", "show", &task]);
        task["output"]["stdout_bytes"].as_u64().filter(|bytes| *bytes > 0)
    });
    task
}

/// A node that dials the hub through a wire that can be cut.
fn node_behind(bench: &Bench, proxy: &Proxy) -> Running {
    let file = bench.invite("lab");
    let invite = bench.read("lab.yaml");
    let port = |address: &str| {
        let (_, port) = address.rsplit_once(':').expect("an address");
        format!("grpc_port: {port}")
    };
    let (direct, wire) = (port(bench.grpc()), port(&proxy.address));
    assert!(invite.contains(&direct), "{invite}");
    std::fs::write(file, invite.replace(&direct, &wire)).expect("a file");
    let node = bench.start_node("lab");
    bench.until_status("lab", "online");
    node
}

fn cut_until_lost(bench: &Bench, proxy: &Proxy) {
    let begin = Instant::now();
    proxy.cut();
    bench.until_status("lab", "offline");
    assert!(begin.elapsed() < LOST_WITHIN, "lost after {:?}", begin.elapsed());
}

fn heal_until_back(bench: &Bench, proxy: &Proxy) {
    let begin = Instant::now();
    proxy.heal();
    bench.until_status("lab", "online");
    assert!(begin.elapsed() < BACK_WITHIN, "back after {:?}", begin.elapsed());
}

#[test]
fn row_55_a_task_outlives_a_partition_that_is_healed_in_time() {
    let bench = Bench::start(&[]);
    let proxy = Proxy::to(bench.grpc());
    let _node = node_behind(&bench, &proxy);
    let task = count(&bench, 250);
    cut_until_lost(&bench, &proxy);
    heal_until_back(&bench, &proxy);
    let ended = bench.finish(&task);
    assert_eq!((&ended["state"], &ended["attempt"]), (&"succeeded".into(), &1.into()), "{ended}");
    let counted: String = (1..=250).map(|number| format!("line {number}\n")).collect();
    assert_eq!(stdout(&bench.run(&["task", "logs", &task])), counted);
    assert_eq!(bench.read("runs"), "run\n");
}

#[test]
fn row_55_a_task_that_was_given_up_in_a_partition_does_not_go_on_in_secret() {
    let mut bench = Bench::start(&[]);
    bench.hub().kill();
    assert!(bench.serve_with(&[], &[("CORTEX_HUB_LIMITS__NODE_GRACE_S", "1")]));
    let proxy = Proxy::to(bench.grpc());
    let _node = node_behind(&bench, &proxy);
    let task = count(&bench, 6_000);
    cut_until_lost(&bench, &proxy);
    assert_eq!(bench.finish(&task)["state"], "interrupted");
    heal_until_back(&bench, &proxy);
    until("its processes are gone", || {
        let marked = std::fs::read_dir("/proc").expect("/proc").flatten().any(|entry| {
            let variables = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&variables).contains(&task)
        });
        (!marked).then_some(())
    });
    assert_eq!(bench.read("runs"), "run\n");
    assert_eq!(stdout(&bench.run(&["exec", "lab", "--", "echo", "works"])), "works\n");
}
